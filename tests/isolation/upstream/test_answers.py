"""What of an answer is passed on, and when its end is its end."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from raw_agent import Line, raw_agent

from proxy.isolation.upstream.answers import bounded, frames, inspectable, result, watched
from proxy.isolation.upstream.session import Call, Limits, Session
from proxy.values import Headers

Answered = Callable[..., Awaitable[aiohttp.ClientResponse]]


@pytest.fixture
async def answered() -> AsyncIterator[Answered]:
    """The head of an answer that comes in these pieces; True at the end breaks off."""
    async with AsyncExitStack() as stack:

        async def run(*pieces: bytes | float, reset: bool = False) -> aiohttp.ClientResponse:
            async def behave(line: Line) -> None:
                await line.request()
                for piece in pieces:
                    if isinstance(piece, float):
                        await asyncio.sleep(piece)
                    else:
                        await line.say(piece)
                if reset:
                    line.reset()

            agent = await stack.enter_async_context(raw_agent(behave))
            session = Session(agent.url, Limits())
            stack.push_async_callback(session.aclose)
            response = await session.send(Call("GET", "/", Headers()), 5.0)
            assert isinstance(response, aiohttp.ClientResponse)
            stack.callback(response.close)
            return response

        yield run


def head(*lines: str, status: str = "HTTP/1.1 200 OK") -> bytes:
    return "\r\n".join((status, *lines, "", "")).encode("latin-1")


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param((), id="bare"),
        pytest.param(("Content-Type: text/plain",), id="a text"),
        pytest.param(("Content-Type: application/json; charset=UTF-8",), id="in UTF-8"),
        pytest.param(("Content-Type: image/png",), id="an image"),
        pytest.param(("Content-Encoding: identity",), id="not encoded, it says"),
        pytest.param(("Transfer-Encoding: chunked",), id="in chunks"),
        pytest.param(("X-A: a\tb",), id="a tab"),
        pytest.param(("X-A: \xc3\xa4",), id="UTF-8 in a field"),
    ],
)
async def test_what_can_be_read_is_passed_on(answered: Answered, lines: tuple[str, ...]) -> None:
    assert inspectable(await answered(head(*lines)))


@pytest.mark.parametrize(
    ("status", "lines"),
    [
        pytest.param("HTTP/1.1 101 Go", ("Upgrade: x", "Connection: upgrade"), id="an upgrade"),
        pytest.param("HTTP/1.1 206 OK", (), id="a part"),
        pytest.param("HTTP/1.1 600 OK", (), id="a status past 599"),
        pytest.param("HTTP/1.1 099 OK", (), id="a status below 100"),
        pytest.param("HTTP/2.0 200 OK", (), id="another version"),
        pytest.param("HTTP/1.1 200 OK", ("Content-Encoding: gzip",), id="compressed"),
        pytest.param("HTTP/1.1 200 OK", ("Content-Encoding: identity, br",), id="in a list"),
        pytest.param("HTTP/1.1 200 OK", ("Transfer-Encoding: gzip",), id="compressed in transfer"),
        pytest.param(
            "HTTP/1.1 200 OK", ("Transfer-Encoding: chunked, gzip",), id="after the chunks"
        ),
        pytest.param(
            "HTTP/1.1 200 OK", ("Content-Type: text/plain; charset=utf-16",), id="in UTF-16"
        ),
        pytest.param("HTTP/1.1 200 OK", ("Content-Type: a/b", "Content-Type: c/d"), id="two types"),
        pytest.param("HTTP/1.1 200 OK", ("X-A: \xff",), id="no text in a field"),
        pytest.param("HTTP/1.1 200 OK", ("X-A: a\x01b",), id="a control in a field"),
    ],
)
async def test_what_cannot_be_read_is_not(
    answered: Answered, status: str, lines: tuple[str, ...]
) -> None:
    assert not inspectable(await answered(head(*lines, status=status)))


@pytest.mark.parametrize(
    ("data", "kind", "value"),
    [
        (b'{"a":1}', "application/json", {"a": 1}),
        (b'{"a":1}', "text/plain", {"text": '{"a":1}'}),
        (b'{"a":', "application/json", {"text": '{"a":'}),
        (b"\xff", "text/plain", {"text": "\ufffd"}),
    ],
)
def test_a_result_is_json_or_a_text(data: bytes, kind: str, value: object) -> None:
    assert result(data, kind) == value


@pytest.mark.parametrize(("size", "whole"), [(4 << 20, True), ((4 << 20) + 1, False)])
async def test_a_result_is_bounded(answered: Answered, size: int, *, whole: bool) -> None:
    response = await answered(head(f"Content-Length: {size}") + b"x" * size)

    data = await bounded(response)

    assert (data == b"x" * size) is whole


async def drained(
    response: aiohttp.ClientResponse, idle: float | None = 5.0, seconds: float | None = None
) -> bytes:
    now = asyncio.get_running_loop().time()
    deadline = None if seconds is None else now + seconds
    return b"".join([frame.data async for frame in frames(response, idle, deadline)])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(head("Content-Length: 5") + b"hello", id="its length"),
        pytest.param(
            head("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n", id="the last chunk"
        ),
        pytest.param(head() + b"hello", id="the end of the connection"),
        pytest.param(
            head(status="HTTP/1.0 200 OK") + b"hello", id="the end of it in the old version"
        ),
    ],
)
async def test_an_answer_ends_at_its_end(answered: Answered, data: bytes) -> None:
    assert await drained(await answered(data)) == b"hello"


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((head("Content-Length: 9"), b"hello"), id="before its length"),
        pytest.param(
            (head("Transfer-Encoding: chunked"), b"5\r\nhello\r\n"), id="before the last chunk"
        ),
        pytest.param((head("Transfer-Encoding: chunked"), b"9\r\nhello"), id="in a chunk"),
        pytest.param((head("Transfer-Encoding: chunked"), b"0\r\nX-A: b\r\n"), id="in the trailer"),
    ],
)
async def test_an_answer_that_breaks_off_raises(
    answered: Answered, pieces: tuple[bytes, ...], *, reset: bool
) -> None:
    response = await answered(pieces[0], 0.05, *pieces[1:], 0.05, reset=reset)

    with pytest.raises(aiohttp.ClientPayloadError):
        await drained(response)


async def test_what_only_the_connection_ends_is_not_ended_by_a_reset(answered: Answered) -> None:
    response = await answered(head(), b"hello", 0.1, reset=True)

    with pytest.raises(aiohttp.ClientPayloadError):
        await drained(response)


@pytest.mark.parametrize("size", [b"ZZ", b"-2", b"f" * 17, b"0x5", b""])
async def test_a_chunk_of_no_size_breaks_off(answered: Answered, size: bytes) -> None:
    response = await answered(head("Transfer-Encoding: chunked"), 0.05, size + b"\r\nhello\r\n")

    with pytest.raises((aiohttp.ClientError, aiohttp.http.HttpProcessingError)):
        await drained(response)


async def test_an_agent_that_falls_silent_is_late(answered: Answered) -> None:
    response = await answered(head("Content-Length: 9"), b"hello", 5.0)

    with pytest.raises(TimeoutError):
        await drained(response, idle=0.2)


async def test_who_speaks_now_and_then_is_not(answered: Answered) -> None:
    response = await answered(head("Content-Length: 4"), *(0.1, b"x") * 4)

    assert await drained(response, idle=0.3) == b"xxxx"


async def test_the_whole_has_its_time_however_steadily_it_comes(answered: Answered) -> None:
    response = await answered(head(), *(0.05, b"x") * 100)

    with pytest.raises(TimeoutError):
        await drained(response, idle=5.0, seconds=0.3)


async def test_a_slow_reader_does_not_make_an_agent_late(answered: Answered) -> None:
    response = await answered(head("Content-Length: 8"), b"half", 0.3, b"half")
    data = b""

    async for frame in frames(response, 0.5, None):
        data += frame.data
        await asyncio.sleep(0.6)  # longer than the agent may

    assert data == b"halfhalf"


async def test_without_limits_nobody_is_late(answered: Answered) -> None:
    response = await answered(head("Content-Length: 4"), 0.3, b"late")

    assert await drained(response, None) == b"late"


async def test_whether_a_silent_agent_is_there_is_for_the_kernel_to_ask(answered: Answered) -> None:
    response = await answered(head("Content-Type: text/event-stream"), 0.2)
    assert response.connection is not None
    assert response.connection.transport is not None
    ends = response.connection.transport.get_extra_info("socket")

    assert watched(response)
    assert ends.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle, interval, count = (
        ends.getsockopt(socket.IPPROTO_TCP, option)
        for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
    )
    assert idle + interval * count <= 120


async def test_of_an_answer_that_is_there_whole_nothing_is_asked(answered: Answered) -> None:
    response = await answered(head("Content-Type: text/event-stream", "Content-Length: 0"))

    assert not watched(response)
