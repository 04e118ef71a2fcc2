"""On which connection a request goes out, and when it goes out once more."""

import asyncio

import aiohttp
import pytest
from raw_agent import FINE, Line, keep, whole
from sessions import MOMENT, ask, call, keeping, pair
from wire import until

from proxy.decision import Deny
from proxy.isolation.upstream.session import Call, Limits
from proxy.reasons import Reason
from proxy.values import Headers

KEYED = Headers((("Idempotency-Key", "k"),))
SAFE = ["GET", "HEAD", "OPTIONS"]
ACTING = ["POST", "PUT", "PATCH", "DELETE"]


@pytest.mark.parametrize("method", SAFE)
async def test_a_connection_is_used_again(method: str) -> None:
    async def behave(line: Line) -> None:
        while await line.request():
            await line.say(whole(b"", status="204 No Content"))

    async with pair(behave) as (agent, session):
        for _ in range(3):
            assert await ask(session, call(method)) == ""

        assert agent.numbers == [0, 0, 0]


@pytest.mark.parametrize("method", ACTING)
async def test_what_acts_goes_out_on_a_connection_that_was_used_a_moment_ago(method: str) -> None:
    async with pair() as (agent, session):
        await keeping(session)
        for _ in range(3):
            assert await ask(session, call(method, body=b"x")) == "fine"

        assert agent.numbers == [0] * 5


async def test_nothing_that_acts_does_before_the_agent_was_seen_to_keep_connections() -> None:
    async with pair() as (agent, session):
        for _ in range(3):
            await ask(session, call("POST"))

        assert agent.numbers == [0, 1, 2]


async def test_an_agent_is_seen_to_keep_connections_while_it_is_busy() -> None:
    async with pair() as (agent, session):
        loop = asyncio.get_running_loop()
        end = loop.time() + 3 * MOMENT
        while loop.time() < end:
            await ask(session, call("POST"))
            await asyncio.sleep(0.01)  # so that there are not thousands
        before = agent.connections
        for _ in range(5):
            await ask(session, call("POST"))

        assert agent.connections == before
        assert before < len(agent.seen)


async def test_an_agent_that_ends_a_connection_early_is_not_trusted_any_more() -> None:
    async def behave(line: Line) -> None:
        while await line.request():
            await line.say(FINE)
            if line.number == 1:
                return

    async with pair(behave) as (agent, session):
        await keeping(session)
        await asyncio.sleep(MOMENT + 0.1)
        await ask(session, call("POST"))
        await until(lambda: agent.open == 1)
        for _ in range(2):
            await ask(session, call("POST"))

        assert agent.numbers == [0, 0, 1, 2, 3]


async def test_an_agent_that_ends_each_connection_after_its_answer_loses_no_call() -> None:
    async with pair(closing) as (agent, session):
        answers = [await ask(session, call("POST")) for _ in range(200)]

        assert answers == ["fine"] * 200
        assert agent.numbers == list(range(200))


@pytest.mark.parametrize("headers", [Headers(), KEYED], ids=["without a key", "with a key"])
async def test_what_acts_goes_out_on_no_connection_that_rested(headers: Headers) -> None:
    async with pair() as (agent, session):
        await keeping(session)
        await asyncio.sleep(MOMENT + 0.1)
        await ask(session, call("POST", headers))

        assert agent.numbers == [0, 0, 1]


async def test_what_is_safe_goes_out_on_one_that_rested() -> None:
    async with pair() as (agent, session):
        await ask(session, call("POST"))
        await asyncio.sleep(MOMENT + 0.1)
        await ask(session, call("GET"))

        assert agent.numbers == [0, 0]


async def test_what_acts_leaves_connections_that_rest_to_what_is_safe() -> None:
    async with pair() as (agent, session):
        await keeping(session)
        await asyncio.sleep(MOMENT + 0.1)
        for method in ("POST", "GET"):
            await ask(session, call(method))

        assert agent.numbers == [0, 0, 1, 0]


