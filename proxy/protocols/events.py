"""A command's answer as it comes: server-sent events (WHATWG HTML, section 9.2).

`stdout` and `stderr` carry a text each, `result` is the last and says how it ended, or `error` why
nobody can tell. What is known as a whole is a `result` alone.
"""

import asyncio
import codecs
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import TypeVar

from proxy.decision import Denied
from proxy.duplex import Socket
from proxy.exchange import Answer, Frame
from proxy.holding import Held
from proxy.protocols.strict_json import dumps, loads
from proxy.values import Headers, Json

T = TypeVar("T")

RESULT = "result"
"""The channel of the last frame of a command: how it ended, in JSON."""

FIELDS = (
    ("Content-Type", "text/event-stream"),
    ("Cache-Control", "no-store"),
    ("X-Accel-Buffering", "no"),  # nginx would keep it until it is whole
)
EVENTS_TYPE = "text/event-stream"
KEEP_ALIVE = b": keep-alive\n\n"
QUIET_SECONDS = 15.0  # as the standard advises, for proxies that cut what is silent
_BLANK = (b"\n\n", b"\r\r", b"\n\r", b"\n\r\n", b"\r\r\n")
_TEXT = codecs.getincrementaldecoder("utf-8")


def prefers_events(headers: Headers) -> bool:
    """Whether a client asks for events by name, and rather than JSON (RFC 9110 section 12.5.1).

    Who asks for both alike is answered in JSON, unless only a wildcard speaks for it.
    """
    weights: dict[str, float] = {}
    for given in ",".join(headers.all("accept")).lower().split(","):
        kind, *parameters = (part.strip() for part in given.split(";"))
        weights[kind] = _weight(parameters)
    events = weights.get("text/event-stream", 0.0)
    named = weights.get("application/json")
    if named is not None:
        return events > named
    return events > 0.0 and events >= weights.get("application/*", weights.get("*/*", 0.0))


def _weight(parameters: list[str]) -> float:
    """The weight among the parameters of a media range, 1 where there is none."""
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return float(weight)
    except ValueError:
        return 0.0


def event(name: str, data: bytes) -> bytes:
    """One event. `data` is JSON, which has no line breaks of its own."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), data)


async def events(
    frames: AsyncIterator[Frame],
    enveloped: Callable[[Json], Json],
    refused: Callable[[Denied], Answer],
    quiet: float = QUIET_SECONDS,
) -> AsyncIterator[bytes]:
    """The frames of a command as events, with a comment after every `quiet` seconds of silence."""
    texts = defaultdict[str, codecs.IncrementalDecoder](lambda: _TEXT("replace"))
    result = b""
    try:
        async for frame in or_silence(frames, quiet):
            if frame is None:
                yield KEEP_ALIVE
            elif frame.channel == RESULT:
                result += frame.data
            elif text := texts[frame.channel].decode(frame.data, frame.final):
                yield event(frame.channel, dumps({"text": text}))
    except Denied as denied:
        document = refused(denied).body
        assert isinstance(document, bytes)
        yield event("error", document)
    else:
        yield event(RESULT, dumps(enveloped(loads(result))))


def held() -> Held:
    """How whoever asked for events is kept waiting: with comments, until there is a result."""
    return Held(Headers(FIELDS), lambda _: KEEP_ALIVE, _in_events)


async def _in_events(answer: Answer) -> AsyncIterator[bytes]:
    """An answer that comes after its status: events as they are, anything else as one event."""
    if not isinstance(answer.body, bytes):
        assert not isinstance(answer.body, Socket), "whoever opens a WebSocket is not kept waiting"
        async for piece in answer.body:
            yield piece
    elif is_events(answer.headers):
        yield answer.body
    else:
        yield event(RESULT if answer.status < HTTPStatus.BAD_REQUEST else "error", answer.body)


def is_events(headers: Headers) -> bool:
    """Whether a body is events, going by its only content type."""
    kinds = [kind.partition(";")[0].strip().lower() for kind in headers.all("content-type")]
    return kinds == [EVENTS_TYPE]


async def kept_alive(
    frames: AsyncIterator[Frame], quiet: float = QUIET_SECONDS
) -> AsyncIterator[bytes]:
    """Somebody else's events as they come, with comments in their silence, but within none.

    What stands in the middle of an event is silent for as long as it likes.
    """
    tail = b"\n\n"
    async for frame in or_silence(frames, quiet):
        if frame is None:
            if tail.endswith(_BLANK):
                yield KEEP_ALIVE
        else:
            tail = (tail + frame.data)[-3:]
            yield frame.data


async def or_silence(items: AsyncIterator[T], quiet: float) -> AsyncIterator[T | None]:
    """The items, and None after every `quiet` seconds without one.

    Each is awaited in a task of its own, since to stop waiting for an iterator would end it.
    """
    coming: asyncio.Future[T] = asyncio.ensure_future(anext(items))
    try:
        while True:
            await asyncio.wait({coming}, timeout=quiet)
            if not coming.done():
                yield None
                continue
            try:
                item = coming.result()
            except StopAsyncIteration:
                return
            yield item
            coming = asyncio.ensure_future(anext(items))
    finally:
        coming.cancel()
        coming.add_done_callback(lambda left: left.cancelled() or left.exception())
