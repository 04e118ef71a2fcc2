"""What may be done, by whom, at which level: values in, verdicts out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles import CLIENT, OPERATOR, PUBLIC
from policies import ADD, RUN, SAVE, policy, shell

from proxy.actions import (
    Action,
    Command,
    Effect,
    FilePlan,
    Forward,
    Headers,
    Invoke,
    Known,
    Listing,
    Message,
    Operate,
    Relay,
    ToolCall,
)
from proxy.authorization.catalogue import BUILT_IN, Place, Tool
from proxy.authorization.paths import Workspace
from proxy.authorization.policy import OPERATIONS, Permit, Policy
from proxy.config.model import Autonomy
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Principal, Role
from proxy.reasons import Reason

READONLY, SUPERVISED, FULL = Autonomy.READONLY, Autonomy.SUPERVISED, Autonomy.FULL
BEYOND = Deny(Reason.AUTONOMY_READONLY)
ASKS = Deny(Reason.APPROVAL_UNAVAILABLE)
RELAY = Relay("POST", "/webhook", Headers(), b"{}")
INSUFFICIENT = Deny(Reason.ROLE_INSUFFICIENT)

# One call of each tool: two that read, two that write, two that execute.
CALLS = {
    "file_read": ToolCall("file_read", {"path": "a.txt"}),
    ADD.name: ToolCall(ADD.name, {"a": 1}),
    "file_write": ToolCall("file_write", {"path": "new", "content": ""}),
    SAVE.name: ToolCall(SAVE.name, {"file": "new"}),
    "shell": shell("ls"),
    RUN.name: ToolCall(RUN.name, {"line": "ls"}),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


async def decide(rules: Policy, action: Action, principal: Principal = CLIENT) -> Decision[Permit]:
    """The verdict; an open file that comes with it is closed."""
    decision = await rules.decide(action, principal)
    if isinstance(decision, Allow) and isinstance(decision.value.plan, FilePlan):
        decision.value.plan.file.close()
    return decision


# Levels


@pytest.mark.parametrize(
    ("level", "read", "acts"),
    [(READONLY, None, BEYOND), (SUPERVISED, ASKS, ASKS), (FULL, None, None)],
    ids=str,
)
@pytest.mark.parametrize("tool", CALLS)
async def test_the_level_says_what_goes_without_a_human(
    workspace: Workspace, level: Autonomy, tool: str, read: Deny | None, acts: Deny | None
) -> None:
    """With no tool approved in advance: None stands for allowed."""
    rules = policy(workspace, level=level, auto_approve=())
    expected = read if rules.tools[tool].effect is Effect.READ else acts
    decision = await decide(rules, CALLS[tool])

    assert decision == expected or (expected is None and isinstance(decision, Allow))


@pytest.mark.parametrize("tool", CALLS)
async def test_what_is_approved_in_advance_goes_under_supervision(
    workspace: Workspace, tool: str
) -> None:
    rules = policy(workspace, level=SUPERVISED, auto_approve=[tool])

    assert {name: await decide(rules, call) == ASKS for name, call in CALLS.items()} == {
        name: name != tool for name in CALLS
    }


@pytest.mark.parametrize("tool", ["file_write", SAVE.name, "shell", RUN.name])
async def test_readonly_holds_whatever_is_approved_in_advance(
    workspace: Workspace, tool: str
) -> None:
    rules = policy(workspace, level=READONLY, auto_approve=CALLS)

    assert await decide(rules, CALLS[tool]) == BEYOND


async def test_always_ask_is_stronger_than_approval_in_advance(workspace: Workspace) -> None:
    rules = policy(workspace, level=SUPERVISED, auto_approve=CALLS, always_ask=["file_read"])

    assert await decide(rules, CALLS["file_read"]) == ASKS
    assert isinstance(await decide(rules, CALLS[ADD.name]), Allow)


async def test_full_asks_nobody_whatever_is_always_asked(workspace: Workspace) -> None:
    rules = policy(workspace, level=Autonomy.FULL, always_ask=["file_read"])

    assert isinstance(await decide(rules, CALLS["file_read"]), Allow)


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (shell("rm x"), Reason.COMMAND_NOT_ALLOWED),
        (ToolCall("file_read", {"path": "/etc/passwd"}), Reason.PATH_OUTSIDE_WORKSPACE),
        (ToolCall("file_read", {}), Reason.ARGUMENTS_INVALID),
    ],
)
async def test_nobody_is_asked_about_what_is_denied_anyway(
    workspace: Workspace, call: ToolCall, reason: Reason
) -> None:
    rules = policy(workspace, level=SUPERVISED, auto_approve=())

    assert await decide(rules, call) == Deny(reason)


async def test_full_autonomy_lifts_no_other_rule(workspace: Workspace) -> None:
    rules = policy(workspace, level=FULL)

    for call, reason in (
        (shell("rm x"), Reason.COMMAND_NOT_ALLOWED),
        (shell("ls ; ls"), Reason.COMMAND_NOT_PLAIN),
        (shell("cat /etc/passwd"), Reason.PATH_OUTSIDE_WORKSPACE),
        (ToolCall("file_write", {"path": ".ssh/x", "content": ""}), Reason.PATH_FORBIDDEN),
    ):
        assert await decide(rules, call) == Deny(reason)


async def test_a_file_that_a_human_must_allow_does_not_stay_open(workspace: Workspace) -> None:
    rules = policy(workspace, level=SUPERVISED, auto_approve=())
    before = len(os.listdir("/proc/self/fd"))
    for path in ("a.txt", "new"):
        assert await rules.decide(ToolCall("file_read", {"path": "a.txt"}), CLIENT) == ASKS
        call = ToolCall("file_write", {"path": path, "content": ""})
        assert await rules.decide(call, CLIENT) == ASKS

    assert len(os.listdir("/proc/self/fd")) == before


# Tools


@pytest.mark.parametrize("name", ["", "none", "Shell", "shell ", "invoke", "ref.", "ref", "file_*"])
@pytest.mark.parametrize("level", Autonomy)
async def test_there_is_no_tool_that_is_not_declared(
    workspace: Workspace, level: Autonomy, name: str
) -> None:
    denied = await decide(policy(workspace, level=level), ToolCall(name, {}))

    assert denied == Deny(Reason.TOOL_UNKNOWN)
    assert denied.facts == {"rule": "tools"}


async def test_a_permit_says_whether_it_acts(workspace: Workspace) -> None:
    rules = policy(workspace)
    acting = {}
    for name, call in CALLS.items():
        decision = await decide(rules, call)
        assert isinstance(decision, Allow)
        acting[name] = decision.value.acting

    assert acting == {name: name not in {"file_read", ADD.name} for name in CALLS}


async def test_a_caller_s_word_on_what_a_tool_does_means_nothing(workspace: Workspace) -> None:
    rules = policy(workspace, level=READONLY)
    call = ToolCall(RUN.name, {"line": "ls", "effect": "read", "approved": True})

    assert await decide(rules, call) == BEYOND


async def test_a_permit_holds_the_plan(workspace: Workspace) -> None:
    rules = policy(workspace)

    assert await decide(rules, shell("ls -la")) == Allow(
        Permit(Command(("ls", "-la"), 60, writes=True), acting=True)
    )
    assert await decide(rules, CALLS[ADD.name]) == Allow(
        Permit(Invoke("/tools/ref.add", {"a": 1}, 60))
    )


async def test_rules_are_named_by_their_key(workspace: Workspace) -> None:
    found = {}
    for name, level in (("level", READONLY), ("auto_approve", SUPERVISED), ("allowed", FULL)):
        decision = await decide(policy(workspace, level=level, auto_approve=()), shell("ls"))
        found[name] = decision.facts.get("rule")

    assert found == {
        "level": "autonomy.level",
        "auto_approve": "autonomy.auto_approve",
        "allowed": "autonomy.level",
    }


async def test_without_a_workspace_there_are_no_files_and_no_commands() -> None:
    rules = policy(None)

    for name, call in CALLS.items():
        decision = await decide(rules, call)
        missing = decision == Deny(Reason.WORKSPACE_MISSING)
        assert missing is (name != ADD.name)


# The listing


@pytest.mark.parametrize(
    ("level", "auto_approve", "always_ask", "names"),
    [
        (FULL, (), (), {*BUILT_IN, ADD.name, SAVE.name, RUN.name}),
        (READONLY, (), (), {"file_read", "file_list", ADD.name}),
        (READONLY, ("shell",), (), {"file_read", "file_list", ADD.name}),
        (SUPERVISED, (), (), set()),
        (SUPERVISED, ("shell", ADD.name, "none"), (), {"shell", ADD.name}),
        (SUPERVISED, ("shell", ADD.name), ("shell",), {ADD.name}),
    ],
)
async def test_the_listing_shows_what_may_be_called(
    level: Autonomy, auto_approve: tuple[str, ...], always_ask: tuple[str, ...], names: set[str]
) -> None:
    rules = policy(None, level=level, auto_approve=auto_approve, always_ask=always_ask)
    decision = await decide(rules, Listing())

    assert isinstance(decision, Allow)
    assert isinstance(decision.value.plan, Known)
    assert not decision.value.acting
    found = decision.value.plan.value
    assert isinstance(found, dict)
    assert {tool["name"] for tool in found["tools"]} == names


async def test_a_listed_tool_has_a_name_an_effect_and_a_description() -> None:
    tool = Tool("a.b", Effect.WRITE, Place.UPSTREAM, seconds=7, path="/p", description="Do.")
    rules = Policy(FULL, frozenset(), frozenset(), {"a.b": tool}, policy(None).planner)

    assert await decide(rules, Listing()) == Allow(
        Permit(Known({"tools": [{"name": "a.b", "effect": "write", "description": "Do."}]}))
    )


# Messages and routes


@pytest.mark.parametrize("level", Autonomy)
@pytest.mark.parametrize("action", [Message("hello", RELAY), Forward(RELAY)])
async def test_a_client_may_write_to_the_agent_at_every_level(
    level: Autonomy, action: Action
) -> None:
    assert await decide(policy(None, level=level), action) == Allow(Permit(RELAY))


# Roles


@pytest.mark.parametrize("principal", [PUBLIC, OPERATOR], ids=lambda principal: principal.role)
@pytest.mark.parametrize(
    "action",
    [
        shell("ls"),
        CALLS["file_read"],
        ToolCall("none", {}),
        Listing(),
        Message("", RELAY),
        Forward(RELAY),
    ],
    ids=lambda action: type(action).__name__,
)
async def test_only_a_client_calls_tools_and_reaches_the_agent(
    workspace: Workspace, principal: Principal, action: Action
) -> None:
    assert await decide(policy(workspace), action, principal) == INSUFFICIENT


PROBES = {"health", "live", "ready", "metrics"}
OPERATORS = {"pairing-codes.create", "status", "tokens.list", "tokens.revoke"}


@pytest.mark.parametrize("role", Role)
async def test_what_sidegate_itself_does_depends_on_the_role(role: Role) -> None:
    allowed = {
        Role.PUBLIC: PROBES,
        Role.CLIENT: PROBES | {"pair"},
        Role.OPERATOR: PROBES | OPERATORS,
    }[role]
    rules = policy(None, level=READONLY)
    found = {verb: await decide(rules, Operate(verb), Principal("x", role)) for verb in OPERATIONS}

    assert found == {
        verb: Allow(Permit(Operate(verb, {}))) if verb in allowed else INSUFFICIENT
        for verb in PROBES | OPERATORS | {"pair"}
    }


@pytest.mark.parametrize("verb", ["", "none", "Health", "tokens", "tokens.mint"])
@pytest.mark.parametrize("role", Role)
async def test_what_sidegate_does_not_do_is_for_nobody(verb: str, role: Role) -> None:
    assert await decide(policy(None), Operate(verb), Principal("x", role)) == INSUFFICIENT


async def test_an_operation_keeps_its_arguments() -> None:
    action = Operate("tokens.revoke", {"subject": "token-1"})

    assert await decide(policy(None), action, OPERATOR) == Allow(
        Permit(Operate("tokens.revoke", {"subject": "token-1"}))
    )
