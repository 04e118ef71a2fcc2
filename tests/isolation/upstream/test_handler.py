"""What comes on a connection, and what must not be taken for an answer to the next request."""

import asyncio

import aiohttp
import pytest
from raw_agent import FINE, Line, whole
from sessions import ask, call, pair
from wire import until

from proxy.decision import Deny
from proxy.isolation.upstream.handler import Habit
from proxy.isolation.upstream.session import Session


def test_an_upstream_is_not_known_to_keep_connections() -> None:
    assert not Habit(1.0).keeps


def test_one_that_kept_a_connection_is() -> None:
    habit = Habit(1.0)
    habit.kept(10.0)

    assert habit.keeps


def test_one_that_ended_a_connection_is_not_until_it_kept_a_later_one() -> None:
    habit = Habit(1.0)
    habit.kept(10.0)
    habit.ended(20.0)
    ended = habit.keeps
    habit.kept(19.0)
    earlier = habit.keeps
    habit.kept(21.0)

    assert (ended, earlier, habit.keeps) == (False, False, True)


def idle(session: Session) -> int:
    """Connections that are kept."""
    connector = session.client.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    return sum(len(kept) for kept in connector._conns.values())


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(FINE, id="another answer"),
        pytest.param(FINE[:20], id="half an answer"),
        pytest.param(b"\r\n", id="an empty line"),
        pytest.param(b"x", id="garbage"),
    ],
)
async def test_what_comes_unasked_ends_a_connection(extra: bytes) -> None:
    said = asyncio.Event()

    async def behave(line: Line) -> None:
        while await line.request():
            await line.say(whole(b"%d" % line.number))
            if line.number == 0:
                await said.wait()
                await line.say(extra)

    async with pair(behave) as (agent, session):
        assert await ask(session, call("GET")) == "0"
        said.set()
        await until(lambda: agent.open == 0)

        assert await ask(session, call("POST")) == "1"
        assert idle(session) <= 1


@pytest.mark.parametrize(
    "field",
    [b"", b"Connection: Upgrade\r\n", b"Content-Length: 0\r\n"],
    ids=lambda field: field[:7],
)
async def test_a_connection_that_switched_protocols_is_not_used_again(field: bytes) -> None:
    async def behave(line: Line) -> None:
        while await line.request():
            switched = b"HTTP/1.1 101 Go\r\n" + field + b"\r\n"
            await line.say(switched if line.number == 0 else whole(b"%d" % line.number))

    async with pair(behave) as (_, session):
        answer = await session.send(call("GET"), 5.0)
        assert not isinstance(answer, Deny)
        answer.close()

        assert await ask(session, call("GET")) == "1"


@pytest.mark.parametrize("extra", [FINE, FINE[:20], b"HTTP/1.1 "], ids=["one", "half", "a word"])
async def test_what_comes_with_an_answer_ends_the_connection(extra: bytes) -> None:
    async def behave(line: Line) -> None:
        while await line.request():
            await line.say(whole(b"%d" % line.number) + extra)

    async with pair(behave) as (_, session):
        assert await ask(session, call("GET")) == "0"
        assert await ask(session, call("POST")) == "1"
        assert await ask(session, call("GET")) == "2"


async def test_an_answer_that_is_not_read_to_its_end_ends_the_connection() -> None:
    async def behave(line: Line) -> None:
        while await line.request():
            await line.say(whole(b"x" * 4_000_000))

    async with pair(behave) as (agent, session):
        for _ in range(2):
            answer = await session.send(call("GET"), 5.0)
            assert not isinstance(answer, Deny)
            answer.close()

        await until(lambda: agent.open == 0)
        assert agent.numbers == [0, 1]
