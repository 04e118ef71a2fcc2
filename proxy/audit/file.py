"""Group commit: a row that is waited for goes out at once, with all that came before it.

What nobody waits for goes a moment later, so that a call costs one flush, and a burst of them not a
hundred. All that blocks is done in a thread.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import structlog

from proxy.audit.writer import Limits, Writer
from proxy.exchange import Clock
from proxy.seal import Seal

# What is allowed to lag behind: past it, the next row waits for the disk like an acting one.
MAX_LAG = 1000
LAG_SECONDS = 0.01
CHECKPOINT_SECONDS = 60
log = structlog.get_logger()


class AuditFile:
    """Rows appended to a log of files of mode 0600, durably and in order."""

    def __init__(  # noqa: PLR0913 - what a log is made of
        self,
        path: str,
        failed: Callable[[], None],
        *,
        seal: Seal | None = None,
        instance: str = "",
        limits: Limits | None = None,
        clock: Clock = time.time,
    ) -> None:
        """Open the log; raises OSError. `failed` is called for every write that is lost.

        Where it was broken since it was last written, that is said in the log and in a row, and a
        new chain begins: `broken` tells why.
        """
        self._writer = Writer(path, seal, instance, limits or Limits(), clock)
        self.broken = self._writer.found.broken
        self._failed = failed
        self._losing = False
        self._rows: list[bytes] = []
        self._written: asyncio.Future[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._due: asyncio.TimerHandle | None = None
        if self.broken:
            remedy = "keep a copy, and see where: sidegate audit verify"
            log.error("audit log broken", why=self.broken, remedy=remedy)
        try:
            self._writer.commit([])
        except OSError as error:  # the first row of all comes with the next
            log.error("audit log cannot be written", error=str(error))

    async def append(self, line: bytes, *, wait: bool) -> None:
        """Add a row, given as a JSON object without `seq` and `prev`.

        With `wait`, return when it is on the disk, or raise OSError.
        """
        self._rows.append(line.rstrip(b"\n"))
        if self._written is None:
            self._written = asyncio.get_running_loop().create_future()
        written = self._written
        if wait or len(self._rows) > MAX_LAG:
            self._write_soon()
            await asyncio.shield(written)
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(LAG_SECONDS, self._write_soon)

    def _write_soon(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if self._rows and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._rows:
            rows, self._rows = self._rows, []
            written, self._written = self._written, None
            assert written is not None
            try:
                await asyncio.to_thread(self._writer.commit, rows)
            except OSError as error:
                self._lose(error)
                written.set_exception(error)
                written.exception()  # nobody may be waiting for it
            else:
                self._losing = False
                written.set_result(None)
                self._sign_in_time()

    def _lose(self, error: OSError) -> None:
        self._failed()
        if not self._losing:  # once, since each request of a full disk ends here
            log.error("audit rows lost", error=str(error))
        self._losing = True

    def _sign_in_time(self) -> None:
        """Let no row wait for its signature longer than CHECKPOINT_SECONDS."""
        if self._timer is None and self._writer.unsigned:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(CHECKPOINT_SECONDS, self._sign_soon)

    def _sign_soon(self) -> None:
        self._timer = None
        self._writing = asyncio.create_task(self._sign(self._writing))

    async def _sign(self, before: "asyncio.Task[None] | None") -> None:
        """Write a checkpoint, after what is being written and before what came since."""
        if before is not None:
            await before
        try:
            if self._writer.unsigned:
                await asyncio.to_thread(partial(self._writer.commit, [], sign=True))
        except OSError as error:
            self._lose(error)
        await self._write_all()

    async def aclose(self) -> None:
        """Write what is left, sign it, and close the files."""
        self._write_soon()
        while self._writing is not None and not self._writing.done():
            await self._writing
        if self._timer is not None:
            self._timer.cancel()
        try:
            await asyncio.to_thread(self._writer.close)
        except OSError as error:
            self._lose(error)
