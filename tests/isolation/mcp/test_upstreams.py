"""What is known of each server, and whose session is whose."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from doubles import Clock
from linking import Linked, Said, said_of

from proxy.decision import Deny
from proxy.isolation.mcp.link import Sent
from proxy.isolation.mcp.upstreams import McpServer, OwnSession, Upstreams
from proxy.jsonrpc import Request, Response
from proxy.mcp import Client, Era, Group
from proxy.reasons import Reason
from proxy.values import Json

GONE = Deny(Reason.MCP_UNAVAILABLE)
INFO: Mapping[str, Json] = {"name": "client", "version": "2"}
CLIENT = Client(Era.MODERN, "2026-07-28", INFO, {"elicitation": {}, "sampling": {}})
ALLOW = frozenset({Group.TOOLS, Group.ELICITATION})


@dataclass
class Peer:
    """A server that may be modern, legacy or away; `gate` holds its answers back."""

    era: Era = Era.LEGACY
    away: bool = False
    opened: int = 0
    gate: asyncio.Event | None = None
    link: Linked = field(init=False)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.link = Linked(self._answered)
        self.server = McpServer("one", self.link, ALLOW, self.clock)

    async def _answered(self, sent: Sent) -> Said:
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            return GONE
        match said_of(sent):
            case "server/discover" if self.era is Era.MODERN:
                meta: Json = {"io.modelcontextprotocol/serverInfo": {"name": "peer"}}
                return {"supportedVersions": ["2026-07-28"], "capabilities": {}, "_meta": meta}
            case "initialize" if self.era is Era.LEGACY:
                return self._initialized(sent)
        return self.link.replies([], 202 if sent.session else 400)

    def _initialized(self, sent: Sent) -> Said:
        self.opened += 1
        assert isinstance(sent.message, Request)
        result: Json = {"protocolVersion": "2025-11-25", "capabilities": {}}
        assert isinstance(result, Mapping)
        session = f"s{self.opened}"
        return self.link.replies([Response(sent.message.id, result)], session=session)

    def count(self, method: str) -> int:
        return self.link.methods.count(method)

    def ended(self) -> list[str]:
        return [sent.session for sent in self.link.sent if said_of(sent) == "end"]

    async def session(self, owner: str = "ann", client: Client = CLIENT) -> OwnSession:
        session = await self.server.session(owner, client)
        assert isinstance(session, OwnSession)
        return session


@pytest.fixture
def peer() -> Peer:
    return Peer()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


# Eras


@pytest.mark.parametrize("era", Era)
async def test_an_era_is_asked_for_once(peer: Peer, era: Era) -> None:
    peer.era = era

    assert [await peer.server.era() for _ in range(3)] == [era] * 3

    assert peer.count("server/discover") == 1


async def test_what_a_modern_server_says_of_itself_is_kept(peer: Peer) -> None:
    assert (peer.server.discovered, peer.server.modern_info) == ({}, {})
    peer.era = Era.MODERN

    await peer.server.era()

    assert peer.server.discovered["supportedVersions"] == ["2026-07-28"]
    assert peer.server.modern_info == {"name": "peer"}


async def test_many_who_ask_are_one_who_asks(peer: Peer) -> None:
    peer.gate = asyncio.Event()
    asking = [asyncio.create_task(peer.server.era()) for _ in range(5)]
    await settle()
    asking[0].cancel()
    peer.gate.set()

    assert await asyncio.gather(*asking[1:]) == [Era.LEGACY] * 4
    assert peer.count("server/discover") == 1


async def test_a_server_that_is_away_is_of_no_era(peer: Peer) -> None:
    peer.away = True
    assert await peer.server.era() == GONE
    peer.away = False

    assert await peer.server.era() is Era.LEGACY


async def test_a_server_may_come_back_as_another(peer: Peer) -> None:
    await peer.server.era()
    peer.clock.now += 61
    peer.away = True
    assert await peer.server.send(Sent(Request(1, "ping"))) == GONE
    peer.away, peer.era = False, Era.MODERN

    assert await peer.server.era() is Era.MODERN


async def test_a_doubt_is_looked_into_once_a_minute_at_most(peer: Peer) -> None:
    for doubt in (True, True, False):
        await peer.server.era()
        if doubt:
            peer.server.doubt()
    assert peer.count("server/discover") == 1
    peer.clock.now += 60

    await peer.server.era()
    await peer.server.era()

    assert peer.count("server/discover") == 2


# Sessions


async def test_the_same_client_has_the_same_session(peer: Peer) -> None:
    first, again = await peer.session(), await peer.session()

    assert first is again
    assert first.opened.session == "s1"
    assert [first.next_id(), again.next_id(), first.next_id()] == [1, 2, 3]


async def test_a_session_is_nobody_elses(peer: Peer) -> None:
    other = Client(Era.MODERN, "2026-07-28", {"name": "other", "version": "2"})
    able = Client(Era.MODERN, "2026-07-28", INFO, {})

    sessions = [
        await peer.session(),
        await peer.session("bob"),
        await peer.session(client=other),
        await peer.session(client=able),
    ]

    assert [each.opened.session for each in sessions] == ["s1", "s2", "s3", "s4"]


async def test_a_server_is_told_what_its_groups_need(peer: Peer) -> None:
    await peer.session()

    asked = peer.link.sent[0].message
    assert isinstance(asked, Request)
    assert asked.params["capabilities"] == {"elicitation": {}}
    assert asked.params["clientInfo"] == INFO
    assert asked.params["protocolVersion"] == "2025-11-25"


async def test_two_who_want_a_session_open_one(peer: Peer) -> None:
    peer.gate = asyncio.Event()
    asking = [asyncio.create_task(peer.session()) for _ in range(3)]
    await settle()
    asking[0].cancel()
    peer.gate.set()

    first, second = await asyncio.gather(*asking[1:])

    assert first is second
    assert peer.opened == 1


async def test_a_session_whose_caller_left_is_there_for_the_next(peer: Peer) -> None:
    peer.gate = asyncio.Event()
    asking = asyncio.create_task(peer.session())
    await settle()
    asking.cancel()
    peer.gate.set()
    await settle()

    await peer.session()

    assert peer.opened == 1


async def test_what_cannot_be_opened_is_tried_again(peer: Peer) -> None:
    peer.away = True
    assert await peer.server.session("ann", CLIENT) == GONE
    peer.away = False

    assert (await peer.session()).opened.session == "s1"


async def test_a_session_that_the_server_forgot_is_opened_anew(peer: Peer) -> None:
    old = await peer.session()
    peer.server.forget(old)

    new = await peer.session()
    peer.server.forget(old)

    assert await peer.session() is new
    assert peer.ended() == []


async def test_an_idle_session_ends(peer: Peer) -> None:
    await peer.session()
    peer.clock.now += 300
    used = await peer.session("bob")
    peer.clock.now += 300

    await Upstreams({"one": peer.server}).tidy()
    await settle()

    assert peer.ended() == ["s1"]
    assert await peer.session("bob") is used
    assert (await peer.session()).opened.session == "s3"


async def test_a_session_in_use_is_not_idle(peer: Peer) -> None:
    session = await peer.session()
    with session.held():
        peer.clock.now += 6000
        await peer.server.tidy()
    await peer.server.tidy()
    assert await peer.session() is session
    peer.clock.now += 600

    await peer.server.tidy()
    await settle()

    assert peer.ended() == ["s1"]


def described(number: int) -> Client:
    return Client(Era.MODERN, "2026-07-28", {"name": "client", "version": str(number)})


async def test_whoever_has_many_names_crowds_out_only_himself(peer: Peer) -> None:
    await peer.session("bob")
    for number in range(20):
        peer.clock.now += 1
        await peer.session("ann", described(number))
    await settle()

    assert peer.ended() == ["s2", "s3", "s4", "s5"]
    assert (await peer.session("bob")).opened.session == "s1"


async def test_there_are_so_many_sessions_and_the_oldest_goes_first(peer: Peer) -> None:
    with (await peer.session("owner-0")).held():
        for number in range(1, 258):
            peer.clock.now += 1
            await peer.session(f"owner-{number}")
        await settle()

    assert peer.ended() == ["s2", "s3"]


async def test_at_the_end_every_session_ends(peer: Peer) -> None:
    await peer.session()
    await peer.session("bob")
    peer.gate = asyncio.Event()
    waiting: list[asyncio.Task[Any]] = [
        asyncio.create_task(peer.server.session("eve", CLIENT)),
        asyncio.create_task(peer.server.era()),
    ]
    await settle()
    closing = asyncio.create_task(Upstreams({"one": peer.server}).aclose())
    await settle()
    peer.gate.set()
    await closing

    assert sorted(peer.ended()) == ["s1", "s2"]
    assert peer.link.closed
    assert all(isinstance(each, asyncio.CancelledError) for each in await left(waiting))


async def left(tasks: list[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_servers_are_known_by_name_and_what_one_lacks_is_lacking(peer: Peer) -> None:
    other = Peer()
    both = Upstreams({"one": peer.server, "two": other.server})

    assert both.get("two") is other.server
    assert both.get("three") is None
    assert [*both] == [peer.server, other.server]
    assert await both.missing() is None
    await other.server.aclose()
    assert await both.missing() == "closed"
