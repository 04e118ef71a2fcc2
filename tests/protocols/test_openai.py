"""Refusals and broken streams, as clients of a model read them."""

from collections.abc import AsyncIterator

import pytest
from doubles import inbound

from proxy.decision import Denied, Facts
from proxy.exchange import Answer, Clean, Frame, Stream
from proxy.protocols.openai import ModelCodec, ending_in
from proxy.protocols.strict_json import loads
from proxy.reasons import Layer, Reason
from proxy.values import Headers

OPENAI = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/responses",
    "/v1/models",
    "/v1/embeddings",
)
LIMITED = Denied(Layer.NETWORK, Reason.RATE_LIMITED, Facts(retry_after=2.0))
CODEC = ModelCodec()
EVENTS = Headers((("Content-Type", "text/event-stream"),))


def said(answer: Answer) -> dict[str, object]:
    assert isinstance(answer.body, bytes)
    value = loads(answer.body)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("path", OPENAI)
def test_clients_of_openai_read_their_own_errors(path: str) -> None:
    answer = CODEC.refuse(inbound(path=path), LIMITED)
    assert (answer.status, answer.headers.get("retry-after")) == (429, "2")
    assert answer.headers.get("content-type") == "application/json"
    error = said(answer)["error"]
    assert isinstance(error, dict)
    assert (error["type"], error["code"], error["param"]) == (
        "rate_limit_error",
        "rate-limited",
        None,
    )


def test_clients_of_anthropic_read_theirs() -> None:
    value = said(CODEC.refuse(inbound(path="/v1/messages"), LIMITED))
    assert value["type"] == "error"
    assert isinstance(value["error"], dict)
    assert value["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize("path", ["/hooks/agent", "/v1/messages/", "/v1/other"])
def test_any_other_path_has_problems(path: str) -> None:
    answer = CODEC.refuse(inbound(path=path), LIMITED)
    assert answer.headers.get("content-type") == "application/problem+json"


async def pieces(*said: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for piece in said:
        yield piece
    if error is not None:
        raise error


async def collect(body: AsyncIterator[bytes], heard: list[bytes]) -> None:
    """What was heard until it ends, or breaks off."""
    async for piece in body:
        heard.append(piece)  # noqa: PERF401 - a comprehension would lose it


def plain(denied: Denied) -> bytes:
    return b"data: " + denied.reason.code.encode() + b"\n\n"


@pytest.mark.parametrize(
    ("sent", "between"), [(b"data: 1\n\n", b""), (b"data: 1\r\n\r\n", b""), (b"data: {", b"\n\n")]
)
@pytest.mark.parametrize("error", [Denied(Layer.ISOLATION, Reason.UPSTREAM_LATE), TimeoutError()])
async def test_what_breaks_off_says_so_and_is_cut(
    sent: bytes, between: bytes, error: Exception
) -> None:
    heard: list[bytes] = []
    with pytest.raises(type(error)):
        await collect(ending_in(pieces(sent, error=error), plain), heard)
    reason = error.reason if isinstance(error, Denied) else Reason.UPSTREAM_UNREADABLE
    assert heard == [sent, between + b"data: " + reason.code.encode() + b"\n\n"]


async def test_what_ends_in_order_is_as_it_came() -> None:
    heard = [piece async for piece in ending_in(pieces(b"data: [DONE]\n\n"), plain)]
    assert heard == [b"data: [DONE]\n\n"]


async def test_a_stream_that_breaks_off_has_an_error_for_its_last_event() -> None:
    async def frames() -> AsyncIterator[Frame]:
        yield Frame("body", b'data: {"a":1}\n\n')
        raise Denied(Layer.ISOLATION, Reason.UPSTREAM_UNREADABLE)

    stream = Stream(200, EVENTS, frames())
    answer = CODEC.render(inbound(path="/v1/responses"), Clean(stream))
    heard: list[bytes] = []
    assert isinstance(answer.body, AsyncIterator)
    with pytest.raises(Denied):
        await collect(answer.body, heard)
    assert heard[-1].startswith(b'event: error\ndata: {"error":')
    assert heard[-1].endswith(b"}\n\n")
