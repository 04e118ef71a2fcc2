"""What an MCP server streams: server-sent events (WHATWG HTML, section 9.2), each one message.

The decoder is fed bytes as they come and holds at most one event. What a server says without being
understood breaks the stream off: to skip it would be to answer something else than it said.
"""

import re
from collections.abc import Iterator

from proxy.decision import Denied, Malformed
from proxy.isolation.mcp.link import Event
from proxy.jsonrpc import Message, as_json
from proxy.protocols.mcp.messages import loads_message
from proxy.protocols.strict_json import dumps
from proxy.reasons import Layer, Reason

MAX_EVENT = 4 << 20
_BOM = b"\xef\xbb\xbf"
_END = re.compile(rb"\r\n|\r|\n")
_ID = re.compile(r"[\x20-\x7e]{1,256}")  # it comes back in a header
_RETRY = re.compile(r"[0-9]{1,9}", re.ASCII)
# Line ends to those who split text as Python does: there, an event could hide in a string.
_SPLITTING = (("\x85", b"\\u0085"), ("\u2028", b"\\u2028"), ("\u2029", b"\\u2029"))


class Decoder:
    """One stream. What is not ended by an empty line was never said."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        """The pieces of a line that has not ended."""
        self._size = 0
        self._first = True
        self._returned = False
        """The last line has ended with a return, of which a line feed is a part."""
        self._fields = _Fields()

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes, to be taken in full; Denied for what is none of MCP."""
        if self._returned and data:
            self._returned = False
            data = data.removeprefix(b"\n")
        at = 0
        for end in _END.finditer(data):
            self._grow(data[at : end.start()])
            at = end.end()
            self._returned = end[0] == b"\r" and at == len(data)
            if (event := self._line()) is not None:
                yield event
        self._grow(data[at:])

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > MAX_EVENT:
            raise _unreadable()
        if piece:
            self._begun.append(piece)

    def _line(self) -> Event | None:
        line, self._begun = b"".join(self._begun), []
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            fields, self._fields, self._size = self._fields, _Fields(), 0
            return fields.event()
        if line.startswith(b":"):
            self._size -= len(line)
        else:
            self._fields.take(line)
        return None


class _Fields:
    """The fields of one event so far. The last id, retry and type count, and all data."""

    def __init__(self) -> None:
        self.data: list[str] = []
        self.kind = ""
        self.id: str | None = None
        self.retry: int | None = None

    def take(self, line: bytes) -> None:
        try:
            name, _, value = line.decode().partition(":")
        except UnicodeDecodeError:
            raise _unreadable() from None
        value = value.removeprefix(" ")
        match name:
            case "data":
                self.data.append(value)
            case "event":
                self.kind = value
            case "id" if _ID.fullmatch(value):
                self.id = value
            case "retry" if _RETRY.fullmatch(value):
                self.retry = int(value)

    def event(self) -> Event | None:
        """What was said, if anything was; None for what is not for readers of MCP."""
        message = self._message()
        if message is None and self.id is None and self.retry is None:
            return None
        return Event(message, self.id, self.retry)

    def _message(self) -> Message | None:
        data = "\n".join(self.data)
        if not data or self.kind not in ("", "message"):
            return None
        try:
            return loads_message(data.encode())
        except Malformed:
            raise _unreadable() from None


def _unreadable() -> Denied:
    return Denied(Layer.ISOLATION, Reason.MCP_UNREADABLE)


def encoded(event: Event) -> bytes:
    """The event as it is sent to a client; one without a message has empty data."""
    lines: list[bytes] = []
    if event.message is not None:
        lines.append(b"event: message")
    if event.id is not None:
        lines.append(b"id: " + event.id.encode())
    if event.retry is not None:
        lines.append(b"retry: %d" % event.retry)
    if event.message is not None or event.id is not None:
        lines.append(b"data: " + (b"" if event.message is None else _json(event.message)))
    return b"\n".join(lines) + b"\n\n"


def _json(message: Message) -> bytes:
    data = dumps(as_json(message))
    for character, escaped in _SPLITTING:
        data = data.replace(character.encode(), escaped)
    return data
