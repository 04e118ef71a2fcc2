"""Rows that hold each other: each names the SHA-256 of the line before it.

    {"seq":7,"prev":"<64 hex digits>","time":"…","event":"grant",…}

`seq` counts from 0, and the first row's `prev` is all zeros. The hash is that of the whole line
without its newline, so that no byte before a row can change without the row telling. Chains go on
from one file to the next. `Walk` follows one, and says where it ends; the counterparts are
`recovery`, which goes on from there, and `verify`, which judges it.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from proxy.protocols.strict_json import dumps
from proxy.values import Json

ZEROS = "0" * 64
LONGEST = 1 << 20
"""Bytes of a line, of which no row has so many: what is longer is read in pieces."""
RECOVERED, BREAK, CHECKPOINT, BEGIN, CONTINUED = (
    *("recovered", "break", "checkpoint", "begin", "continued"),
)
_ROW = re.compile(rb'\{"seq":(0|[1-9][0-9]{0,17}),"prev":"([0-9a-f]{64})"[,}]')
_EVENT = re.compile(rb',"time":"([^"\\]{1,40})","event":"([a-z-]{1,40})"[,}]')


@dataclass(frozen=True, slots=True)
class Link:
    """A row, by its number and the SHA-256 of its line: what the next one must name."""

    seq: int = -1
    sha256: str = ZEROS

    def next(self, body: bytes) -> tuple[bytes, "Link"]:
        """The line of the next row, whose other fields are the JSON object `body`, and its link."""
        rest = b"}" if body == b"{}" else b"," + body[1:]
        line = b'{"seq":%d,"prev":"%s"%s' % (self.seq + 1, self.sha256.encode(), rest)
        return line + b"\n", Link(self.seq + 1, hashlib.sha256(line).hexdigest())


NOTHING = Link()
"""What the first row of all stands after."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line that has the form of a row, with what it says of the chain."""

    line: bytes
    seq: int
    prev: str
    event: str = ""
    time: str = ""

    @property
    def link(self) -> Link:
        """What the next row must name."""
        return Link(self.seq, hashlib.sha256(self.line[:-1]).hexdigest())

    @property
    def before(self) -> Link:
        """What this row says stands before it."""
        return Link(self.seq - 1, self.prev)

    @property
    def fields(self) -> Mapping[str, Any]:
        """All that it says; empty where it is no JSON."""
        try:
            found = json.loads(self.line)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


def row_of(line: bytes) -> Row | None:
    """The row that a line is; None where it is none."""
    match = _ROW.match(line)
    if match is None or not line.endswith(b"}\n"):
        return None
    seq, prev = int(match.group(1)), match.group(2).decode()
    said = _EVENT.match(line, match.end() - 1)
    if said is None:
        return Row(line, seq, prev)
    return Row(line, seq, prev, said.group(2).decode(), said.group(1).decode(errors="replace"))


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Each line with its newline; the last may have none, and one without end comes in pieces."""
    while line := file.readline(LONGEST):
        yield line


def body(time: str, event: str, **more: Json) -> bytes:
    """What a row of the log itself says."""
    return dumps({"time": time, "event": event, **more})


@dataclass(slots=True)
class Stray:
    """Lines that do not follow: how many bytes they are, their SHA-256, and what is wrong."""

    why: str
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, line: bytes) -> None:
        """One more line."""
        self.size += len(line)
        self.digest.update(line)

    def is_told_by(self, row: Row) -> bool:
        """Whether a row of a start after a crash says that exactly this was left."""
        told = row.fields
        return told.get("bytes") == self.size and told.get("sha256") == self.digest.hexdigest()


class Walk:
    """Follows a chain, line by line. `link` is the last row that followed.

    Two rows may stand after lines that do not follow. `recovered` tells what a crash left, goes on
    from the row before it, and is of the chain like any other. `break` tells that the chain was
    found broken, and begins another.
    """

    def __init__(self, link: Link | None) -> None:
        """`link`: what stands before the first line; None: whatever that one says."""
        self.link = link
        self.stray: Stray | None = None

    def feed(self, line: bytes) -> Row | None:
        """The row that `line` is, where it follows; else the line is one more that strays."""
        row = row_of(line)
        if row is not None and self._follows(row):
            self.stray, self.link = None, row.link
            return row
        if self.stray is None:
            self.stray = Stray(self._wrong(row))
        self.stray.add(line)
        return None

    def passes(self, line: bytes) -> bool:
        """The same for who asks for no row: a start reads a whole file, and has little time."""
        if self.link is not None and self.stray is None and line.endswith(b"}\n"):
            seq = self.link.seq + 1
            if line.startswith(b'{"seq":%d,"prev":"%s",' % (seq, self.link.sha256.encode())):
                self.link = Link(seq, hashlib.sha256(line[:-1]).hexdigest())
                return True
        return self.feed(line) is not None

    def _follows(self, row: Row) -> bool:
        if row.event == BREAK:
            return self.link is None or row.seq > self.link.seq
        if self.link is not None and row.before != self.link:
            return False
        return self.stray is None or (row.event == RECOVERED and self.stray.is_told_by(row))

    def _wrong(self, row: Row | None) -> str:
        expected = 0 if self.link is None else self.link.seq + 1
        if row is None:
            return f"expected row {expected}, found what is no row"
        if row.seq != expected:
            return f"expected row {expected}, found row {row.seq}"
        return f"row {expected - 1} is not as row {expected} says: one of them was changed"
