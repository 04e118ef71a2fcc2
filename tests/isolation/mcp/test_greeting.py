"""How clients are greeted, in both eras."""

import asyncio
from collections.abc import Mapping

import pytest
from mcp_doubles import ABLE, LAST, FakeServer, House, document, modern, result

from proxy.decision import Deny
from proxy.jsonrpc import Request
from proxy.mcp import Client, Era, Group, OwnTool, Verb
from proxy.reasons import Reason
from proxy.values import Json

NEW = Client(Era.LEGACY, LAST, events=True)
OWN = (OwnTool("shell", "Run a command.", {}),)
DISCOVER = Request(1, "server/discover")


def initialize(revision: Json = LAST, **params: Json) -> Request:
    asked: dict[str, Json] = {
        "protocolVersion": revision,
        "capabilities": ABLE,
        "clientInfo": {"name": "client", "version": "1"},
    }
    return Request(0, "initialize", {**asked, **params})


async def test_one_server_greets_as_itself_in_a_session_of_the_clients_own() -> None:
    able: dict[str, Json] = {
        "tools": {"listChanged": True},
        "prompts": {},
        "experimental": {"odd": {}},
    }
    server = FakeServer(capabilities=able)
    house = House(one=server)
    allow = frozenset({Group.TOOLS, Group.SAMPLING})
    answer = document(await house.talk(NEW, initialize("2025-06-18"), allow=allow))
    assert answer.value == {
        "result": {
            "protocolVersion": LAST,
            "serverInfo": {"name": "legacy", "version": "1"},
            "capabilities": {"tools": {"listChanged": True}},
        }
    }
    [opened] = server.opened
    assert opened["capabilities"] == {"sampling": {}}
    assert opened["protocolVersion"] == "2025-06-18"
    session = house.sessions.read(answer.headers.get("mcp-session-id") or "")
    assert (session.owner, session.servers) == ("ann", {"one": (LAST, "upstream-1")})


async def test_an_unknown_revision_is_answered_with_the_newest_of_the_era() -> None:
    house = House(one=FakeServer(), two=FakeServer())
    shown = result(await house.talk(NEW, initialize("1999-01-01")))
    assert shown["protocolVersion"] == LAST


async def test_several_servers_are_one() -> None:
    house = House(
        one=FakeServer(capabilities={"tools": {}, "resources": {"subscribe": True}}),
        two=FakeServer(era=Era.MODERN, capabilities={"resources": {"listChanged": True}}),
    )
    answer = document(await house.talk(NEW, initialize()))
    shown = answer.value
    assert isinstance(shown, Mapping)
    greeted = shown["result"]
    assert isinstance(greeted, Mapping)
    info = greeted["serverInfo"]
    assert isinstance(info, Mapping)
    assert info["name"] == "sidegate"
    assert greeted["capabilities"] == {
        "tools": {},
        "resources": {"subscribe": True, "listChanged": True},
    }
    assert greeted["instructions"] == "two: Be kind."
    session = house.sessions.read(answer.headers.get("mcp-session-id") or "")
    assert set(session.servers) == {"one"}


async def test_a_server_of_both_eras_is_spoken_to_in_the_clients_own() -> None:
    server = FakeServer(era=Era.MODERN)
    server.speaks_both = True
    answer = document(await (house := House(one=server)).talk(NEW, initialize()))
    session = house.sessions.read(answer.headers.get("mcp-session-id") or "")
    assert session.servers == {"one": (LAST, "upstream-1")}
    assert "supportedVersions" in result(await house.talk(modern(), DISCOVER))


async def test_who_is_not_there_is_missed_only_where_nobody_else_is() -> None:
    gone = FakeServer()
    gone.down = True
    alone = House(one=gone)
    assert await alone.talk(NEW, initialize()) == Deny(Reason.MCP_UNAVAILABLE)
    assert await alone.talk(modern(), DISCOVER) == Deny(Reason.MCP_UNAVAILABLE)
    able = result(await alone.talk(NEW, initialize(), own=OWN))["capabilities"]
    assert able == {"tools": {}}
    house = House(one=gone, two=FakeServer())
    assert result(await house.talk(NEW, initialize()))["capabilities"] == {"tools": {}}
    assert result(await house.talk(modern(), DISCOVER))["capabilities"] == {"tools": {}}


@pytest.mark.parametrize(
    "params",
    [{"protocolVersion": 1}, {"capabilities": []}, {"clientInfo": None}],
    ids=["revision", "capabilities", "info"],
)
async def test_who_says_nothing_of_himself_is_not_greeted(params: dict[str, Json]) -> None:
    server = FakeServer()
    house = House(one=server)
    answer = document(await house.talk(NEW, initialize(**params)))
    assert answer.value == {"error": {"code": -32602, "message": "Invalid params"}}
    assert server.opened == []


async def test_sessions_that_nobody_was_told_of_are_ended() -> None:
    server = FakeServer()
    house = House(one=server, two=FakeServer(era=Era.MODERN))
    answer = await house.talk(NEW, initialize(), owner="x" * 8000)
    assert answer == Deny(Reason.PARAMETERS_INVALID)
    await asyncio.sleep(0.01)
    assert [(each.message, each.session) for each in server.said] == [(Verb.END, "upstream-1")]


async def test_one_modern_server_is_discovered_as_itself_and_kept_by_nobody() -> None:
    house = House(one=FakeServer(era=Era.MODERN, capabilities={"tools": {}, "prompts": {}}))
    shown = result(await house.talk(modern(), DISCOVER, allow=frozenset({Group.TOOLS})))
    assert shown == {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "instructions": "Be kind.",
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "m", "version": "2"}},
    }


async def test_a_legacy_server_is_discovered_too() -> None:
    house = House(one=FakeServer())
    shown = result(await house.talk(modern(), DISCOVER))
    assert shown["supportedVersions"] == ["2026-07-28"]
    assert shown["_meta"] == {
        "io.modelcontextprotocol/serverInfo": {"name": "legacy", "version": "1"}
    }
