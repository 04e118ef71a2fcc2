"""A request in a session of Sidegate's own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from mcp_doubles import ALL, FakeServer, House, Live, modern

from proxy.decision import Denied
from proxy.isolation.mcp.conversation import Conversation
from proxy.isolation.mcp.errands import Errands
from proxy.isolation.mcp.link import Event
from proxy.isolation.mcp.turn import Party
from proxy.isolation.mcp.upstreams import OwnSession
from proxy.jsonrpc import Notification, Response


class Talk:
    """A conversation with a server that says what its test does."""

    def __init__(self) -> None:
        self.live = Live()
        self.server = FakeServer(lambda _: None)
        self.held = 0

    @contextmanager
    def holding(self) -> Iterator[None]:
        self.held += 1
        yield
        self.held -= 1

    async def begun(self) -> Conversation:
        server = House(one=self.server).upstreams.get("one")
        assert server is not None
        session = await server.session("ann", modern())
        assert isinstance(session, OwnSession)
        party = Party(server, modern(), "ann", ALL)
        talk = Conversation(party, session, 1, self.holding(), Errands())
        talk.begin(self.live.replies(), 1.0)
        return talk


async def test_an_answer_ends_it_and_is_not_cancelled_then() -> None:
    at = Talk()
    talk = await at.begun()
    assert at.held == 1
    at.live.say(Response(1, {}), None)
    assert await talk.next() == Event(Response(1, {}))
    assert await talk.next() is None
    talk.leave()
    await asyncio.sleep(0.01)
    assert (at.held, at.live.released > 0, at.server.said) == (0, True, [])


async def test_whoever_leaves_cancels_once() -> None:
    at = Talk()
    talk = await at.begun()
    talk.leave()
    talk.leave()
    await asyncio.sleep(0.01)
    assert at.server.messages == [Notification("notifications/cancelled", {"requestId": 1})]
    assert (at.held, at.live.released) == (0, 1)


async def test_what_follows_the_answer_breaks_it_off() -> None:
    at = Talk()
    talk = await at.begun()
    at.live.say(Response(1, {}), Response(1, {}), None)
    with pytest.raises(Denied):
        await talk.next()


async def test_a_stream_that_says_not_where_it_stands_cannot_be_gone_on_with() -> None:
    at = Talk()
    talk = await at.begun()
    at.live.say(None)
    with pytest.raises(Denied):
        await talk.next()
