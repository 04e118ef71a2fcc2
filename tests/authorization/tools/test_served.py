"""Tools of MCP servers: what their names stand for, and what exactly is sent."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from doubles import CLIENT
from policies import declared, policy

from proxy.actions import Effect, ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.policy import Policy
from proxy.authorization.tools.catalogue import Catalogue, Place
from proxy.authorization.tools.served import is_meant, sent
from proxy.authorization.verdict import Asked
from proxy.decision import Allow, Deny
from proxy.jsonrpc import Request
from proxy.mcp import Client, Definition, Era, McpCall, Via
from proxy.reasons import Reason
from proxy.scope import Autonomy, Scope
from proxy.values import Headers, Json

GITHUB: Mapping[str, Any] = {
    "url": "http://mcp:3100/mcp",
    "allow": ["tools", "resources", "sampling"],
}
SERVERS = {"github": GITHUB}
READ = {"effect": "read", "approval": "auto"}
ANY = {"github.*": READ}


@dataclass
class Known:
    """`Definitions` of tools by name, all of them of github."""

    tools: dict[str, Definition | Deny] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    now: list[bool] = field(default_factory=list)

    async def find(self, server: str, tool: str, *, now: bool = False) -> Definition | Deny | None:
        assert server == "github"
        self.asked.append(tool)
        self.now.append(now)
        return self.tools.get(tool)


def definition(name: str = "get_me", schema: Json = None, *, trusted: bool = True) -> Definition:
    found = schema if isinstance(schema, Mapping) else {}
    return Definition("github", name, found, "d", trusted=trusted)


def known(*definitions: Definition) -> Known:
    return Known({each.name: each for each in definitions})


def rules(
    tools: Mapping[str, Any],
    definitions: Known | None = None,
    level: Autonomy = Autonomy.FULL,
    servers: Mapping[str, Any] = SERVERS,
) -> Policy:
    made = policy(None, tools=declared(tools, servers=servers), level=level)
    if definitions is None:
        return made
    planner = replace(made.tool_rules.planner, definitions=definitions)
    return replace(made, tool_rules=replace(made.tool_rules, planner=planner))


def via(
    arguments: Mapping[str, Json],
    method: str = "tools/call",
    headers: Headers | None = None,
    **beside: Json,
) -> Via:
    call: Mapping[str, Json] = {"name": "get_me", "arguments": arguments}
    params = call if method == "tools/call" else arguments
    client = Client(Era.MODERN, "2026-07-28", headers=headers or Headers())
    return Via(client, Request("7", method, {**params, **beside}))


# Names


@pytest.mark.parametrize(
    "name", ["github.get_me", "github.repo/get", "github.a.b", "github.get__me", "github.-"]
)
def test_a_pattern_makes_a_server_s_tools_exist(name: str) -> None:
    tool = declared(ANY, servers=SERVERS).find(name)

    assert tool is not None
    assert (tool.place, tool.server, tool.remote) == (Place.MCP, "github", name[7:])


@pytest.mark.parametrize(
    "tools",
    [
        ANY,
        {"*": {"effect": "read", "backend": "upstream"}},
        {**ANY, "github.get_me": {"approval": "deny"}},
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        # another spelling of a server, which rules would not find
        *("GitHub.get_me", "GITHUB.get_me", "github__get_me", "GitHub__get_me", "github__a.b"),
        # what no server has, or only as methods
        *("github.", "github.a b", "github.é", "github.tools/call", "github.tools/list"),
        *("github.prompts/get", "github.tasks/get", "github.elicitation/create", "github.ping\n"),
        # who has no server of this name
        *("fs.a/b", "fs.../admin", "fs.a.b"),
    ],
)
def test_what_is_no_name_of_a_server_s_tool_is_unknown(tools: Mapping[str, Any], name: str) -> None:
    assert declared(tools, servers=SERVERS).find(name) is None


def test_a_server_s_tool_is_never_the_upstream_s() -> None:
    """Its calls would be sent to where no rule on them speaks about."""
    table = {"*": {"effect": "read", "backend": "upstream"}}

    assert declared(table, servers=SERVERS).find("github.get_me") is None
    found = declared({**table, **ANY}, servers=SERVERS).find("github.get_me")
    assert found is not None
    assert found.place is Place.MCP


def test_no_path_is_made_of_a_name_that_an_mcp_tool_may_have() -> None:
    table = {"agent.*": {"effect": "read", "backend": "upstream"}}

    assert declared(table).find("agent.x") is not None
    assert declared(table).find("agent.../../admin") is None


def test_a_preset_speaks_about_the_server_of_its_name() -> None:
    tools = declared({}, ["mcp-github"], SERVERS)

    assert tools.exact["github.get_me"].place is Place.MCP
    assert declared({}, ["mcp-github"]).exact["github.get_me"].place is Place.UPSTREAM


def test_a_tool_has_the_time_that_its_entry_says_else_its_server() -> None:
    servers = {"github": {**GITHUB, "timeout_secs": 7}}
    tools = declared({**ANY, "github.slow": {"timeout_secs": 900}}, servers=servers)

    found = [tools.find(name) for name in ("github.a", "github.slow", "github.resources/read")]
    assert [tool.seconds for tool in found if tool] == [7, 900, 7]


@pytest.mark.parametrize("name", ["github.batch", "github.x/call_tool", "github.eval.v2"])
async def test_a_dispatcher_is_opaque_unless_it_is_said_how_it_calls(name: str) -> None:
    call = ToolCall(name, {"tool": "get_me", "arguments": {}})
    verdict = await rules(ANY).decide(call, CLIENT)

    assert verdict == Deny(Reason.WRAPPER_UNKNOWN)


async def test_what_a_dispatcher_calls_is_judged_as_if_called() -> None:
    dispatch = {"tool": "tool", "arguments": "arguments", "prefix": "github."}
    tools = {
        "github.get_me": READ,
        "github.drop": {"effect": "write", "approval": "deny"},
        "github.batch": {**READ, "dispatch": dispatch},
    }
    for inner, expected in {
        "get_me": None,
        "drop": Reason.TOOL_DENIED,
        "other": Reason.TOOL_UNKNOWN,
        "resources/read": Reason.TOOL_UNKNOWN,  # a method, which no tool calls by this name
    }.items():
        call = ToolCall("github.batch", {"tool": inner, "arguments": {}})
        verdict = await rules(tools).decide(call, CLIENT)
        assert expected == (verdict.reason if isinstance(verdict, Deny) else None)


# Methods


def test_a_method_exists_where_its_group_is_allowed() -> None:
    def found(tools: Catalogue) -> list[str]:
        names = ("resources/read", "sampling/createMessage", "tasks/cancel", "roots/list")
        return [name for name in names if tools.find(f"github.{name}")]

    everything = {"github": {**GITHUB, "allow": ["tasks", "elicitation"]}}
    assert found(declared({})) == []
    assert found(declared({}, servers=SERVERS)) == ["resources/read", "sampling/createMessage"]
    assert found(declared({}, servers=everything)) == ["tasks/cancel", "roots/list"]


def test_what_a_method_does_is_not_for_entries_to_say() -> None:
    servers = {"github": {**GITHUB, "allow": ["tasks", "resources"]}}
    tools = declared({"github.*": {"effect": "execute", "command": "x"}}, servers=servers)

    cancel, read = tools.find("github.tasks/cancel"), tools.find("github.resources/read")
    assert cancel is not None
    assert read is not None
    assert (cancel.effect, read.effect) == (Effect.WRITE, Effect.READ)
    assert read.command is None


@pytest.mark.parametrize(
    ("tools", "asks"),
    [
        ({}, False),
        ({"github.resources/read": {"approval": "ask"}}, True),
        ({"github.resources/*": {"approval": "ask"}}, True),
        ({"github.*": {"effect": "read", "approval": "ask"}}, True),
    ],
)
async def test_a_method_is_asked_about_where_an_entry_says_so(
    tools: Mapping[str, Any], *, asks: bool
) -> None:
    uri = {"uri": "file:///a"}
    call = ToolCall("github.resources/read", uri, via=via(uri, "resources/read"))
    verdict = await rules(tools, level=Autonomy.SUPERVISED).decide(call, CLIENT)

    assert isinstance(verdict, Asked) is asks


async def test_rules_hold_for_what_a_method_is_given() -> None:
    tools = {"github.resources/read": {"rules": {"uri": {"matches": "repo://.*"}}}}
    for uri, expected in {"repo://a": None, "file:///etc": Reason.ARGUMENT_NOT_ALLOWED}.items():
        said = {"uri": uri}
        call = ToolCall("github.resources/read", said, via=via(said, "resources/read"))
        verdict = await rules(tools).decide(call, CLIENT)
        assert expected == (verdict.reason if isinstance(verdict, Deny) else None)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("github.resources/read", "tools/call"),  # a tool that is called like a method
        ("github.get_me", "resources/read"),
        ("github.resources/read", "resources/subscribe"),
        ("github.sampling/createMessage", "tools/call"),
    ],
)
async def test_a_tool_and_a_method_are_never_taken_for_each_other(name: str, method: str) -> None:
    call = ToolCall(name, {}, via=via({}, method))

    assert await rules(ANY).decide(call, CLIENT) == Deny(Reason.TOOL_UNKNOWN)


async def test_a_method_is_called_by_clients_of_mcp_alone() -> None:
    verdict = await rules(ANY).decide(ToolCall("github.resources/read", {}), CLIENT)

    assert verdict == Deny(Reason.TOOL_UNKNOWN)


async def test_a_scope_of_tools_bounds_methods_too() -> None:
    call = ToolCall("github.resources/read", {}, via=via({}, "resources/read"))
    bound = replace(CLIENT, scope=Scope(tools=("github.get_*",)))

    assert await rules(ANY).decide(call, bound) == Deny(Reason.SCOPE_INSUFFICIENT)


# Definitions


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (known(), Reason.TOOL_UNKNOWN),
        (known(definition(trusted=False)), Reason.TOOL_QUARANTINED),
        (Known({"get_me": Deny(Reason.UPSTREAM_UNREACHABLE)}), Reason.UPSTREAM_UNREACHABLE),
    ],
)
async def test_what_the_server_does_not_define_as_it_was_accepted_is_not_called(
    found: Known, reason: Reason
) -> None:
    verdict = await rules(ANY, found).decide(ToolCall("github.get_me", {}), CLIENT)

    assert isinstance(verdict, Deny)
    assert verdict.reason is reason


async def test_a_server_is_not_asked_about_what_the_rules_deny() -> None:
    found = known(definition())
    tools = {"github.get_me": {**READ, "rules": {"a": {"equals": 1}}}}

    await rules(tools, found).decide(ToolCall("github.get_me", {"a": 2}), CLIENT)
    assert found.asked == []


async def test_a_tool_that_changed_while_a_human_was_asked_is_not_called() -> None:
    found = known(definition())
    policy = rules({"github.get_me": {"effect": "read"}}, found, Autonomy.SUPERVISED)
    call = ToolCall("github.get_me", {})

    assert isinstance(await policy.decide(call, CLIENT), Asked)
    assert isinstance(await policy.decide(call, CLIENT, approved=True), Allow)
    found.tools["get_me"] = definition(trusted=False)
    assert await policy.decide(call, CLIENT, approved=True) == Deny(Reason.TOOL_QUARANTINED)


SCHEMA: Json = {
    "type": "object",
    "properties": {"owner": {"type": "string", "x-mcp-header": "Owner"}},
}


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ((("Mcp-Param-Owner", "me"),), True),
        ((("Mcp-Param-Owner", "you"),), False),
        ((("Mcp-Param-Owner", "me"), ("mcp-param-owner", "you")), False),
        ((), False),
    ],
)
async def test_headers_of_parameters_say_what_the_body_says(
    headers: tuple[tuple[str, str], ...], *, allowed: bool
) -> None:
    arguments = {"owner": "me"}
    said = via(arguments, headers=Headers(headers))
    call = ToolCall("github.get_me", arguments, via=said)
    verdict = await rules(ANY, known(definition(schema=SCHEMA))).decide(call, CLIENT)

    assert isinstance(verdict, Allow) is allowed
    assert allowed or verdict == Deny(Reason.HEADER_MISMATCH)


# What is sent


async def test_what_was_judged_is_what_is_sent() -> None:
    call = ToolCall("github.get_me", {"a": "judged"}, via=via({"a": "said"}, _meta={"x": 1}))
    verdict = await rules(ANY).decide(call, CLIENT)

    assert isinstance(verdict, Allow)
    plan = verdict.value.plan
    assert isinstance(plan, McpCall)
    params: Json = {"name": "get_me", "arguments": {"a": "judged"}, "_meta": {"x": 1}}
    assert isinstance(params, Mapping)
    assert plan.request == Request("7", "tools/call", params)
    assert plan.asking is not None
    assert not verdict.value.acting


async def test_a_command_goes_up_as_it_was_judged(tmp_path: Path) -> None:
    tools = {"github.run": {"effect": "execute", "command": "line"}}
    with closing(Workspace.open(str(tmp_path), (), only=True)) as workspace:
        made = policy(workspace, tools=declared(tools, servers=SERVERS))
        verdict = await made.decide(ToolCall("github.run", {"line": "ls   -l"}), CLIENT)
        denied = await made.decide(ToolCall("github.run", {"line": "rm a"}), CLIENT)

    assert isinstance(verdict, Allow)
    request = Request("sidegate", "tools/call", {"name": "run", "arguments": {"line": "ls -l"}})
    assert verdict.value.plan == McpCall("github", request, 60, owner="client-1")
    assert denied == Deny(Reason.COMMAND_NOT_ALLOWED)


def test_nothing_else_that_is_said_goes_along() -> None:
    tool = declared(ANY, servers=SERVERS).find("github.get_me")
    assert tool is not None
    said = via({}, tool="drop", task={"ttl": 1}, inputResponses={"a": {}}, requestState="s")

    assert sent(tool, {}, said).params == {
        "name": "get_me",
        "arguments": {},
        "inputResponses": {"a": {}},
        "requestState": "s",
    }


def test_a_call_is_made_a_task_where_the_server_has_tasks() -> None:
    servers = {"github": {**GITHUB, "allow": ["tools", "tasks"]}}
    tool = declared(ANY, servers=servers).find("github.get_me")
    assert tool is not None

    assert sent(tool, {}, via({}, task={"ttl": 1})).params["task"] == {"ttl": 1}


def test_what_a_method_is_given_does_not_reach_what_stands_beside_it() -> None:
    tool = declared({}, servers=SERVERS).find("github.resources/read")
    assert tool is not None
    said = via({"uri": "a"}, "resources/read", _meta={"x": 1})

    assert is_meant(tool, said)
    judged: Mapping[str, Json] = {"uri": "b", "_meta": {"x": 2}}
    assert sent(tool, judged, said).params == {"uri": "b", "_meta": {"x": 1}}


@pytest.mark.parametrize(("effect", "now"), [("read", False), ("write", True), ("execute", True)])
async def test_who_acts_is_told_how_the_tool_is_now(effect: str, *, now: bool) -> None:
    definitions = known(definition())
    entry = {"github.get_me": {"effect": effect, "approval": "auto"}}
    await rules(entry, definitions).decide(ToolCall("github.get_me", {}), CLIENT)

    assert definitions.now == [now]
