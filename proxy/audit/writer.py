"""What goes on the disk: rows of a chain, signed now and then, in files that follow each other.

It blocks, and is called by one thread at a time. Nothing that was written is ever changed: a write
that fails is taken back before anybody was told of it, and that is all.
"""

import contextlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from proxy.audit import files, head
from proxy.audit.chain import BEGIN, BREAK, CHECKPOINT, CONTINUED, RECOVERED, Link, body
from proxy.audit.checkpoints import PURPOSE, signed
from proxy.audit.recovery import Found, find
from proxy.durable import flush_folder
from proxy.exchange import Clock
from proxy.seal import Seal
from proxy.values import Json

FORMAT = 1
CHECKPOINT_ROWS = 1000
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Limits:
    """When the next file is begun, in bytes, and how many there are at most."""

    max_bytes: int = 64 << 20
    max_files: int = 10


class Writer:
    """The one who writes a log. Without `seal` there are neither signatures nor a head."""

    def __init__(
        self, path: str, seal: Seal | None, instance: str, limits: Limits, clock: Clock
    ) -> None:
        """Open the log and find where it ends; raises OSError."""
        self._path, self._seal, self._limits, self._clock = path, seal, limits, clock
        self._who: dict[str, Json] = {"format": FORMAT, "instance": instance}
        if seal is not None:
            self._who["public_key"] = seal.public_key(PURPOSE).hex()
        self._descriptor = os.open(path, _FLAGS, 0o600)
        status = os.fstat(self._descriptor)
        self._regular = stat.S_ISREG(status.st_mode)
        self._size = self._reserved = status.st_size
        self._head = head.Head(head.name_of(path), seal) if seal and self._regular else None
        self.found = find(path, seal) if self._regular else Found()
        self._link = self.found.link
        self._prefix = b"" if self.found.ended else b"\n"
        self._own = self._first()
        self._closed: Link | None = None
        self._lost = 0
        self._taken_back = True
        self.unsigned = 0

    def _first(self) -> list[bytes]:
        """The rows that come before any other, of what was found."""
        found, rows = self.found, list[bytes]()
        if found.broken:
            self._link = Link(found.highest, found.link.sha256)
            rows.append(self._row(BREAK, why=found.broken, after=found.link.seq, **self._who))
        elif found.stray or found.unconfirmed:
            left: dict[str, Json] = {"bytes": 0}
            if found.stray:
                left = {"bytes": found.stray.size, "sha256": found.stray.digest.hexdigest()}
            rows.append(self._row(RECOVERED, unconfirmed=found.unconfirmed, **left))
        if self._size == 0 or found.link.seq < 0:
            rows.append(self._row(BEGIN if found.link.seq < 0 else CONTINUED, **self._who))
        return rows

    def commit(self, bodies: Sequence[bytes], *, sign: bool = False) -> None:
        """Put rows of these JSON objects on the disk, all or none; raises OSError.

        `sign`: a checkpoint comes after them. How many were lost is told with the next that is not.
        """
        try:
            data, link, unsigned = self._drafted(bodies, sign=sign)
            if self._size and self._size + len(data) > self._limits.max_bytes and self._regular:
                self._rotate()
                data, link, unsigned = self._drafted(bodies, sign=sign)
            self._put(data, link)
        except OSError:
            self._lost += len(bodies)
            raise
        self._own, self._prefix, self._lost, self.unsigned = [], b"", 0, unsigned

    def _drafted(
        self, bodies: Sequence[bytes], *, sign: bool, **more: Json
    ) -> tuple[bytes, Link, int]:
        """The bytes of these rows, the last of them, and how many are not signed."""
        lost = [self._row("rows-lost", count=self._lost)] if self._lost else []
        pieces, link = [self._prefix], self._link
        for each in (*self._own, *lost, *bodies):
            line, link = link.next(each)
            pieces.append(line)
        unsigned = self.unsigned + len(pieces) - 1
        if sign or unsigned >= CHECKPOINT_ROWS:
            row = self._row(CHECKPOINT, instance=self._who["instance"], **more)
            line, link = link.next(signed(link, row, self._seal) if self._seal else row)
            pieces.append(line)
            unsigned = 0
        return b"".join(pieces), link, unsigned

    def _row(self, event: str, **more: Json) -> bytes:
        time = datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="milliseconds")
        return body(time, event, **more)

    def _put(self, data: bytes, link: Link) -> None:
        """Append bytes that end in the row `link`, and see to it that they are on the disk."""
        if not self._taken_back:
            os.ftruncate(self._descriptor, self._size)
            self._taken_back = True
        self._reserve(max(1, len(data)))
        if not data:
            return
        try:
            if os.write(self._descriptor, data) != len(data):
                raise OSError("short write")  # noqa: TRY301 - undone below, like any other
            os.fdatasync(self._descriptor)
        except OSError:
            self._take_back()
            raise
        self._size += len(data)
        self._link = link
        if self._head is not None:
            with contextlib.suppress(OSError):  # it may be behind, as after a crash
                self._head.write(link)

    def _reserve(self, size: int) -> None:
        """Room for the whole file, so that others who fill the disk do not stop us at once."""
        if self._regular and self._size + size > self._reserved:
            wanted = max(size, self._limits.max_bytes - self._size)
            self._reserved = files.reserve(self._descriptor, self._size, wanted)

    def _take_back(self) -> None:
        """Cut off what was written of rows that are lost; what fails is tried again before more."""
        self._taken_back = False
        with contextlib.suppress(OSError):
            if os.fstat(self._descriptor).st_size != self._size:
                os.ftruncate(self._descriptor, self._size)
                self._reserved = self._size
            self._taken_back = True

    def _rotate(self) -> None:
        """Begin the next file; raises OSError, and can be done again then.

        That the oldest goes is on the disk before it does, with the last row that it had.
        """
        gone = self._too_many()
        if self._link != self._closed:
            last = files.last_link(gone[-1]) if gone else None
            more: dict[str, Json] = {"closes": True}
            if last is not None:
                more["removes"] = {"seq": last.seq, "sha256": last.sha256}
            data, link, _ = self._drafted([], sign=True, **more)
            self._put(data, link)
            self._own, self._prefix, self._lost, self.unsigned = [], b"", 0, 0
            self._closed = link
        for path in gone:
            os.unlink(path)
        files.shift(self._path)
        descriptor = os.open(self._path, _FLAGS | os.O_EXCL, 0o600)
        os.close(self._descriptor)
        self._descriptor, self._size, self._reserved = descriptor, 0, 0
        self._own = [self._row(CONTINUED, **self._who)]
        flush_folder(self._path)

    def _too_many(self) -> list[str]:
        """The files to go before there is one more, the oldest first."""
        if not os.path.lexists(self._path):  # this was done, and what comes after it failed
            return []
        older = files.older(self._path)
        return older[: max(0, len(older) + 2 - self._limits.max_files)]

    def close(self) -> None:
        """Sign what is not, and give the files back; raises OSError where it cannot be signed."""
        try:
            if self.unsigned:
                self.commit([], sign=True)
        finally:
            os.close(self._descriptor)
            if self._head is not None:
                self._head.close()
