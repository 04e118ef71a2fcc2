"""What is said by MCP and calls nothing: whose session it is, and which servers it is for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from doubles import AGENT, CLIENT, OPERATOR, PUBLIC
from policies import declared, policy

from proxy.actions import ToolCall
from proxy.authorization.policy import Policy
from proxy.authorization.tools.catalogue import BUILT_IN
from proxy.decision import Allow, Deny
from proxy.exchange import Principal
from proxy.jsonrpc import Message, Notification, Request, Response
from proxy.mcp import Client, Era, Group, McpTalk, Rpc, Session, Verb, Via
from proxy.reasons import Reason
from proxy.scope import Autonomy, Scope

SERVERS = {
    "github": {"url": "http://a", "allow": ["tools", "resources", "sampling"]},
    "fs": {"url": "http://b"},
}
TOOLS: Mapping[str, Any] = {
    "github.*": {"effect": "read", "approval": "auto"},
    "github.secret": {"approval": "deny"},
    "github.add": {"effect": "write"},
    "fs.read": {"effect": "read", "approval": "auto"},
    "agent.add": {"effect": "write", "backend": "upstream", "paths": ["file?"]},
}
MODERN = Client(Era.MODERN, "2026-07-28")


def session(owner: str = CLIENT.id) -> Session:
    return Session("s", owner, "2025-11-25", {}, {}, {}, 0.0)


def legacy(owner: str | None = CLIENT.id) -> Client:
    return Client(Era.LEGACY, "2025-11-25", session=None if owner is None else session(owner))


def rules(level: Autonomy = Autonomy.FULL, tools: Mapping[str, Any] = TOOLS) -> Policy:
    return policy(None, tools=declared(tools, servers=SERVERS), level=level)


async def talked(
    said: Rpc, principal: Principal = CLIENT, level: Autonomy = Autonomy.FULL
) -> McpTalk:
    verdict = await rules(level).decide(said, principal)
    assert isinstance(verdict, Allow)
    assert isinstance(verdict.value.plan, McpTalk)
    return verdict.value.plan


LIST = Rpc(Request(1, "tools/list"), MODERN)


async def test_a_talk_is_with_each_server_for_what_it_may_be_used() -> None:
    plan = await talked(LIST)

    assert (plan.said, plan.owner) == (LIST, CLIENT.id)
    assert plan.allow == {
        "github": {Group.TOOLS, Group.RESOURCES, Group.SAMPLING},
        "fs": {Group.TOOLS},
    }


@pytest.mark.parametrize("principal", [OPERATOR, PUBLIC])
async def test_only_callers_talk(principal: Principal) -> None:
    assert await rules().decide(LIST, principal) == Deny(Reason.ROLE_INSUFFICIENT)


async def test_agents_talk_too() -> None:
    assert (await talked(LIST, AGENT)).owner == AGENT.id


@pytest.mark.parametrize(
    "message",
    [
        *(Request(1, "tools/list"), Notification("notifications/initialized")),
        *(Response(1, {}), Verb.LISTEN, Verb.END),
    ],
)
async def test_a_session_is_its_owner_s_alone(message: Message | Verb) -> None:
    stolen = Rpc(message, legacy("somebody"))

    assert await rules().decide(stolen, CLIENT) == Deny(Reason.SESSION_UNKNOWN)
    assert isinstance(await rules().decide(Rpc(message, legacy()), CLIENT), Allow)
    unopened = await rules().decide(Rpc(message, legacy(None)), CLIENT)
    assert unopened == Deny(Reason.SESSION_MISSING)


async def test_no_tool_is_called_in_the_session_of_another() -> None:
    via = Via(legacy("somebody"), Request(1, "tools/call", {"name": "x"}))

    verdict = await rules().decide(ToolCall("fs.read", {}, via=via), CLIENT)
    assert verdict == Deny(Reason.SESSION_UNKNOWN)


async def test_a_session_begins_without_one() -> None:
    assert (await talked(Rpc(Request(1, "initialize"), legacy(None)))).owner == CLIENT.id


@pytest.mark.parametrize(
    ("said", "allowed"),
    [
        (Rpc(Request(1, "resources/list"), MODERN), True),
        (Rpc(Request(1, "resources/list"), MODERN, "github"), True),
        (Rpc(Request(1, "resources/list"), MODERN, "fs"), False),
        (Rpc(Request(1, "resources/list"), MODERN, "nobody"), False),
        (Rpc(Request(1, "prompts/list"), MODERN), False),
        (Rpc(Request(1, "logging/setLevel"), legacy()), False),
        (Rpc(Request(1, "server/discover"), MODERN), True),
        # of the other era, or of none
        (Rpc(Request(1, "server/discover"), legacy()), False),
        (Rpc(Request(1, "initialize"), MODERN), False),
        (Rpc(Request(1, "sampling/createMessage"), MODERN), False),
        (Rpc(Request(1, "tools/drop"), MODERN), False),
        (Rpc(Notification("notifications/cancelled"), MODERN), True),
        (Rpc(Notification("notifications/message"), MODERN), False),
        (Rpc(Response(1, {}), legacy(), "github"), True),
        (Rpc(Response(1, {}), legacy(), "nobody"), False),
        (Rpc(Response(1, {}), MODERN), False),
        (Rpc(Verb.LISTEN, MODERN), False),
    ],
)
async def test_what_no_server_may_be_used_for_is_unknown(said: Rpc, *, allowed: bool) -> None:
    verdict = await rules().decide(said, CLIENT)

    assert isinstance(verdict, Allow) is allowed
    assert allowed or verdict == Deny(Reason.METHOD_UNKNOWN)


METHOD = "github.resources/read"


async def test_own_tools_are_listed_without_any_server() -> None:
    verdict = await policy(None).decide(LIST, CLIENT)

    assert isinstance(verdict, Allow)


@pytest.mark.parametrize(
    ("level", "scope", "seen"),
    [
        (Autonomy.FULL, None, ["github.get_me", "github.add", "fs.read", METHOD]),
        (Autonomy.READONLY, None, ["github.get_me", "fs.read", METHOD]),
        (Autonomy.FULL, ("github.*",), ["github.get_me", "github.add", METHOD]),
        (Autonomy.FULL, (), []),
    ],
)
async def test_everybody_sees_what_they_may_call(
    level: Autonomy, scope: tuple[str, ...] | None, seen: list[str]
) -> None:
    plan = await talked(LIST, replace(CLIENT, scope=Scope(tools=scope)), level)
    names = ["github.get_me", "github.add", "github.secret", "fs.read", "fs.write", "x.y"]
    names += [METHOD, "github.batch", "GitHub.get_me", "github__get_me"]

    assert [name for name in names if plan.visible(name)] == seen


async def test_own_tools_are_those_beside_the_servers() -> None:
    assert [tool.name for tool in (await talked(LIST)).own] == [*BUILT_IN, "agent.add"]
    seen = (await talked(LIST, level=Autonomy.READONLY)).own
    assert [tool.name for tool in seen] == ["file_read", "file_list"]


@pytest.mark.parametrize(
    ("server", "method", "tools", "reason"),
    [
        ("github", "sampling/createMessage", {}, None),
        ("github", "ping", {}, None),
        ("fs", "sampling/createMessage", {}, Reason.TOOL_UNKNOWN),
        ("github", "elicitation/create", {}, Reason.TOOL_UNKNOWN),
        ("github", "roots/list", {}, Reason.TOOL_UNKNOWN),
        ("github", "tools/call", {}, Reason.TOOL_UNKNOWN),
        ("nobody", "sampling/createMessage", {}, Reason.TOOL_UNKNOWN),
        ("github", "sampling/createMessage", {"approval": "ask"}, Reason.APPROVAL_REQUIRED),
        ("github", "sampling/createMessage", {"approval": "deny"}, Reason.TOOL_DENIED),
        (
            "github",
            "sampling/createMessage",
            {"rules": {"maxTokens": {"max": 100}}},
            Reason.ARGUMENT_NOT_ALLOWED,
        ),
    ],
)
async def test_a_server_may_ask_what_it_may_be_used_for(
    server: str, method: str, tools: Mapping[str, Any], reason: Reason | None
) -> None:
    entries = {"github.sampling/createMessage": tools} if tools else {}
    verdict = await rules(Autonomy.SUPERVISED, entries).decide(LIST, CLIENT)

    assert isinstance(verdict, Allow)
    assert isinstance(verdict.value.plan, McpTalk)
    asking = verdict.value.plan.asking
    assert asking is not None
    assert await asking(server, method, {"maxTokens": 1000}) is reason
