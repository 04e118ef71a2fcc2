"""What may be done, by whom, at which level: values in, verdicts out."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from doubles import AGENT, CLIENT, OPERATOR, PUBLIC
from policies import ADD, RUN, SAVE, policy, shell

from proxy.actions import (
    Action,
    Challenge,
    Command,
    Effect,
    Enqueue,
    FilePlan,
    Forward,
    Invoke,
    Known,
    Listing,
    Message,
    Operate,
    Relay,
    ToolCall,
)
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.policy import OPERATIONS, Asked, Permit, Policy
from proxy.authorization.tools.catalogue import BUILT_IN, Catalogue, Place, Tool
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Principal, Role
from proxy.reasons import Reason
from proxy.scope import Autonomy, Minting, Scope
from proxy.values import Headers, Json

READONLY, SUPERVISED, FULL = Autonomy.READONLY, Autonomy.SUPERVISED, Autonomy.FULL
BEYOND = Deny(Reason.AUTONOMY_READONLY)
ASKS = Deny(Reason.APPROVAL_REQUIRED)
RELAY = Relay("POST", "/webhook", Headers(), b"{}")
INSUFFICIENT = Deny(Reason.ROLE_INSUFFICIENT)
BEYOND_SCOPE = Deny(Reason.SCOPE_INSUFFICIENT)

# One call of each tool: two that read, two that write, two that execute.
CALLS = {
    "file_read": ToolCall("file_read", {"path": "a.txt"}),
    ADD.name: ToolCall(ADD.name, {"a": 1}),
    "file_write": ToolCall("file_write", {"path": "new", "content": ""}),
    SAVE.name: ToolCall(SAVE.name, {"file": "new"}),
    "shell": shell("ls"),
    RUN.name: ToolCall(RUN.name, {"line": "ls"}),
}

TOOLS = {**BUILT_IN, **{tool.name: tool for tool in (ADD, SAVE, RUN)}}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


async def decide(rules: Policy, action: Action, principal: Principal = CLIENT) -> Decision[Permit]:
    """The verdict; an open file that comes with it is closed, and who would be asked is refused."""
    decision = await rules.decide(action, principal)
    if isinstance(decision, Asked):
        return Deny(Reason.APPROVAL_REQUIRED, facts=decision.facts)
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
    expected = read if TOOLS[tool].effect is Effect.READ else acts
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
        (shell("ls ; $(ls)"), Reason.COMMAND_UNKNOWABLE),
        (shell("cat /etc/passwd"), Reason.PATH_OUTSIDE_WORKSPACE),
        (ToolCall("file_write", {"path": ".ssh/x", "content": ""}), Reason.PATH_FORBIDDEN),
    ):
        assert await decide(rules, call) == Deny(reason)


async def test_a_file_that_a_human_must_allow_does_not_stay_open(workspace: Workspace) -> None:
    rules = policy(workspace, level=SUPERVISED, auto_approve=())
    before = len(os.listdir("/proc/self/fd"))
    for path in ("a.txt", "new"):
        read = ToolCall("file_read", {"path": "a.txt"})
        assert isinstance(await rules.decide(read, CLIENT), Asked)
        call = ToolCall("file_write", {"path": path, "content": ""})
        assert isinstance(await rules.decide(call, CLIENT), Asked)

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
        (SUPERVISED, (), (), {*BUILT_IN, ADD.name, SAVE.name, RUN.name}),
        (SUPERVISED, ("none",), ("shell",), {*BUILT_IN, ADD.name, SAVE.name, RUN.name}),
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
    rules = policy(None, tools=Catalogue([tool]))

    assert await decide(rules, Listing()) == Allow(
        Permit(Known({"tools": [{"name": "a.b", "effect": "write", "description": "Do."}]}))
    )


# Messages and routes


@pytest.mark.parametrize("level", Autonomy)
@pytest.mark.parametrize("action", [Message(RELAY), Message(RELAY, "key-1"), Forward(RELAY)])
async def test_a_client_may_write_to_the_agent_at_every_level(
    level: Autonomy, action: Action
) -> None:
    assert await decide(policy(None, level=level), action) == Allow(Permit(RELAY))


@pytest.mark.parametrize("key", ["", "key-1"])
async def test_a_message_that_is_queued_is_stored_and_not_sent(key: str) -> None:
    decision = await decide(policy(None), Message(RELAY, key, queued=True))

    assert decision == Allow(Permit(Enqueue(RELAY, key)))


@pytest.mark.parametrize("answer", ["c", {"challenge": "c"}, {"type": 1}, None])
@pytest.mark.parametrize("principal", [PUBLIC, CLIENT], ids=lambda principal: principal.role)
async def test_a_provider_s_question_is_answered_without_anything_done(
    principal: Principal, answer: Json
) -> None:
    decision = await decide(policy(None, level=READONLY), Challenge(answer), principal)

    assert decision == Allow(Permit(Known(answer), acting=False))


# Roles


@pytest.mark.parametrize("principal", [PUBLIC, OPERATOR], ids=lambda principal: principal.role)
@pytest.mark.parametrize(
    "action",
    [
        shell("ls"),
        CALLS["file_read"],
        ToolCall("none", {}),
        Listing(),
        Message(RELAY),
        Message(RELAY, "key-1", queued=True),
        Forward(RELAY),
    ],
    ids=lambda action: type(action).__name__,
)
async def test_only_a_caller_calls_tools_and_reaches_the_agent(
    workspace: Workspace, principal: Principal, action: Action
) -> None:
    assert await decide(policy(workspace), action, principal) == INSUFFICIENT


@pytest.mark.parametrize("tool", CALLS)
async def test_an_agent_calls_tools_as_a_client_does(workspace: Workspace, tool: str) -> None:
    for level in Autonomy:
        rules = policy(workspace, level=level)
        mine = await decide(rules, CALLS[tool], AGENT)
        theirs = await decide(rules, CALLS[tool], CLIENT)

        # Of two permits for a file each has a descriptor of its own.
        both = isinstance(mine, Allow) and isinstance(theirs, Allow)
        assert both or mine == theirs


async def test_an_agent_lists_what_it_may_call(workspace: Workspace) -> None:
    rules = policy(workspace)

    assert await decide(rules, Listing(), AGENT) == await decide(rules, Listing(), CLIENT)


@pytest.mark.parametrize(
    "action",
    [Message(RELAY), Message(RELAY, "key-1", queued=True), Forward(RELAY)],
    ids=lambda action: type(action).__name__,
)
@pytest.mark.parametrize("level", Autonomy)
async def test_an_agent_neither_writes_to_itself_nor_calls_its_own_routes(
    action: Action, level: Autonomy
) -> None:
    """Its token lies where it runs; words that come by it are nobody's."""
    assert await decide(policy(None, level=level), action, AGENT) == INSUFFICIENT


