"""One request, whole, in time, and alone."""

import asyncio

import pytest
from guarding import attach, body, call, create
from wire import until

from proxy.guard.intake import Intake, Request
from proxy.guard.refusal import LATE, MALFORMED, Refusal


async def take(*pieces: bytes, end: bool = True, seconds: float = 5.0) -> Request | Refusal | None:
    """What is taken from bytes that came in these pieces."""
    reader = asyncio.StreamReader()
    taking = asyncio.create_task(Intake(seconds).take(reader))
    for piece in pieces:
        reader.feed_data(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    if end:
        reader.feed_eof()
    return await taking


async def test_a_request_is_the_same_however_it_is_cut() -> None:
    data = create(body())
    whole = await take(data)

    assert isinstance(whole, Request)
    assert whole.body == data.partition(b"\r\n\r\n")[2]
    assert await take(*(data[place : place + 1] for place in range(len(data)))) == whole
    for place in range(0, len(data), 7):
        assert await take(data[:place], data[place:]) == whole


async def test_nothing_is_no_request() -> None:
    assert await take() is None


@pytest.mark.parametrize(
    "data",
    [
        create(body()) + b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n",
        create(body()) + b"\r\n",
        call("GET", "/version") * 2,
        call("GET", "/version") + b"x",
        attach("a" * 64) + b"input",
        call("POST", "/x", data=b"{}") + call("POST", "/y", data=b"{}"),
    ],
    ids=["a call behind a body", "a line", "two calls", "a byte", "input too early", "two bodies"],
)
async def test_what_comes_behind_a_request_spoils_it(data: bytes) -> None:
    assert await take(data) == MALFORMED


@pytest.mark.parametrize("data", [call("GET", "/version")[:-1], b"G", create(body())[:-1]])
async def test_a_part_is_no_request(data: bytes) -> None:
    assert await take(data) == MALFORMED


@pytest.mark.parametrize("data", [b"", b"GET /", create(body())[:-1]], ids=["none", "head", "body"])
async def test_what_does_not_come_in_time_is_late(data: bytes) -> None:
    assert await take(data, end=False, seconds=0.05) == LATE


async def test_large_bodies_wait_until_others_are_released() -> None:
    """Each is kept whole for as long as the engine takes; small ones pass them."""
    intake, large = Intake(), create(body(Env=["x" * 100_000]))

    async def taken(data: bytes) -> Request:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        request = await intake.take(reader)
        assert isinstance(request, Request)
        return request

    tasks = [asyncio.create_task(taken(large)) for _ in range(50)]
    for number in range(50):
        done = [task for task in tasks if task.done()]
        assert len(done) <= 4
        await taken(create(body()))
        await until(lambda: any(task.done() for task in tasks))
        first = next(task for task in tasks if task.done())
        tasks.remove(first)
        intake.release(await first)
        assert len(tasks) == 49 - number
    for _ in range(9):
        reader = asyncio.StreamReader()
        reader.feed_data(large[:-1])
        reader.feed_eof()
        assert await intake.take(reader) == MALFORMED
    intake.release(await taken(large))
