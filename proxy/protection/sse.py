"""Server-sent events and lines of JSON, scrubbed as they come (WHATWG HTML, section 9.2).

An event goes out when it is whole. Where it holds no secret, and nothing was held back, it goes
out byte for byte; so do comments, at once. Any cutting of the stream gives the same output.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from proxy.protection.apart import apart
from proxy.protection.channels import Channels, Cleaner, Event, broken

MAX_EVENT = 1 << 20
"""Bytes of one event, or of one line: what is longer cannot be inspected in time."""

_ENDS = re.compile(rb"\r\n?|\n")
_BOM = b"\xef\xbb\xbf"


async def scrub_events(pieces: AsyncIterator[bytes], cleaner: Cleaner) -> AsyncIterator[bytes]:
    """A stream of events without secrets. Raises Denied at what is too much to be read."""
    machine = _Events(cleaner)
    async for data in _fed(pieces, machine.feed, machine.end):
        yield data


async def scrub_lines(pieces: AsyncIterator[bytes], cleaner: Cleaner) -> AsyncIterator[bytes]:
    """A stream of JSON texts, one a line, without secrets. Raises Denied as the former."""
    machine = _JsonLines(cleaner)
    async for data in _fed(pieces, machine.feed, machine.end):
        yield data


async def _fed(
    pieces: AsyncIterator[bytes],
    feed: Callable[[bytes], Iterator[bytes]],
    end: Callable[[], Iterator[bytes]],
) -> AsyncIterator[bytes]:
    """What a machine gives back; what takes long in a thread, so that nobody else waits for it."""
    size = 0
    async for piece in pieces:
        size += len(piece)
        data = await apart(size, b"".join, feed(piece))
        if data:
            size = 0
            yield data
    data = await apart(size, b"".join, end())
    if data:
        yield data


@dataclass(slots=True)
class _Line:
    """A line and how it ended. The CR of a CRLF may have come first, and alone."""

    data: bytes
    end: bytes


class _Lines:
    """The lines of a text that comes in pieces."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[_Line]:
        """The lines that have ended; raises Denied where one does not."""
        at = len(self._rest)
        self._rest += data
        begin = 0
        while found := _ENDS.search(self._rest, at):
            yield _Line(bytes(self._rest[begin : found.start()]), found[0])
            begin = at = found.end()
        del self._rest[:begin]
        if len(self._rest) > MAX_EVENT:
            raise broken()

    def end(self) -> bytes:
        """The last line, which has no end."""
        rest = bytes(self._rest)
        self._rest.clear()
        return rest


class _Events:
    """A stream of events, fed with bytes."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._channels = Channels(cleaner)
        self._lines = _Lines()
        self._begun: bytes | None = b""  # what may be a byte order mark; None: no more
        self._block: list[_Line] = []
        self._size = 0
        self._return = False  # whether the last byte was a CR

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What may be shown of the stream so far."""
        if not data:
            return
        mark, data = self._unmarked(data)
        yield mark
        begun, self._return = self._return, data.endswith(b"\r")
        if begun and data.startswith(b"\n"):
            data = data[1:]
            if self._block:
                self._block[-1].end += b"\n"
            else:
                yield b"\n"
        for line in self._lines.feed(data):
            yield from self._line(line)

    def end(self) -> Iterator[bytes]:
        """The rest. An event that has not ended is shown, and ended where another follows it."""
        mark, self._begun = self._begun or b"", None
        for line in self._lines.feed(mark):
            yield from self._line(line)
        if last := self._lines.end():
            self._block.append(_Line(last, b""))
        shown = b"".join(self._dispatch())
        yield shown
        more = b"".join(map(self._written, self._channels.end()))
        if more and shown:
            yield b"\n\n"
        yield more

    def _unmarked(self, data: bytes) -> tuple[bytes, bytes]:
        """A byte order mark at the very beginning, and what follows it."""
        if self._begun is None:
            return b"", data
        begun = self._begun + data
        if len(begun) < len(_BOM) and _BOM.startswith(begun):
            self._begun = begun
            return b"", b""
        self._begun = None
        return (_BOM, begun[len(_BOM) :]) if begun.startswith(_BOM) else (b"", begun)

    def _line(self, line: _Line) -> Iterator[bytes]:
        self._size += len(line.data)
        if self._size > MAX_EVENT:
            raise broken()
        if not self._block and (not line.data or line.data.startswith(b":")):
            self._size = 0
            yield _scrubbed(line.data, self._cleaner) + line.end
            return
        self._block.append(line)
        if not line.data:
            yield from self._dispatch()

    def _dispatch(self) -> Iterator[bytes]:
        """The event whose lines are there."""
        block, self._block, self._size = self._block, [], 0
        fields = [_field(line.data) for line in block]
        data = [value for name, value in fields if name == b"data"]
        shown = None
        if data:
            names = [value for name, value in fields if name == b"event"]
            event = Event(_text(names[-1]) if names else "", _text(b"\n".join(data)))
            *more, last = self._channels.scrub(event)
            yield from map(self._written, more)
            shown = None if last == event else last.data.encode("utf-8", "replace").split(b"\n")
        yield from self._rewritten(block, shown)

    def _rewritten(self, block: list[_Line], data: list[bytes] | None) -> Iterator[bytes]:
        """The lines of an event, with other data where there is any."""
        for line in block:
            if _field(line.data)[0] != b"data":
                yield _scrubbed(line.data, self._cleaner) + line.end
            elif data is None:
                yield line.data + line.end
            elif data:
                end = line.end or b"\n"
                yield end.join(b"data: " + each for each in data) + line.end
                data = []

    def _written(self, event: Event) -> bytes:
        """An event of our own."""
        name = _scrubbed(f"event: {event.name}\n".encode(), self._cleaner) if event.name else b""
        data = "".join(f"data: {line}\n" for line in event.data.split("\n"))
        return name + data.encode("utf-8", "replace") + b"\n"


class _JsonLines:
    """A stream of JSON texts, one a line, fed with bytes."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._channels = Channels(cleaner)
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What may be shown of the stream so far."""
        at = len(self._rest)
        self._rest += data
        begin = 0
        while (end := self._rest.find(b"\n", at) + 1) > 0:
            yield from self._line(bytes(self._rest[begin : end - 1]), b"\n")
            begin = at = end
        del self._rest[:begin]
        if len(self._rest) > MAX_EVENT:
            raise broken()

    def end(self) -> Iterator[bytes]:
        """The rest."""
        shown = b"".join(self._line(bytes(self._rest), b""))
        more = b"".join(each.data.encode() + b"\n" for each in self._channels.end())
        yield shown + (b"\n" if shown and more else b"") + more

    def _line(self, line: bytes, end: bytes) -> Iterator[bytes]:
        if len(line) > MAX_EVENT:
            raise broken()
        event = Event("line", _text(line))
        *more, last = self._channels.scrub(event)
        for each in more:
            yield each.data.encode() + b"\n"
        yield (line if last == event else last.data.encode("utf-8", "replace")) + end


def _field(line: bytes) -> tuple[bytes, bytes]:
    """The name and the value of a line."""
    name, _, value = line.partition(b":")
    return name, value.removeprefix(b" ")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _scrubbed(line: bytes, cleaner: Cleaner) -> bytes:
    """A line of which nothing more is known."""
    if cleaner.clean(line):
        return line
    text = _text(line)
    shown = cleaner.text(text)
    return line if shown == text else shown.encode("utf-8", "replace")
