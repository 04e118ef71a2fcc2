"""What comes of a verdict while the rules are only observed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from doubles import AGENT, CLIENT, OPERATOR
from policies import declared, policy

from proxy.actions import Invoke, ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.policy import Asked, Permit, Verdict
from proxy.authorization.tools.observation import OBSERVABLE, Observation
from proxy.decision import Allow, Deny
from proxy.exchange import Principal, Role
from proxy.reasons import Layer, Reason
from proxy.scope import Autonomy, Scope
from proxy.values import Json

READONLY, SUPERVISED, FULL = Autonomy
UNTIL = datetime(2030, 1, 1, tzinfo=UTC)
BEFORE, AFTER = UNTIL - timedelta(seconds=1), UNTIL
TOOLS = {
    "a.run": {"effect": "execute", "backend": "upstream", "command": "line"},
    "a.save": {
        "effect": "write",
        "backend": "upstream",
        "paths": ["file"],
        "rules": {"n": {"max": 1, "optional": True}},
    },
    "a.get": {"effect": "read", "backend": "upstream", "urls": ["url?"]},
    "a.off": {"effect": "read", "backend": "upstream", "approval": "deny"},
    "call_tool": {
        "effect": "read",
        "backend": "upstream",
        "dispatch": {"tool": "name", "arguments": "arguments"},
    },
    "batch": {
        "effect": "read",
        "backend": "upstream",
        "dispatch": {"tool": "name", "arguments": "arguments", "calls": "calls"},
    },
    "inside": {"effect": "execute", "backend": "sandbox", "command": "line"},
}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


async def decide(
    workspace: Workspace | None,
    name: str,
    arguments: dict[str, Json],
    *,
    now: datetime = BEFORE,
    level: Autonomy = FULL,
    who: Principal = CLIENT,
) -> Verdict:
    observing = Observation(UNTIL, lambda: now)
    rules = policy(workspace, level=level, tools=declared(TOOLS), observation=observing)
    return await rules.decide(ToolCall(name, arguments), who)


OBSERVED: list[tuple[str, dict[str, Any], Reason]] = [
    ("a.run", {"line": "rm x"}, Reason.COMMAND_NOT_ALLOWED),
    ("a.run", {"line": "ls $(id)"}, Reason.COMMAND_UNKNOWABLE),
    ("a.run", {"line": "ls ../x"}, Reason.PATH_OUTSIDE_WORKSPACE),
    ("a.save", {"file": "../x"}, Reason.PATH_OUTSIDE_WORKSPACE),
    ("a.save", {"file": "x", "n": 2}, Reason.ARGUMENT_NOT_ALLOWED),
    ("a.get", {"url": "http://127.0.0.1/"}, Reason.URL_PRIVATE),
    ("call_tool", {"name": "a.run", "arguments": {"line": "rm x"}}, Reason.COMMAND_NOT_ALLOWED),
]


@pytest.mark.parametrize(("name", "arguments", "reason"), OBSERVED, ids=str)
async def test_what_the_rules_refuse_of_the_agent_s_tools_is_done_and_told(
    workspace: Workspace, name: str, arguments: dict[str, Json], reason: Reason
) -> None:
    verdict = await decide(workspace, name, arguments)

    assert verdict == Allow(Permit(Invoke(f"/tools/{name}", arguments, 60), acting=name != "a.get"))
    assert isinstance(verdict, Allow)
    assert verdict.facts["observed"] is reason


@pytest.mark.parametrize(("name", "arguments", "reason"), OBSERVED, ids=str)
async def test_from_its_end_on_the_rules_are_enforced(
    workspace: Workspace, name: str, arguments: dict[str, Json], reason: Reason
) -> None:
    assert await decide(workspace, name, arguments, now=AFTER) == Deny(reason)


async def test_who_would_be_asked_is_not(workspace: Workspace) -> None:
    verdict = await decide(workspace, "a.save", {"file": "x"}, level=SUPERVISED)

    assert isinstance(verdict, Allow)
    assert verdict.facts["observed"] is Reason.APPROVAL_REQUIRED
    assert isinstance(
        await decide(workspace, "a.save", {"file": "x"}, level=SUPERVISED, now=AFTER), Asked
    )


async def test_readonly_is_observed_as_far_as_the_configuration_says_it(
    workspace: Workspace,
) -> None:
    verdict = await decide(workspace, "a.save", {"file": "x"}, level=READONLY)

    assert isinstance(verdict, Allow)
    assert verdict.facts["observed"] is Reason.AUTONOMY_READONLY


@pytest.mark.parametrize("ceiling", [READONLY, SUPERVISED])
async def test_what_a_credential_is_bound_to_holds(workspace: Workspace, ceiling: Autonomy) -> None:
    who = Principal("x", Role.AGENT, scope=Scope(level=ceiling))
    verdict = await decide(workspace, "a.save", {"file": "x"}, who=who)

    assert not isinstance(verdict, Allow)
    for name, arguments, reason in OBSERVED:
        if ceiling is SUPERVISED:
            assert await decide(workspace, name, arguments, who=who) == Deny(reason)
        assert isinstance(await decide(workspace, name, arguments, who=who), Deny)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("none", {}, Reason.TOOL_UNKNOWN),
        ("a.off", {}, Reason.TOOL_DENIED),
        ("a.run", {}, Reason.ARGUMENTS_INVALID),
        ("a.save", {"file": 1}, Reason.ARGUMENTS_INVALID),
        ("call_tool", {"name": "none", "arguments": {}}, Reason.TOOL_UNKNOWN),
        ("call_tool", {"name": "a.off", "arguments": {}}, Reason.TOOL_DENIED),
        ("call_tool", {"name": "a.get"}, Reason.ARGUMENTS_INVALID),
        # what Sidegate itself does
        ("shell", {"command": "rm x"}, Reason.COMMAND_NOT_ALLOWED),
        ("inside", {"line": "rm x"}, Reason.COMMAND_NOT_ALLOWED),
        ("file_read", {"path": "../x"}, Reason.PATH_OUTSIDE_WORKSPACE),
        ("file_write", {"path": "/etc/x", "content": ""}, Reason.PATH_OUTSIDE_WORKSPACE),
    ],
)
async def test_what_is_no_judgement_on_the_agent_s_tools_is_enforced(
    workspace: Workspace, name: str, arguments: dict[str, Json], reason: Reason
) -> None:
    assert await decide(workspace, name, arguments) == Deny(reason)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"name": "a.off", "arguments": {}}, Reason.TOOL_DENIED),
        ({"name": "none", "arguments": {}}, Reason.TOOL_UNKNOWN),
        ({"name": "a.get"}, Reason.ARGUMENTS_INVALID),
        ({"name": "call_tool", "arguments": {"name": "a.off"}}, Reason.ARGUMENTS_INVALID),
        (
            {"name": "call_tool", "arguments": {"name": "a.off", "arguments": {}}},
            Reason.TOOL_DENIED,
        ),
    ],
)
async def test_what_is_only_observed_hides_nothing_that_is_enforced(
    workspace: Workspace, second: Json, reason: Reason
) -> None:
    first: Json = {"name": "a.save", "arguments": {"file": "../x", "n": 2}}

    for level in (FULL, READONLY):
        for calls in ([first, second], [second, first]):
            verdict = await decide(workspace, "batch", {"calls": calls}, level=level)
            assert verdict == Deny(reason)
    assert isinstance(await decide(workspace, "batch", {"calls": [first]}), Allow)


async def test_each_tool_that_is_called_is_named(workspace: Workspace) -> None:
    """A stop and a rate hold for it, by whatever way it is called."""
    calls: Json = [
        {"name": "a.save", "arguments": {"file": "../x"}},
        {"name": "call_tool", "arguments": {"name": "a.get", "arguments": {}}},
    ]
    verdict = await decide(workspace, "batch", {"calls": calls})

    assert isinstance(verdict, Allow)
    assert verdict.facts["observed"] is Reason.PATH_OUTSIDE_WORKSPACE
    assert verdict.value.tools == ("batch", "a.save", "call_tool", "a.get")


async def test_what_calls_acts_as_far_as_what_it_calls(workspace: Workspace) -> None:
    for name, arguments, acting in (
        ("a.get", {"url": "http://127.0.0.1/"}, False),
        ("a.save", {"file": "../x"}, True),
    ):
        verdict = await decide(workspace, "call_tool", {"name": name, "arguments": arguments})
        assert isinstance(verdict, Allow)
        assert verdict.value.acting is acting


@pytest.mark.parametrize(
    "who",
    [
        OPERATOR,
        Principal("x", Role.CLIENT, scope=Scope(tools=("a.get",))),
        Principal("x", Role.AGENT, scope=Scope(tools=())),
    ],
)
async def test_who_may_not_call_may_not(workspace: Workspace, who: Principal) -> None:
    assert isinstance(await decide(workspace, "a.save", {"file": "x"}, who=who), Deny)


async def test_what_is_allowed_is_not_told() -> None:
    verdict = await decide(None, "a.get", {}, who=AGENT)

    assert isinstance(verdict, Allow)
    assert "observed" not in verdict.facts


def test_only_judgements_of_this_layer_are_observed() -> None:
    never = {
        Reason.TOOL_UNKNOWN,
        Reason.TOOL_DENIED,
        Reason.WRAPPER_UNKNOWN,
        Reason.STOPPED_BY_OPERATOR,
    }
    never |= {Reason.SCOPE_INSUFFICIENT, Reason.ROLE_INSUFFICIENT, Reason.ARGUMENTS_INVALID}

    assert {reason.layer for reason in OBSERVABLE} == {Layer.AUTHORIZATION}
    assert OBSERVABLE & never == set()
