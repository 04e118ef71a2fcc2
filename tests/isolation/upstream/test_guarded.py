"""A WebSocket whose client is heard message by message."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from proxy.decision import Denied
from proxy.duplex import Answered, Closing, Heard, Passed, Socket, SocketEvent
from proxy.isolation.upstream.guarded import guarded
from proxy.values import Headers


class Rules:
    """`SocketGuard` by the first letter."""

    def up(self, message: str | bytes) -> Heard:
        match message:
            case str() if message.startswith("a"):
                return Answered(f"no {message}")
            case str() if message.startswith("p"):
                return Passed(message.upper())
        return Closing(1008)


@dataclass
class Agent:
    """The other end."""

    said: asyncio.Queue[SocketEvent | None] = field(default_factory=asyncio.Queue)
    heard: list[SocketEvent] = field(default_factory=list)
    ended: bool = False

    async def send(self, event: SocketEvent) -> None:
        self.heard.append(event)

    async def events(self) -> AsyncIterator[SocketEvent]:
        try:
            while (event := await self.said.get()) is not None:
                yield event
        finally:
            self.ended = True

    def socket(self) -> Socket:
        return guarded(Socket(Headers(), self.events(), self.send), Rules())


async def test_only_what_is_passed_is_heard() -> None:
    agent = Agent()
    socket = agent.socket()
    for text in ("pass", "ask", "page"):
        await socket.send(text)
    await socket.send(Closing(1000, "bye"))
    assert agent.heard == ["PASS", "PAGE", Closing(1000, "bye")]


async def test_answers_come_between_what_the_agent_says() -> None:
    agent = Agent()
    socket = agent.socket()
    await socket.send("ask")
    assert await anext(socket.events) == "no ask"
    agent.said.put_nowait("hello")
    assert await anext(socket.events) == "hello"
    await socket.send("again")
    assert await anext(socket.events) == "no again"
    agent.said.put_nowait(Closing(1000))
    assert [event async for event in socket.events] == [Closing(1000)]


async def test_who_breaks_the_protocol_is_ended() -> None:
    agent = Agent()
    with pytest.raises(Denied):
        await agent.socket().send(b"\0")
    assert agent.heard == []


async def test_who_takes_no_answers_is_not_heard_on() -> None:
    socket = Agent().socket()

    async def flood() -> None:
        while True:
            await socket.send("a")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(flood(), 0.05)


async def test_an_agent_that_ends_without_a_word_ends_it() -> None:
    agent = Agent()
    agent.said.put_nowait(None)
    assert [event async for event in agent.socket().events] == []
    assert agent.ended