async def test_an_answer_to_head_has_no_body_however_long_it_says_it_is() -> None:
    async def behave(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        await keep(line)

    async with pair(behave) as (agent, session):
        assert [await ask(session, call(each)) for each in ("HEAD", "GET")] == ["", "fine"]

        assert agent.numbers == [0, 0]


async def test_calls_at_one_time_have_a_connection_each() -> None:
    gate = asyncio.Event()

    async def behave(line: Line) -> None:
        while await line.request():
            await gate.wait()
            await line.say(FINE)

    async with pair(behave) as (agent, session):
        calls = [asyncio.create_task(ask(session, call("POST"))) for _ in range(5)]
        await until(lambda: len(agent.seen) == 5)
        gate.set()
        await asyncio.gather(*calls)

        assert sorted(agent.numbers) == [0, 1, 2, 3, 4]


async def test_no_more_connections_are_in_use_than_may_be() -> None:
    busy: list[int] = []
    most = 0

    async def behave(line: Line) -> None:
        nonlocal most
        while await line.request():
            busy.append(line.number)
            most = max(most, len(busy))
            await asyncio.sleep(0.005)  # so that they meet
            busy.remove(line.number)
            await line.say(FINE)

    async with pair(behave, Limits(connections=2)) as (agent, session):
        answers = await asyncio.gather(*(ask(session, call("POST")) for _ in range(20)))

        assert answers == ["fine"] * 20
        assert (most, len(agent.seen)) == (2, 20)


async def test_who_waits_for_a_connection_in_vain_is_late_and_takes_none() -> None:
    gate = asyncio.Event()

    async def behave(line: Line) -> None:
        while await line.request():
            await gate.wait()
            await line.say(FINE)

    async with pair(behave, Limits(connections=1)) as (agent, session):
        first = asyncio.create_task(ask(session, call("POST")))
        await until(lambda: agent.seen)
        assert await session.send(call("GET"), 0.1) == Deny(Reason.UPSTREAM_LATE)
        gate.set()

        assert await first == "fine"
        assert await ask(session, call("GET")) == "fine"
        assert agent.numbers == [0, 0]


@pytest.mark.parametrize(
    "fields", [("Connection: close",), ("Connection: Close, x",)], ids=["close", "in a list"]
)
async def test_an_agent_that_says_so_is_not_asked_on_the_same_connection(
    fields: tuple[str, ...],
) -> None:
    async def behave(line: Line) -> None:
        await line.request()
        await line.say(whole(b"fine", *fields))
        await line.rest()

    async with pair(behave) as (agent, session):
        for _ in range(2):
            assert await ask(session, call("GET")) == "fine"

        assert agent.numbers == [0, 1]


# A kept connection that the agent closes


async def closing(line: Line) -> None:
    """Close each connection after its first answer."""
    if await line.request():
        await line.say(FINE)


@pytest.mark.parametrize("method", [*SAFE[:1], *ACTING])
async def test_a_connection_that_was_closed_meanwhile_is_not_used(method: str) -> None:
    async with pair(closing) as (agent, session):
        for _ in range(3):
            assert await ask(session, call(method)) == "fine"
            await until(lambda: agent.open == 0)

        assert agent.numbers == [0, 1, 2]


async def silent(line: Line) -> None:
    """Answer two requests on the first connection, and close it as the third one comes."""
    for _ in range(2):
        if await line.request():
            await line.say(FINE)
    await line.request()


@pytest.mark.parametrize(
    "asked",
    [call("GET"), call("OPTIONS"), call("POST", KEYED, b"x"), call("DELETE", KEYED)],
    ids=["GET", "OPTIONS", "POST with a key", "DELETE with a key"],
)
async def test_what_may_be_sent_twice_is_where_the_connection_ends_under_it(asked: Call) -> None:
    async with pair(silent) as (agent, session):
        await keeping(session)

        assert await ask(session, asked) == "fine"
        assert agent.numbers == [0, 0, 0, 1]


@pytest.mark.parametrize("method", ACTING)
async def test_what_acts_is_not_sent_twice(method: str) -> None:
    async with pair(silent) as (agent, session):
        await keeping(session)

        assert await ask(session, call(method)) == Deny(Reason.UPSTREAM_UNREACHABLE)
        assert agent.numbers == [0, 0, 0]


async def test_nothing_is_sent_three_times() -> None:
    async def behave(line: Line) -> None:
        if await line.request() and line.number == 0:
            await line.say(FINE)
            await line.request()

    async with pair(behave) as (agent, session):
        await ask(session, call("GET"))

        assert await ask(session, call("GET")) == Deny(Reason.UPSTREAM_UNREACHABLE)
        assert agent.numbers == [0, 0, 1]


@pytest.mark.parametrize(
    "heard",
    [b"H", b"HTTP/1.1 200", b"HTTP/1.1 100 Continue\r\n\r\n", FINE[:-1], b"garbage\r\n\r\n"],
    ids=["a byte", "half a line", "100", "most of it", "garbage"],
)
async def test_nothing_is_sent_again_once_a_byte_came_back(heard: bytes) -> None:
    async def behave(line: Line) -> None:
        if await line.request():
            await line.say(FINE)
            if await line.request():
                await line.say(heard)

    async with pair(behave) as (agent, session):
        await ask(session, call("GET"))
        answer = await session.send(call("GET"), 5.0)
        if not isinstance(answer, Deny):
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()

        assert agent.numbers == [0, 0]


async def test_nothing_is_sent_again_on_a_new_connection() -> None:
    async def behave(line: Line) -> None:
        await line.request()

    async with pair(behave) as (agent, session):
        assert await ask(session, call("GET")) == Deny(Reason.UPSTREAM_UNREACHABLE)

        assert agent.numbers == [0]


# Before the first byte


async def test_a_connection_that_ends_while_it_is_held_back_is_replaced() -> None:
    """Nothing was sent, so that even what acts may go out on another."""
    held: list[int] = []
    gone = asyncio.Event()

    async def behave(line: Line) -> None:
        while await line.request():
            await line.say(FINE)
            if len(agent.seen) == 2:
                await gone.wait()
                return

    async def before() -> None:
        held.append(agent.open)
        gone.set()
        await until(lambda: agent.open == 0)

    async with pair(behave) as (agent, session):
        await keeping(session)
        answer = await ask(session, Call("POST", "/", Headers(), b"x", before))

        assert answer == "fine"
        assert held == [1]
        assert agent.numbers == [0, 0, 1]


async def test_a_request_that_must_not_go_out_gives_its_place_back() -> None:
    async def before() -> None:
        raise OSError("not any more")

    async with pair(limits=Limits(connections=1)) as (agent, session):
        for _ in range(3):
            denied = await ask(session, Call("GET", "/", Headers(), b"", before))
            assert denied == Deny(Reason.UPSTREAM_UNREACHABLE)

        assert await ask(session, call("GET")) == "fine"
        assert len(agent.seen) == 1
