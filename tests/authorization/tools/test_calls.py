"""Who is asked, who is refused, and what a call that stands for others comes to."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from doubles import CLIENT
from hypothesis import given
from hypothesis import strategies as st
from policies import declared, policy

from proxy.actions import Effect, Invoke, ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.policy import Asked, Permit, Policy, Verdict
from proxy.authorization.urls.policy import UrlPolicy
from proxy.decision import Allow, Deny
from proxy.exchange import Principal, Role
from proxy.reasons import Reason
from proxy.scope import Autonomy, Scope
from proxy.values import Json

READONLY, SUPERVISED, FULL = Autonomy
READ = {"effect": "read", "backend": "upstream"}
WRITE = {"effect": "write", "backend": "upstream"}
EXECUTE = {"effect": "execute", "backend": "upstream"}
CALL = {**EXECUTE, "dispatch": {"tool": "name", "arguments": "arguments"}}
BATCH = {
    **READ,
    "dispatch": {
        "server": "mcp_server",
        "tool": "tool",
        "arguments": "arguments",
        "calls": "calls",
    },
}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


async def decide(
    rules: Policy, tool: str, scope: Scope | None = None, /, **arguments: Json
) -> Verdict:
    who = CLIENT if scope is None else Principal("x", Role.CLIENT, scope=scope)
    return await rules.decide(ToolCall(tool, arguments), who)


def wrapped(tool: str, /, **arguments: Json) -> dict[str, Json]:
    return {"name": tool, "arguments": arguments}


def reason(verdict: Verdict) -> Reason | None:
    """Why it is refused; None where it is allowed or asked about."""
    return verdict.reason if isinstance(verdict, Deny) else None


# Whom to ask


@pytest.mark.parametrize(
    ("approval", "auto_approve", "always_ask", "rule"),
    [
        (None, [], [], "autonomy.auto_approve"),
        (None, ["a.b"], [], None),
        (None, ["a.*"], [], None),
        (None, ["b.*"], [], "autonomy.auto_approve"),
        (None, ["*"], ["a.*"], "autonomy.always_ask"),
        ("auto", [], [], None),
        ("auto", [], ["a.b"], "autonomy.always_ask"),
        ("ask", ["a.b"], [], "tools.a.b.approval"),
        ("ask", [], ["*.b"], "autonomy.always_ask"),
    ],
)
async def test_ask_beats_allow(
    approval: str | None, auto_approve: list[str], always_ask: list[str], rule: str | None
) -> None:
    rules = policy(
        None,
        level=SUPERVISED,
        auto_approve=auto_approve,
        always_ask=always_ask,
        tools=declared({"a.b": {**WRITE, "approval": approval}}),
    )
    verdict = await decide(rules, "a.b")

    assert isinstance(verdict, Allow if rule is None else Asked)
    assert isinstance(verdict, Allow | Asked)
    assert verdict.facts["rule"] == (rule or "autonomy.level")
    if isinstance(verdict, Asked):
        assert verdict.always is (rule == "autonomy.always_ask")
        assert (verdict.tool.name, verdict.tool.effect) == ("a.b", Effect.WRITE)


@pytest.mark.parametrize("approval", [None, "auto", "ask"])
async def test_full_asks_nobody_whatever_a_tool_says(approval: str | None) -> None:
    rules = policy(None, tools=declared({"a.b": {**WRITE, "approval": approval}}), always_ask=["*"])

    assert isinstance(await decide(rules, "a.b"), Allow)


@pytest.mark.parametrize("level", [SUPERVISED, FULL, READONLY])
async def test_what_is_switched_off_is_off_at_every_level(level: Autonomy) -> None:
    tools = declared({"a.*": {**WRITE, "approval": "deny"}, "a.b": {"approval": "auto"}})
    rules = policy(None, level=level, tools=tools, auto_approve=["*"])
    verdict = await decide(rules, "a.b", path=1)

    assert verdict == Deny(Reason.TOOL_DENIED)
    assert isinstance(verdict, Deny)
    assert verdict.facts == {"rule": "tools.a.*.approval"}
    assert reason(await decide(rules, "a.b", Scope(tools=()))) is Reason.SCOPE_INSUFFICIENT


async def test_a_human_who_said_yes_is_not_asked_again() -> None:
    rules = policy(None, level=SUPERVISED, tools=declared({"a.b": WRITE}), always_ask=["*"])
    call = ToolCall("a.b", {})

    assert isinstance(await rules.decide(call, CLIENT), Asked)
    assert isinstance(await rules.decide(call, CLIENT, approved=True), Allow)


@pytest.mark.parametrize("level", [SUPERVISED, FULL])
async def test_a_human_s_yes_lifts_no_other_rule(level: Autonomy) -> None:
    said = {"a.b": {**WRITE, "rules": {"n": {"max": 1}}}}
    rules = policy(None, level=level, tools=declared(said))
    verdict = await rules.decide(ToolCall("a.b", {"n": 2}), CLIENT, approved=True)

    assert verdict == Deny(Reason.ARGUMENT_NOT_ALLOWED)


# Order


async def test_the_first_rule_that_forbids_is_the_one_that_is_told(workspace: Workspace) -> None:
    said = {"a.b": {**WRITE, "paths": ["path"], "rules": {"n": {"max": 1}}}}
    known = declared(said)
    full, readonly = (policy(workspace, level=level, tools=known) for level in (FULL, READONLY))
    supervised = policy(workspace, level=SUPERVISED, tools=known)
    bad: dict[str, Json] = {"n": 2, "path": "../x"}

    assert reason(await decide(readonly, "a.c", **bad)) is Reason.TOOL_UNKNOWN
    assert reason(await decide(readonly, "a.b", Scope(tools=()), **bad)) is (
        Reason.SCOPE_INSUFFICIENT
    )
    assert reason(await decide(readonly, "a.b", **bad)) is Reason.AUTONOMY_READONLY
    assert reason(await decide(full, "a.b", **bad)) is Reason.ARGUMENT_NOT_ALLOWED
    assert reason(await decide(full, "a.b", n=1, path="../x")) is Reason.PATH_OUTSIDE_WORKSPACE
    assert reason(await decide(supervised, "a.b", n=1, path="..")) is Reason.PATH_OUTSIDE_WORKSPACE
    assert isinstance(await decide(supervised, "a.b", n=1, path="a.txt"), Asked)
    assert isinstance(await decide(full, "a.b", n=1, path="a.txt"), Allow)


async def test_a_rule_that_is_broken_is_named() -> None:
    rules = policy(None, tools=declared({"a.*": {**READ, "rules": {"x.y": {"in": [1]}}}}))
    verdict = await decide(rules, "a.b", x={"y": 2})

    assert verdict == Deny(Reason.ARGUMENT_NOT_ALLOWED)
    assert isinstance(verdict, Deny)
    assert verdict.facts == {"rule": "tools.a.*.rules.x.y"}


# Tools that call others


async def test_a_call_within_a_call_is_judged_and_the_whole_goes_up(workspace: Workspace) -> None:
    known = declared({"mcp.tool_call": CALL, "fs.read": {**READ, "paths": ["path"]}})
    rules = policy(workspace, tools=known)
    arguments = wrapped("fs.read", path="a.txt")

    assert await decide(rules, "mcp.tool_call", **arguments) == Allow(
        Permit(Invoke("/tools/mcp.tool_call", arguments, 60), acting=True)
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (wrapped("fs.write", path="a.txt", n=1), None),
        (wrapped("fs.none"), Reason.TOOL_UNKNOWN),
        (wrapped("FS.write", path="a.txt", n=1), Reason.TOOL_UNKNOWN),
        (wrapped(" fs.write", path="a.txt", n=1), Reason.TOOL_UNKNOWN),
        (wrapped("fs.write", path="../x", n=1), Reason.PATH_OUTSIDE_WORKSPACE),
        (wrapped("fs.write", path="a.txt", n=2), Reason.ARGUMENT_NOT_ALLOWED),
        (wrapped("fs.write", path="a.txt"), Reason.ARGUMENT_NOT_ALLOWED),
        (wrapped("fs.off"), Reason.TOOL_DENIED),
        (wrapped("fs.run_code", code="x"), Reason.WRAPPER_UNKNOWN),
        (wrapped("shell", command="ls"), None),
        (wrapped("shell", command="rm x"), Reason.COMMAND_NOT_ALLOWED),
        (wrapped("file_read", path="a.txt"), None),
        (wrapped("file_read", path="/etc/passwd"), Reason.PATH_OUTSIDE_WORKSPACE),
        (
            {"name": "fs.write", "arguments": '{"path": "../x", "n": 1}'},
            Reason.PATH_OUTSIDE_WORKSPACE,
        ),
        ({"name": "fs.write", "arguments": '{"n": 1, "path": "a.txt"}'}, None),
        ({"name": "fs.write"}, Reason.ARGUMENTS_INVALID),
        ({**wrapped("fs.write", path="a.txt", n=1), "tool": "fs.off"}, Reason.ARGUMENTS_INVALID),
    ],
    ids=lambda part: str(part)[:50],
)
async def test_a_wrapper_is_no_way_around_a_rule(
    workspace: Workspace, arguments: dict[str, Json], expected: Reason | None
) -> None:
    known = declared(
        {
            "mcp.tool_call": CALL,
            "fs.write": {**WRITE, "paths": ["path"], "rules": {"n": {"max": 1}}},
            "fs.off": {**READ, "approval": "deny"},
            "fs.run*": EXECUTE,
        }
    )
    before = len(os.listdir("/proc/self/fd"))
    verdict = await decide(policy(workspace, tools=known), "mcp.tool_call", **arguments)

    assert reason(verdict) is expected
    assert len(os.listdir("/proc/self/fd")) == before


async def test_every_call_of_several_is_judged() -> None:
    known = declared({"gate.hangar_call": BATCH, "a.b": READ, "a.c": {**READ, "approval": "deny"}})
    rules = policy(None, tools=known)

    def calls(*names: str) -> list[Json]:
        return [{"mcp_server": "a", "tool": name, "arguments": {}} for name in names]

    assert isinstance(await decide(rules, "gate.hangar_call", calls=calls("b", "b")), Allow)
    assert reason(await decide(rules, "gate.hangar_call", calls=calls("b", "c"))) is (
        Reason.TOOL_DENIED
    )
    permit = await decide(rules, "gate.hangar_call", calls=calls("b", "b"))
    assert isinstance(permit, Allow)
    assert permit.value.tools == ("gate.hangar_call", "a.b", "a.b")
    assert not permit.value.acting


async def test_what_reads_acts_as_far_as_what_it_calls() -> None:
    known = declared({"call_tool": {**CALL, "effect": "read"}, "a.b": READ, "a.c": WRITE})
    rules, readonly = (policy(None, level=level, tools=known) for level in (FULL, READONLY))

    for name, acting in (("a.b", False), ("a.c", True)):
        permit = await decide(rules, "call_tool", **wrapped(name))
        assert isinstance(permit, Allow)
        assert permit.value.acting is acting
    assert isinstance(await decide(readonly, "call_tool", **wrapped("a.b")), Allow)
    assert reason(await decide(readonly, "call_tool", **wrapped("a.c"))) is Reason.AUTONOMY_READONLY


@pytest.mark.parametrize(
    ("outer", "inner", "always_ask", "asked", "always"),
    [
        ("auto", "auto", [], None, False),
        ("auto", "ask", [], "a.b", False),
        ("ask", "auto", [], "call_tool", False),
        # one yes for two tools is a yes for this call alone
        ("ask", "ask", [], "call_tool", True),
        ("auto", "auto", ["a.b"], "a.b", True),
        ("ask", "auto", ["a.*"], "a.b", True),
    ],
)
async def test_the_strictest_word_of_outer_and_inner_counts(
    outer: str, inner: str, always_ask: list[str], asked: str | None, *, always: bool
) -> None:
    known = declared(
        {
            "call_tool": {**CALL, "effect": "read", "approval": outer},
            "a.b": {**WRITE, "approval": inner},
        }
    )
    rules = policy(None, level=SUPERVISED, tools=known, always_ask=always_ask)
    verdict = await decide(rules, "call_tool", **wrapped("a.b"))

    if asked is None:
        assert isinstance(verdict, Allow)
        return
    assert isinstance(verdict, Asked)
    assert (verdict.tool.name, verdict.always) == (asked, always)
    assert verdict.tool.effect is Effect.WRITE


async def test_a_scope_holds_for_what_is_called() -> None:
    rules = policy(None, tools=declared({"call_tool": CALL, "a.b": READ}))
    who = Scope(tools=("call_tool",))

    assert reason(await decide(rules, "call_tool", who, **wrapped("a.b"))) is (
        Reason.SCOPE_INSUFFICIENT
    )


ANY: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3)
RULED = declared(
    {
        "call_tool": {**CALL, "effect": "read", "approval": "auto"},
        "a.*": {**READ, "rules": {"n": {"max": 1, "optional": True}}},
        "a.write": {**WRITE, "rules": {"mode": {"in": ["x", None]}}},
        "a.off": {"approval": "deny"},
        "a.ask": {"approval": "ask"},
    }
)


@given(
    st.sampled_from(["a.b", "a.write", "a.off", "a.ask", "none", "call_tool"]),
    st.dictionaries(st.sampled_from(["n", "mode", "name"]), ANY),
    st.sampled_from(Autonomy),
)
async def test_by_way_of_another_tool_a_call_is_judged_as_by_itself(
    name: str, arguments: dict[str, Json], level: Autonomy
) -> None:
    rules = policy(None, level=level, tools=RULED)
    direct = await decide(rules, name, **{"name": None, **arguments})
    within = await decide(rules, "call_tool", **wrapped(name, **{"name": None, **arguments}))

    assert type(within) is type(direct)
    assert reason(within) is reason(direct)


def nested(depth: int) -> dict[str, Any]:
    inner = wrapped("a.b") if depth == 1 else wrapped("call_tool", **nested(depth - 1))
    return json.loads(json.dumps(inner))  # type: ignore[no-any-return]


@pytest.mark.parametrize(("depth", "allowed"), [(1, True), (4, True), (5, False), (20, False)])
async def test_calls_are_nested_only_so_deep(depth: int, *, allowed: bool) -> None:
    rules = policy(None, tools=declared({"call_tool": CALL, "a.b": READ}))
    verdict = await decide(rules, "call_tool", **nested(depth))

    assert reason(verdict) is (None if allowed else Reason.ARGUMENTS_INVALID)


async def test_calls_are_only_so_many_over_all_depths() -> None:
    known = declared({"gate.batch": BATCH, "a.b": READ})
    rules = policy(None, tools=known)
    one: Json = {"mcp_server": "a", "tool": "b", "arguments": {}}
    ten: Json = {"mcp_server": "gate", "tool": "batch", "arguments": {"calls": [one] * 10}}

    assert isinstance(await decide(rules, "gate.batch", calls=[ten] * 5), Allow)
    assert reason(await decide(rules, "gate.batch", calls=[ten] * 6)) is Reason.ARGUMENTS_INVALID


@pytest.mark.parametrize(("count", "allowed"), [(50, True), (51, False)])
async def test_paths_are_only_so_many_over_all_calls(
    workspace: Workspace, count: int, *, allowed: bool
) -> None:
    said = {**READ, "paths": ["paths"]}
    ruled = {**READ, "rules": {"paths": {"under": "."}}}
    rules = policy(workspace, tools=declared({"gate.batch": BATCH, "a.b": said, "a.c": ruled}))

    def item(tool: str, count: int) -> Json:
        return {"mcp_server": "a", "tool": tool, "arguments": {"paths": ["a.txt"] * count}}

    calls = [item("b", 100), item("b", count), item("c", 50)]
    verdict = await decide(rules, "gate.batch", calls=calls)

    assert reason(verdict) is (None if allowed else Reason.ARGUMENTS_INVALID)
    assert isinstance(await decide(rules, "a.b", paths=["a.txt"] * 100), Allow)


async def test_names_are_looked_up_on_behalf_of_the_principal(workspace: Workspace) -> None:
    owners: list[str] = []

    async def resolve(_host: str, owner: str = "", /) -> Sequence[str]:
        owners.append(owner)
        return ["93.184.215.14"]

    known = declared({"call_tool": CALL, "a.get": {**READ, "urls": ["url"]}})
    rules = policy(workspace, tools=known).tool_rules
    planner = replace(rules.planner, urls=UrlPolicy(("example.com",), resolve))
    looking = Policy(replace(rules, planner=planner))

    await decide(looking, "a.get", url="https://example.com/")
    await decide(looking, "call_tool", **wrapped("a.get", url="https://example.com/"))

    assert owners == [CLIENT.id, CLIENT.id]


# The listing


async def test_the_listing_has_no_patterns_and_nothing_that_is_switched_off() -> None:
    known = declared(
        {"a.*": READ, "a.b": {}, "a.c": {"approval": "deny"}, "shell": {"approval": "deny"}}
    )

    listed: Any = policy(None, tools=known).tool_rules.listing(Scope())

    assert [tool["name"] for tool in listed["tools"]] == [
        *("file_read", "file_write", "file_list", "a.b"),
    ]


# Presets


@pytest.mark.parametrize(
    ("preset", "name", "arguments", "expected"),
    [
        ("mcp-filesystem", "filesystem.write_file", {"path": "a", "content": ""}, None),
        *(
            ("mcp-filesystem", f"filesystem.{name}", arguments, Reason.PATH_OUTSIDE_WORKSPACE)
            for name, arguments in (
                ("write_file", {"path": "../x", "content": ""}),
                ("read_file", {"path": "/etc/passwd"}),
                ("read_multiple_files", {"paths": ["a.txt", "../x"]}),
                ("move_file", {"source": "a.txt", "destination": "../x"}),
            )
        ),
        ("mcp-filesystem", "filesystem.read_multiple_files", {"paths": ["a.txt", "b"]}, None),
        ("mcp-filesystem", "filesystem.chmod", {"path": "a"}, Reason.TOOL_UNKNOWN),
        ("mcp-fetch", "fetch.fetch", {"url": "https://example.com/"}, None),
        ("mcp-fetch", "fetch.fetch", {"url": "https://e.vil/"}, Reason.URL_NOT_ALLOWED),
        ("mcp-fetch", "fetch.fetch", {"url": "http://[::1]/"}, Reason.URL_PRIVATE),
        ("mcp-fetch", "fetch.fetch", {}, Reason.ARGUMENTS_INVALID),
        ("mcp-git", "git.git_show", {"repo_path": ".", "revision": "HEAD~1"}, None),
        (
            *("mcp-git", "git.git_show", {"repo_path": ".", "revision": "--output=x"}),
            Reason.ARGUMENT_NOT_ALLOWED,
        ),
        ("mcp-git", "git.git_status", {"repo_path": "/"}, Reason.PATH_OUTSIDE_WORKSPACE),
        ("mcp-github", "github.issue_read", {"method": "get"}, None),
        ("mcp-github", "github.none", {}, Reason.TOOL_UNKNOWN),
        ("zeroclaw", "zeroclaw.shell", {"command": "ls"}, None),
        ("zeroclaw", "zeroclaw.shell", {"command": "ls", "approved": False}, None),
        (
            *("zeroclaw", "zeroclaw.shell", {"command": "ls", "approved": True}),
            Reason.ARGUMENT_NOT_ALLOWED,
        ),
        ("zeroclaw", "zeroclaw.shell", {"command": "rm x"}, Reason.COMMAND_NOT_ALLOWED),
        ("zeroclaw", "zeroclaw.glob_search", {"pattern": "**/*.rs"}, None),
        (
            *("zeroclaw", "zeroclaw.glob_search", {"pattern": "../*"}),
            Reason.PATH_OUTSIDE_WORKSPACE,
        ),
        ("zeroclaw", "zeroclaw.proxy_config", {}, Reason.TOOL_DENIED),
        ("openclaw", "openclaw.exec", {"command": "ls", "workdir": "."}, None),
        *(
            ("openclaw", "openclaw.exec", {"command": "ls", **more}, Reason.ARGUMENT_NOT_ALLOWED)
            for more in (
                {"elevated": True},
                {"host": "gateway"},
                {"security": "full"},
                {"ask": "off"},
                {"env": {"LD_PRELOAD": "x"}},
            )
        ),
        (
            *("openclaw", "openclaw.read", {"path": "a.txt", "file_path": "/etc/passwd"}),
            Reason.ARGUMENT_NOT_ALLOWED,
        ),
        ("openclaw", "openclaw.gateway", {"action": "restart"}, Reason.TOOL_DENIED),
    ],
    ids=lambda part: str(part)[:60],
)
async def test_tools_of_presets_are_held_by_their_arguments(
    workspace: Workspace,
    preset: str,
    name: str,
    arguments: dict[str, Json],
    expected: Reason | None,
) -> None:
    rules = policy(workspace, tools=declared({}, [preset]))

    assert reason(await decide(rules, name, **arguments)) is expected


async def test_a_preset_asks_before_it_acts(workspace: Workspace) -> None:
    known = declared({}, ["mcp-filesystem"])
    rules = policy(workspace, level=SUPERVISED, auto_approve=["*"], tools=known)

    assert isinstance(await decide(rules, "filesystem.read_file", path="a.txt"), Allow)
    assert isinstance(await decide(rules, "filesystem.edit_file", path="a.txt"), Asked)


def test_any_preset_may_be_used_with_any_other() -> None:
    every = [*("zeroclaw", "openclaw", "mcp-filesystem", "mcp-git", "mcp-fetch", "mcp-github")]

    assert len(declared({}, every).exact) > 200


async def test_who_is_asked_is_told_what_the_call_means(workspace: Workspace) -> None:
    rules = policy(workspace, ("ls", "npm"), level=SUPERVISED, auto_approve=())

    npm = await decide(rules, "shell", command="npm test")
    ls = await decide(rules, "shell", command="ls")

    assert isinstance(npm, Asked)
    assert npm.facts["known"].startswith("npm test: ")
    assert npm.facts["rule"] == "autonomy.auto_approve"
    assert isinstance(ls, Asked)
    assert "known" not in ls.facts