PROBES = {"health", "live", "ready", "metrics", "resource-metadata"}
OPERATORS = {
    *("status", "pairing-codes.create", "links.create", "pair-operator"),
    *("tokens.list", "tokens.create", "tokens.rotate", "tokens.revoke"),
    *("inbox.list", "inbox.retry", "inbox.drop"),
    *("approvals.list", "approvals.get", "approvals.events"),
    *("approvals.decide", "approvals.decide-all", "grants.list", "grants.revoke"),
    *("stops.list", "stops.add", "stops.lift", "stops.resume", "explain"),
    *("mcp-tools.list", "mcp-tools.get", "mcp-tools.accept", "mcp-tools.forget"),
}

DECIDING = {"approvals.decide", "approvals.decide-all", "mcp-tools.accept"}
"""What is on record before it is done."""


@pytest.mark.parametrize("role", Role)
async def test_what_sidegate_itself_does_depends_on_the_role(role: Role) -> None:
    allowed = {
        Role.PUBLIC: PROBES,
        Role.AGENT: PROBES,
        Role.CLIENT: PROBES | {"pair"},
        Role.OPERATOR: PROBES | OPERATORS,
    }[role]
    rules = policy(None, level=READONLY)
    found = {verb: await decide(rules, Operate(verb), Principal("x", role)) for verb in OPERATIONS}

    assert found == {
        verb: Allow(Permit(Operate(verb), verb in DECIDING)) if verb in allowed else INSUFFICIENT
        for verb in PROBES | OPERATORS | {"pair"}
    }


@pytest.mark.parametrize("verb", ["", "none", "Health", "tokens", "tokens.mint", "approvals"])
@pytest.mark.parametrize("role", Role)
async def test_what_sidegate_does_not_do_is_for_nobody(verb: str, role: Role) -> None:
    assert await decide(policy(None), Operate(verb), Principal("x", role)) == INSUFFICIENT


@pytest.mark.parametrize(
    "action",
    [
        Operate("tokens.revoke", "token-1"),
        Operate("tokens.create", "", Minting("laptop", Scope(("/a",)), 60)),
    ],
)
async def test_an_operation_keeps_its_arguments(action: Operate) -> None:
    assert await decide(policy(None), action, OPERATOR) == Allow(Permit(action))


# Scopes


def bound(role: Role = Role.CLIENT, **scope: Any) -> Principal:
    return Principal("bound", role, scope=Scope(**scope))


@pytest.mark.parametrize("role", [Role.CLIENT, Role.AGENT])
@pytest.mark.parametrize(
    ("tools", "names"),
    [
        ((), set()),
        (("none",), set()),
        (("*",), set(CALLS)),
        (("file_read",), {"file_read"}),
        (("file_*",), {"file_read", "file_write"}),
        (("agent.*", "shell"), {RUN.name, SAVE.name, "shell"}),
        (("agent",), set()),
        (("SHELL",), set()),
    ],
)
async def test_a_scope_leaves_the_tools_that_it_names(
    workspace: Workspace, role: Role, tools: tuple[str, ...], names: set[str]
) -> None:
    rules, who = policy(workspace), bound(role, tools=tools)
    found = {name: await decide(rules, call, who) for name, call in CALLS.items()}

    assert {name for name, decision in found.items() if isinstance(decision, Allow)} == names
    assert all(found[name] == BEYOND_SCOPE for name in CALLS.keys() - names)


