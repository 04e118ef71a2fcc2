"""Answers that come in pieces: what each kind of them is, and how it is scrubbed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Protocol

from proxy.duplex import Closing, SocketEvent
from proxy.exchange import Frame, Stream
from proxy.protection.apart import apart
from proxy.protection.cleaner import Cleaner
from proxy.protection.scrubber import Scrubber
from proxy.protection.sniffing import SNIFFED, is_binary, may_be_binary
from proxy.protection.sse import scrub_events, scrub_lines
from proxy.protection.structure import json_text

_LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
_EVENTS = "text/event-stream"
_LEAST, _MOST = 1024, 65536  # of a piece, in bytes
_PIECE_SECONDS = 0.001


def scrubbed(stream: Stream, cleaner: Cleaner, exact: Cleaner) -> AsyncIterator[Frame]:
    """The frames of a stream as they may be seen. `exact` masks nothing but what is held.

    What declares itself to be events or lines of JSON is one channel, and read as that. Of media
    and other binaries only what is held is masked, but what merely is called so is a text.
    """
    kind = (stream.headers.get("content-type") or "").partition(";")[0].strip().lower()
    if kind == _EVENTS:
        return _framed(scrub_events(_data(stream.frames), cleaner))
    if kind in _LINES:
        return _framed(scrub_lines(_data(stream.frames), cleaner))
    if may_be_binary(kind):
        return _channels(stream.frames, lambda: _Sniffed(kind, cleaner, exact))
    return _channels(stream.frames, cleaner.scrubber)


class _Machine(Protocol):
    def scrub(self, data: bytes, *, final: bool) -> bytes: ...


class _Sniffed:
    """What is a binary by its type, and perhaps by its first bytes, which are awaited."""

    def __init__(self, kind: str, cleaner: Cleaner, exact: Cleaner) -> None:
        self._kind = kind
        self._cleaner = cleaner
        self._exact = exact
        self._begun = b""
        self._scrubber: Scrubber | None = None

    def scrub(self, data: bytes, *, final: bool) -> bytes:
        """What may be shown of the body so far; with `final`, all of the rest."""
        if self._scrubber is None:
            data = self._begun = self._begun + data
            if len(data) < SNIFFED and not final:
                return b""
            binary = is_binary(self._kind, data[:SNIFFED])
            self._scrubber = (self._exact if binary else self._cleaner).scrubber()
            self._begun = b""
        return self._scrubber.scrub(data, final=final)


async def _data(frames: AsyncIterator[Frame]) -> AsyncIterator[bytes]:
    async for frame in frames:
        yield frame.data


async def _framed(pieces: AsyncIterator[bytes]) -> AsyncIterator[Frame]:
    async for piece in pieces:
        yield Frame("body", piece)


async def _channels(
    frames: AsyncIterator[Frame], scrubber_of: Callable[[], _Machine]
) -> AsyncIterator[Frame]:
    """Every channel through a scrubber of its own. A broken stream shows nothing more."""
    scrubbers: dict[str, _Machine] = {}
    pace = _Pace()
    async for frame in frames:
        if frame.channel not in scrubbers:
            scrubbers[frame.channel] = scrubber_of()
        at = 0
        while at < len(frame.data):
            piece = frame.data[at : at + pace.size]
            at += len(piece)
            with pace:
                data = scrubbers[frame.channel].scrub(piece, final=False)
            if data:
                yield Frame(frame.channel, data)
            await pace.rest()
        if frame.final:
            rest = scrubbers.pop(frame.channel).scrub(b"", final=True)
            yield Frame(frame.channel, rest, final=True)
    for channel, scrubber in scrubbers.items():
        data = scrubber.scrub(b"", final=True)
        if data:
            yield Frame(channel, data)


class _Pace:
    """How much is done at once: a text full of secrets is slow, and others must not wait long."""

    def __init__(self) -> None:
        self.size = _LEAST
        self._since = 0.0
        self._busy = 0.0  # since others had their turn, in seconds

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._since
        self._busy += seconds
        if seconds > _PIECE_SECONDS:
            self.size = max(self.size // 2, _LEAST)
        elif seconds < _PIECE_SECONDS / 4:
            self.size = min(2 * self.size, _MOST)

    async def rest(self) -> None:
        """Let others have their turn, once all together has taken long."""
        if self._busy > _PIECE_SECONDS:
            self._busy = 0.0
            await asyncio.sleep(0)


async def messages(
    events: AsyncIterator[SocketEvent], cleaner: Cleaner
) -> AsyncIterator[SocketEvent]:
    """Every message of a socket, each on its own, and why it closes."""
    async for event in events:
        if isinstance(event, Closing):
            yield replace(event, reason=cleaner.text(event.reason))
        else:
            yield await apart(len(event), _whole, event, cleaner)


def _whole(message: str | bytes, cleaner: Cleaner) -> str | bytes:
    """A message: a text, which a binary one may be too and which may be JSON, or bytes."""
    if isinstance(message, str):
        return json_text(message, cleaner)
    try:
        text = message.decode()
    except UnicodeDecodeError:
        return cleaner.data(message)
    return json_text(text, cleaner).encode()
