"""A client and an agent in conversation: what passes, and how it ends for each of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from doubles import inbound
from duplex import CLOSE, FakeAgent, Wire, frame, pair, raw, read_frames
from wire import until

from proxy.decision import Denied
from proxy.duplex import Closing, SocketEvent
from proxy.reasons import Layer, Reason
from proxy.running import Ended, Entry
from proxy.sockets import Conversation
from proxy.trace import Trace
from proxy.websocket import LOST, Terms

TERMS = Terms(largest=1000, closing=0.2)


@dataclass
class Talk:
    """A conversation under way, with the client's own end of it."""

    wire: Wire
    client: Wire
    agent: FakeAgent
    entry: Entry
    task: "asyncio.Task[None]"


@asynccontextmanager
async def talk(terms: Terms = TERMS) -> AsyncIterator[Talk]:
    agent = FakeAgent()
    async with pair(terms) as (wire, client):
        conversation = Conversation(wire.end, agent.socket)
        current = asyncio.current_task()
        assert current is not None
        entry = Entry(Trace(inbound(), ()), current)
        task = asyncio.create_task(conversation.run(entry))
        yield Talk(wire, client, agent, entry, task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_messages_pass_both_ways_in_order() -> None:
    async with talk() as going:
        for number in range(50):
            await going.client.end.send(f"up {number}")
            await going.client.end.send(b"\xff%d" % number)
            going.agent.says.put_nowait(f"down {number}")
            going.agent.says.put_nowait(b"\xfe%d" % number)

        heard = [await going.client.end.receive() for _ in range(100)]
        await until(lambda: len(going.agent.told) == 100)

    assert heard[::2] == [f"down {number}" for number in range(50)]
    assert heard[1::2] == [b"\xfe%d" % number for number in range(50)]
    assert going.agent.told[:100:2] == [f"up {number}" for number in range(50)]
    assert going.agent.told[1:100:2] == [b"\xff%d" % number for number in range(50)]


CLOSINGS = [
    (Closing(1000), Closing(1000)),
    (Closing(1001, "bye"), Closing(1001, "bye")),
    (Closing(4321, "why not"), Closing(4321, "why not")),
]


@pytest.mark.parametrize(("said", "told"), CLOSINGS)
async def test_a_client_that_closes_is_answered_when_the_agent_was_told(
    said: Closing, told: Closing
) -> None:
    async with talk() as going:
        closing = asyncio.create_task(going.client.end.close(said))
        await going.task
        await closing

        assert going.agent.told == [told]
        assert going.entry.ended is Ended.CLIENT_LEFT


async def test_what_an_agent_says_before_it_closes_too_is_passed_on() -> None:
    async with talk() as going:
        going.agent.closes = False
        await going.client.end.say(Closing(1000))
        await until(lambda: going.agent.told)
        for word in ("still", "here"):
            going.agent.says.put_nowait(word)
        going.agent.says.put_nowait(Closing(1000))

        heard = [await going.client.end.receive() for _ in range(3)]
        assert heard == ["still", "here", Closing(1000)]
        await going.task


async def test_an_agent_that_does_not_close_is_not_waited_for() -> None:
    async with talk() as going:
        going.agent.closes = False
        await going.client.end.say(Closing(4000))

        assert await going.client.end.receive() == Closing(4000)
        await going.task


@pytest.mark.parametrize(
    ("said", "told"),
    [*CLOSINGS, (Closing(1005), Closing(1000)), (LOST, Closing(1011)), (Closing(5), Closing(1011))],
)
async def test_an_agent_that_closes_is_answered_and_the_client_told(
    said: Closing, told: Closing
) -> None:
    async with talk() as going:
        going.agent.says.put_nowait("last words")
        going.agent.says.put_nowait(said)

        assert await going.client.end.receive() == "last words"
        assert await going.client.end.receive() == told
        await going.client.end.close(told)
        await going.task

        assert going.agent.told == [told]
        broken = told.code == 1011
        assert going.entry.ended is (Ended.BROKEN_OFF if broken else Ended.CLIENT_LEFT)


async def test_an_agent_that_takes_nothing_more_is_lost() -> None:
    async with talk() as going:
        going.agent.takes = False
        await going.client.end.send("anybody?")

        assert await going.client.end.receive() == Closing(1011)
        await going.client.end.close(Closing(1011))
        await going.task
        assert going.agent.told == [Closing(1001)]
        assert going.entry.ended is Ended.BROKEN_OFF


async def test_a_message_that_may_not_be_sent_ends_it_as_a_violation() -> None:
    async def send(event: SocketEvent) -> None:
        if not isinstance(event, Closing):
            raise Denied(Layer.AUTHORIZATION, Reason.SECRET_IN_REQUEST)
        told.append(event)

    told: list[SocketEvent] = []
    agent = FakeAgent()
    async with pair(TERMS) as (wire, client):
        current = asyncio.current_task()
        assert current is not None
        entry = Entry(Trace(inbound(), ()), current)
        socket = replace(agent.socket, send=send)
        task = asyncio.create_task(Conversation(wire.end, socket).run(entry))
        await client.end.send("a secret")

        assert await client.end.receive() == Closing(1008)
        await client.end.close(Closing(1008))
        await task
    assert told == [Closing(1001)]
    assert entry.ended is Ended.BROKEN_OFF


async def test_what_an_agent_said_last_counts_although_it_takes_nothing_more() -> None:
    async with talk() as going:
        going.agent.takes = False
        await going.client.end.send("anybody?")
        going.agent.says.put_nowait(Closing(1013, "later"))

        assert await going.client.end.receive() == Closing(1013, "later")


async def test_a_client_that_is_lost_is_gone_for_the_agent() -> None:
    async with talk() as going:
        assert going.client.transport is not None
        going.client.transport.abort()
        await going.task

        assert going.agent.told == [Closing(1001)]


async def test_a_client_that_breaks_the_rules_is_gone_for_the_agent() -> None:
    agent = FakeAgent()
    async with raw(TERMS) as (wire, reader, writer):
        current = asyncio.current_task()
        assert current is not None
        writer.write(frame(b"good") + frame(b"bad", masked=False) + frame(b"never"))
        await Conversation(wire.end, agent.socket).run(Entry(Trace(inbound(), ()), current))

        assert [*read_frames(await reader.read(100))] == [(CLOSE, b"\x03\xea")]
        assert agent.told == ["good", Closing(1001)]


@pytest.mark.parametrize(
    ("why", "code"),
    [(Ended.TOKEN_REVOKED, 1008), (Ended.STOPPED, 1001), (Ended.CLIENT_LEFT, 1001)],
)
async def test_who_is_stopped_is_told_why(why: Ended, code: int) -> None:
    async with talk() as going:
        await asyncio.sleep(0)
        going.entry.ended = why
        going.task.cancel()

        assert await going.client.end.receive() == Closing(code)
        await going.client.end.close(Closing(code))
        with pytest.raises(asyncio.CancelledError):
            await going.task
        assert going.agent.told == [Closing(1001)]


async def test_after_a_stop_nothing_passes() -> None:
    async with talk() as going:
        await asyncio.sleep(0)
        going.entry.ended = Ended.TOKEN_REVOKED
        going.task.cancel()
        await asyncio.sleep(0)
        await going.client.end.send("still here")
        going.agent.says.put_nowait("still here")

        assert await going.client.end.receive() == Closing(1008)
        await asyncio.gather(going.task, return_exceptions=True)
        assert going.agent.told == [Closing(1001)]


async def test_what_fails_on_the_way_ends_it_for_both() -> None:
    async with talk() as going:
        going.agent.says.put_nowait(ValueError("no redactor"))

        assert await going.client.end.receive() == Closing(1011)
        with pytest.raises(ValueError, match="no redactor"):
            await going.task
        assert going.agent.told == [Closing(1001)]


async def test_a_conversation_that_nobody_uses_goes_on_while_both_are_there() -> None:
    async with talk(Terms(largest=1000, heartbeat=0.05, closing=0.2)) as going:
        answering = asyncio.create_task(going.client.end.receive())
        await asyncio.sleep(0.5)
        assert not going.task.done()
        going.agent.says.put_nowait("down")

        assert await answering == "down"


async def test_a_conversation_with_nobody_ends() -> None:
    """The client is there, but answers no ping any more."""
    async with talk(Terms(largest=1000, heartbeat=0.05, closing=0.2)) as going:
        await asyncio.wait({going.task}, timeout=2)

        assert going.task.done()
        assert going.agent.told == [Closing(1001)]