async def test_a_scope_is_asked_before_the_arguments_are_looked_at(workspace: Workspace) -> None:
    """Who may not call a tool at all learns nothing of the files that it would open."""
    who = bound(tools=("shell",))

    for path in ("a.txt", "none", "/etc/passwd", 7):
        call = ToolCall("file_read", {"path": path})
        assert await decide(policy(workspace), call, who) == BEYOND_SCOPE


async def test_a_scope_makes_no_tool(workspace: Workspace) -> None:
    who = bound(tools=("*", "none"))

    assert await decide(policy(workspace), ToolCall("none", {}), who) == Deny(Reason.TOOL_UNKNOWN)


@pytest.mark.parametrize(
    ("level", "ceiling", "acts"),
    [
        (FULL, None, None),
        (FULL, FULL, None),
        (FULL, SUPERVISED, ASKS),
        (FULL, READONLY, BEYOND),
        (SUPERVISED, FULL, ASKS),
        (SUPERVISED, READONLY, BEYOND),
        (READONLY, FULL, BEYOND),
        (READONLY, SUPERVISED, BEYOND),
    ],
    ids=str,
)
@pytest.mark.parametrize("role", [Role.CLIENT, Role.AGENT])
async def test_a_ceiling_lowers_the_level_and_never_raises_it(
    workspace: Workspace,
    role: Role,
    level: Autonomy,
    ceiling: Autonomy | None,
    acts: Deny | None,
) -> None:
    rules, who = policy(workspace, level=level), bound(role, level=ceiling)
    acted = await decide(rules, CALLS["shell"], who)

    assert isinstance(await decide(rules, CALLS["file_read"], who), Allow)
    assert acted == acts or (acts is None and isinstance(acted, Allow))


async def test_a_ceiling_asks_where_the_level_would_not(workspace: Workspace) -> None:
    rules = policy(workspace, level=FULL, auto_approve=CALLS, always_ask=["file_read"])

    assert await decide(rules, CALLS["file_read"], bound(level=SUPERVISED)) == ASKS
    assert isinstance(await decide(rules, CALLS["shell"], bound(level=SUPERVISED)), Allow)


@pytest.mark.parametrize(
    ("scope", "names"),
    [
        ({}, {*BUILT_IN, ADD.name, SAVE.name, RUN.name}),
        ({"tools": ()}, set()),
        ({"tools": ("file_*",)}, {"file_read", "file_write", "file_list"}),
        ({"tools": ("agent.*", "none")}, {RUN.name, SAVE.name}),
        ({"level": READONLY}, {"file_read", "file_list", ADD.name}),
        ({"level": SUPERVISED}, {*BUILT_IN, ADD.name, SAVE.name, RUN.name}),
        ({"level": READONLY, "tools": ("file_*",)}, {"file_read", "file_list"}),
    ],
)
@pytest.mark.parametrize("role", [Role.CLIENT, Role.AGENT])
async def test_the_listing_shows_what_the_scope_leaves(
    role: Role, scope: dict[str, Any], names: set[str]
) -> None:
    assert await listed(policy(None, level=FULL), bound(role, **scope)) == names


@pytest.mark.parametrize("level", Autonomy)
@pytest.mark.parametrize("ceiling", [None, *Autonomy])
@pytest.mark.parametrize("tools", [None, ("file_*", "agent.run", ADD.name)])
async def test_what_is_listed_is_what_may_be_called_or_asked_for(
    workspace: Workspace,
    level: Autonomy,
    ceiling: Autonomy | None,
    tools: tuple[str, ...] | None,
) -> None:
    rules = policy(workspace, level=level, auto_approve=("shell", "file_read"))
    who = bound(level=ceiling, tools=tools)
    verdicts = {name: await decide(rules, call, who) for name, call in CALLS.items()}
    allowed = {
        name for name, verdict in verdicts.items() if isinstance(verdict, Allow) or verdict == ASKS
    }

    assert await listed(rules, who) & CALLS.keys() == allowed


async def listed(rules: Policy, who: Principal) -> set[str]:
    decision = await decide(rules, Listing(), who)
    assert isinstance(decision, Allow)
    assert isinstance(decision.value.plan, Known)
    found: Any = decision.value.plan.value
    return {tool["name"] for tool in found["tools"]}


@pytest.mark.parametrize("action", [Message(RELAY), Forward(RELAY)])
async def test_tools_and_level_bound_no_message(action: Action) -> None:
    """The routes of a scope do, in the authorizer."""
    who = bound(tools=(), level=READONLY)

    assert await decide(policy(None), action, who) == Allow(Permit(RELAY))
