"""A client of MCP that is kept waiting."""

import json
from collections.abc import AsyncIterator

import pytest

from proxy.decision import Denied
from proxy.exchange import Answer
from proxy.protocols.events import FIELDS, KEEP_ALIVE
from proxy.protocols.mcp.holding import MAX_TOKEN, WAITING, held, is_token, last
from proxy.protocols.problem import problem
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

JSON = Headers((("Content-Type", "application/json"),))
EVENTS = Headers((("Content-Type", "text/event-stream"),))


def read(data: bytes) -> Json:
    """The message of one event."""
    name, value, end = data.decode().split("\n", 2)
    assert (name, end) == ("event: message", "\n")
    message: Json = json.loads(value.removeprefix("data: "))
    return message


async def written(answer: Answer) -> bytes:
    return b"".join([piece async for piece in last(answer)])


@pytest.mark.parametrize("token", ["t", "a\nb", "ä\u2028", 0, 7, -3, 2**53])
def test_who_gave_a_token_is_told_of_growing_progress(token: Json) -> None:
    made = held(token)

    assert made.headers.get("content-type") == "text/event-stream"
    for number in (1, 2, 3):
        assert read(made.beat(number)) == {
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {"progressToken": token, "progress": number, "message": WAITING},
        }


@pytest.mark.parametrize(
    "token", [None, True, 1.5, "", "x" * (MAX_TOKEN + 1), 2**53 + 1, [], {}, {"a": "t"}]
)
def test_who_gave_none_sees_comments(token: Json) -> None:
    assert not is_token(token)
    assert [held(token).beat(number) for number in (1, 2)] == [KEEP_ALIVE] * 2


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_one_response_becomes_one_event(status: int) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"result":{}}'

    assert read(await written(Answer(status, JSON, body))) == json.loads(body)


async def test_events_stay_what_they_are() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"event: message\ndata: 1"
        yield b"\n\n"

    whole = b"event: message\ndata: 1\n\n"
    assert await written(Answer(200, Headers(FIELDS), pieces())) == whole
    assert await written(Answer(200, EVENTS, whole)) == whole


async def test_what_is_no_response_is_not_said() -> None:
    gone = problem(Denied(Layer.AUTHENTICATION, Reason.TOKEN_UNKNOWN), "id-7")

    assert await written(Answer(202, Headers(), b"")) == b""
    assert await written(gone) == b""
