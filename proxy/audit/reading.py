"""Rows for people and programs: the last ones, those that come, and those that are asked for.

Files are only read, so that it works beside a Sidegate that writes, over rotation. Nothing is
judged here: lines that are no rows are passed over, and `verify` tells of them.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from proxy.audit import files
from proxy.audit.chain import Row, lines, row_of

_BLOCK = 64 << 10
COLUMNS = (
    *("seq", "time", "event", "request_id", "door", "channel", "peer", "principal", "action"),
    *("tool", "verb", "subject", "arguments_sha256", "layer", "reason", "rule", "approval"),
    *("evidence", "status", "duration_ms", "result", "cancelled", "redactions", "count"),
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How cells begin that a spreadsheet would run (OWASP: CSV Injection)."""


def rows(path: str) -> Iterator[Row]:
    """All rows, the oldest first; raises OSError."""
    with ExitStack() as stack:
        for _, file in files.opened(path, stack):
            yield from filter(None, map(row_of, lines(file)))


def last_rows(path: str, count: int) -> list[Row]:
    """The last so many rows; raises OSError."""
    found: list[Row] = []
    with ExitStack() as stack:
        for _, file in reversed(files.opened(path, stack)):
            if len(found) < count:
                here = list(filter(None, map(row_of, _end(file, count - len(found)))))
                found = here[max(0, len(here) + len(found) - count) :] + found
    return found


def _end(file: BinaryIO, count: int) -> list[bytes]:
    """At least the last `count` lines, where there are so many."""
    place, data = file.seek(0, os.SEEK_END), b""
    while place > 0 and data.count(b"\n") <= count:
        size = min(place, max(_BLOCK, len(data)))
        place -= size
        file.seek(place)
        data = file.read(size) + data
    return data.splitlines(keepends=True)


class Follower:
    """Rows that come after row `seq`, over rotation."""

    def __init__(self, path: str, seq: int) -> None:
        self._path = path
        self._seq = seq
        self._file: BinaryIO | None = None
        self._rest = b""

    def poll(self) -> Iterator[Row]:
        """What has come since; raises OSError."""
        if self._file is None:
            yield from self._missed()
            self._file = open(self._path, "rb")  # noqa: SIM115 - kept open from poll to poll
        yield from self._read(self._file)
        if self._is_old(self._file):
            yield from self._read(self._file)
            self._file.close()
            self._file, self._rest = None, b""
            yield from self.poll()

    def close(self) -> None:
        """Give the file back."""
        if self._file is not None:
            self._file.close()

    def _missed(self) -> Iterator[Row]:
        """What stands in files that were begun and closed between two polls."""
        with ExitStack() as stack:
            for _, file in files.opened(self._path, stack)[:-1]:
                end = files.link_at_end(file)
                if end is not None and end.seq > self._seq:
                    file.seek(0)
                    yield from self._read(file)

    def _read(self, file: BinaryIO) -> Iterator[Row]:
        for line in lines(file):
            whole, self._rest = self._rest + line, b""
            if not whole.endswith(b"\n"):
                self._rest = whole
                continue
            row = row_of(whole)
            if row is not None and row.seq > self._seq:
                self._seq = row.seq
                yield row

    def _is_old(self, file: BinaryIO) -> bool:
        try:
            return not os.path.samestat(os.fstat(file.fileno()), os.stat(self._path))
        except FileNotFoundError:  # between two names
            return False


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows are asked for; `until` is not included, and None does not matter."""

    since: datetime | None = None
    until: datetime | None = None
    principal: str | None = None
    event: str | None = None

    def has(self, row: Row, fields: Mapping[str, Any]) -> bool:
        """Whether a row is among them."""
        if self.event is not None and row.event != self.event:
            return False
        if self.principal is not None and fields.get("principal") != self.principal:
            return False
        return self._is_in_time(row.time)

    def _is_in_time(self, text: str) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            return False
        if time.tzinfo is None:  # it could be any
            return False
        after = self.since is None or time >= self.since
        return after and (self.until is None or time < self.until)


def jsonl(chosen: Iterable[Row]) -> Iterator[str]:
    """Each row as it stands in the log, byte for byte, so that its hash can be made again."""
    for row in chosen:
        yield row.line.decode(errors="replace")


def as_csv(chosen: Iterable[Row]) -> Iterator[str]:
    """A table (RFC 4180) of the columns above and of `more`, the other fields in JSON."""
    yield _cells([*COLUMNS, "more"])
    for row in chosen:
        fields = dict(row.fields)
        known = [_cell(fields.pop(column, None)) for column in COLUMNS]
        fields.pop("prev", None)
        yield _cells([*known, _cell(fields or None)])


def _cells(cells: list[str]) -> str:
    made = io.StringIO()
    csv.writer(made).writerow(cells)
    return made.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


def readable(row: Row) -> str:
    """One line for people, in which nothing moves a terminal's cursor."""
    fields = dict(row.fields)
    for key in ("seq", "prev", "time", "event", "signature", "public_key", "arguments_sha256"):
        fields.pop(key, None)
    said = " ".join(f"{key}={_shown(value)}" for key, value in fields.items() if value is not None)
    return f"{row.seq} {row.time} {row.event} {said}".rstrip()


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
