"""Whether a log is whole: every row follows, every checkpoint is signed, nothing is cut off.

Only files are read, so that it works beside a Sidegate that writes, and on copies elsewhere. What a
crash left is told and is no fault. Whatever else does not hold is a problem, with its exact place.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import BinaryIO

from proxy.audit import files, head
from proxy.audit.chain import (
    BEGIN,
    BREAK,
    CHECKPOINT,
    CONTINUED,
    LONGEST,
    NOTHING,
    RECOVERED,
    Link,
    Row,
    Walk,
    lines,
)
from proxy.audit.checkpoints import is_valid
from proxy.audit.writer import CHECKPOINT_ROWS
from proxy.seal import Seal

_UNSIGNED = 4 * CHECKPOINT_ROWS  # bursts go together, and a checkpoint comes after each


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not hold, at which `place` (file:line); `seq` is the row to accept it by."""

    place: str
    text: str
    seq: int


@dataclass(slots=True)
class Report:
    """What was found. `signatures`: whether there was a key to check them with."""

    signatures: bool = False
    files: int = 0
    rows: int = 0
    checkpoints: int = 0
    unsigned: int = 0
    first: int | None = None
    last: int | None = None
    since: str = ""
    until: str = ""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(path: str, seal: Seal | None, public_key: bytes | None) -> Report:
    """The log at `path` with all its files and its head; raises OSError where there is none.

    `seal` is the key of the head's MAC. `public_key` is what checkpoints are signed with; None:
    they are not checked.
    """
    try:
        known, wrong = head.read(head.name_of(path), seal), ""
    except ValueError as error:
        known, wrong = None, str(error)
    check = _Check(public_key, known)
    with ExitStack() as stack:
        for name, file in files.opened(path, stack):
            check.read(name, file, last=name == path)
    check.judge_start()
    if wrong:
        check.problem(path, wrong)
    else:
        check.judge_end(path)
    return check.report


def verify_files(paths: Sequence[str], public_key: bytes | None) -> Report:
    """Some files of a log, in any order, without what comes before or after; raises OSError."""
    check = _Check(public_key, None)
    with ExitStack() as stack:
        opened = [(path, stack.enter_context(open(path, "rb"))) for path in paths]
        opened.sort(key=lambda each: _starts_at(each[1]))
        for name, file in opened:
            check.read(name, file, last=name == opened[-1][0])
    check.judge_rest(path=opened[-1][0])
    check.report.notes.append("rows cut off before or after these files would not show")
    return check.report


def _starts_at(file: BinaryIO) -> int:
    walk = Walk(None)
    row = next((row for line in lines(file) if (row := walk.feed(line))), None)
    file.seek(0)
    return row.seq if row else -1


class _Check:
    """One walk along all rows."""

    def __init__(self, public_key: bytes | None, known: Link | None) -> None:
        self._public_key = public_key
        self._known = known
        self._walk = Walk(None)
        self._strayed = ""
        self._first: tuple[str, Link] | None = None
        self._removed: list[Link] = []
        self._keyed = False
        self._agrees: bool | None = None
        self.report = Report(signatures=public_key is not None)

    def problem(self, place: str, text: str, seq: int | None = None) -> None:
        """One more; `seq` is the row after the last that holds, unless it is known better."""
        after = self._walk.link.seq + 1 if self._walk.link else 0
        self.report.problems.append(Problem(place, text, after if seq is None else seq))

    def read(self, name: str, file: BinaryIO, *, last: bool) -> None:
        """The rows of the next file; what the `last` one has after its newline is not ready yet."""
        self.report.files += 1
        for number, line in enumerate(lines(file), 1):
            if last and not line.endswith(b"\n") and len(line) < LONGEST:
                self.report.notes.append(f"{name}:{number}: {len(line)} bytes of an unfinished row")
                return
            self._line(f"{name}:{number}", line)

    def _line(self, place: str, line: bytes) -> None:
        stray = self._walk.stray
        row = self._walk.feed(line)
        if row is None:
            self._strayed = place if stray is None else self._strayed
            return
        if row.event == BREAK:
            why = f"{stray.why}; " if stray else ""
            found = f"{why}a start found the log broken: {row.fields.get('why')}"
            self.problem(self._strayed if stray else place, found, row.seq)
        self._count(place, row)
        self._note(place, row)

    def _count(self, place: str, row: Row) -> None:
        report = self.report
        if self._first is None:
            self._first, report.first = (place, row.before), row.seq
            report.since = row.time
        report.until = row.time or report.until
        report.rows += 1
        report.unsigned += 1
        if self._known is not None and row.seq == self._known.seq:
            self._agrees = self._walk.link == self._known
        if row.event == CHECKPOINT:
            self._checkpoint(place, row)
        elif self._public_key and report.unsigned == _UNSIGNED:
            self.problem(place, f"{_UNSIGNED} rows before this one have no checkpoint", row.seq)

    def _checkpoint(self, place: str, row: Row) -> None:
        self.report.checkpoints += 1
        if self._public_key is None or is_valid(row, self._public_key):
            self.report.unsigned = 0
            return
        self.problem(place, "expected a signature of this log's key, found another", row.seq)

    def _note(self, place: str, row: Row) -> None:
        if row.event in {BEGIN, CONTINUED, BREAK}:
            self._keyed = self._keyed or "public_key" in row.fields
        elif row.event == RECOVERED:
            left = row.fields
            said = (
                f"{left.get('bytes')} bytes of no row, {left.get('unconfirmed')} unconfirmed rows"
            )
            self.report.notes.append(f"{place}: a crash left {said}")
        elif row.event == CHECKPOINT and isinstance(gone := row.fields.get("removes"), dict):
            seq = gone.get("seq")
            self._removed.append(Link(seq if isinstance(seq, int) else -1, str(gone.get("sha256"))))

    def judge_start(self) -> None:
        """Rows before the first are gone only where a later one says so."""
        if self._first is None:
            return
        place, before = self._first
        stated = any(each.seq > before.seq or each == before for each in self._removed)
        if before == NOTHING or stated:
            return
        if before.seq < 0:
            self.problem(place, "expected a first row that stands after nothing", 0)
        else:
            text = f"rows up to {before.seq} are missing, and no row says that they were removed"
            self.problem(place, text, before.seq + 1)

    def judge_end(self, path: str) -> None:
        """The last row is the head's or comes after it."""
        known, last = self._known, self._walk.link.seq if self._walk.link else -1
        if self._walk.stray and known is not None and last >= known.seq:
            size = self._walk.stray.size
            self.report.notes.append(f"{self._strayed}: a crash left {size} bytes of no row")
            self._walk.stray = None
        was_whole = self._walk.stray is None
        self.judge_rest(path)
        # A log written anew by who has no key says nothing of one.
        if known is None and last > 0 and (self._keyed or self._public_key is not None):
            self.problem(path, "its head is missing, which says where it ends")
        elif known is not None and last < known.seq and was_whole:
            self.problem(path, f"expected rows {last + 1} to {known.seq}, found the end")
        elif self._agrees is False:
            seq = known.seq if known else 0
            self.problem(path, f"row {seq} is not the one that was written", seq)

    def judge_rest(self, path: str) -> None:
        """What is there beside rows that hold."""
        report, link = self.report, self._walk.link
        if self._walk.stray is not None:
            self.problem(self._strayed, self._walk.stray.why)
        if link is None:
            self.problem(path, "expected rows, found none", 0)
            return
        report.last = link.seq
