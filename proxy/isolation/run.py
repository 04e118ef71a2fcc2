"""Follow one command from its start to its end, wherever it runs.

What it writes is kept up to a cap for each stream, and read on a little so that a talkative command
can end by itself; past that it is flooding, and only costs.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from proxy.actions import Command

START_SECONDS = 20.0
STDOUT, STDERR = 1, 2
STREAM_CAP = 1 << 20
DRAIN_CAP = 16 << 20  # of both streams together
KILLED = 137  # as a shell tells of SIGKILL
_LAST_SECONDS = 10.0


class Job(Protocol):
    """One command in a place of its own. It is made without I/O, and always discarded.

    `begun`: it may have been started. Whatever fails but the command itself is an OSError.
    """

    begun: bool

    async def start(self) -> None:
        """Make the place and start the command, with its standard input on the way."""
        ...

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes, by stream, up to its end."""
        ...

    async def wait(self) -> int:
        """Its exit code, once its output has ended; 128 and the signal where one ended it."""
        ...

    async def out_of_memory(self) -> bool:
        """Whether the kernel killed it, or a part of it, for its memory."""
        ...

    async def discard(self) -> None:
        """Kill it with all that it started, and remove its place; back when that is done."""
        ...


class Talk(Job, Protocol):
    """A job whose standard input stays open, for a program that goes on answering."""

    async def say(self, data: bytes) -> None:
        """Write to its standard input, as fast as it is taken; raises OSError."""
        ...


class Runtime(Protocol):
    """A kind of place. `name` is a metric label."""

    name: str

    def job(self, plan: Command, tool: str, request_id: str) -> Job:
        """A job for the command of a tool."""
        ...

    def talk(self, plan: Command, tool: str, request_id: str) -> Talk:
        """The same for a program that is spoken with."""
        ...

    async def missing(self) -> str | None:
        """What a command would lack now: a sentence, or None when it would run."""
        ...

    async def sweep(self) -> int:
        """Remove what an earlier Sidegate left behind; how much there was."""
        ...

    async def aclose(self) -> None:
        """Give everything back."""
        ...


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended: ok, failed, timeout or oom; and in how many seconds."""

    code: int
    result: str
    seconds: float


@dataclass(eq=False)
class Run:
    """One command under way, and what it wrote so far."""

    job: Job
    seconds: float
    truncated: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    _started: float = 0.0
    _limit: asyncio.Timeout | None = None
    _note: bytes | None = None
    _seen: int = 0
    _streams: dict[int, bytearray] = field(
        default_factory=lambda: {STDOUT: bytearray(), STDERR: bytearray()}
    )

    def written(self, stream: int, start: int = 0) -> bytes:
        """What was kept of a stream, from a byte on."""
        return bytes(self._streams[stream][start:])

    async def start(self) -> None:
        """Start it; raises OSError. Its own time begins here."""
        async with asyncio.timeout(START_SECONDS):
            await self.job.start()
        self._started = _now()

    def cut_short(self, note: bytes) -> None:
        """End it now, and say why at the end of its standard error."""
        if self._limit is not None and self._note is None and not self._limit.expired():
            self._note = note
            self._limit.reschedule(_now())

    async def follow(self) -> Ended:
        """Read what it writes until it ends, floods or runs out of time; raises OSError."""
        limit = self._limit = asyncio.timeout_at(self._started + self.seconds)
        try:
            async with limit:
                code = await self._read()
        except TimeoutError:
            if not limit.expired():
                raise
            ended = self._ended(KILLED, "failed" if self._note else "timeout")
            self._streams[STDERR] += self._note or b""
            await self._out_of_memory()  # a place that hangs is lost: the command may have ended
            return ended
        if code == KILLED and await self._out_of_memory():
            return self._ended(code, "oom")
        return self._ended(code, "failed" if code else "ok")

    async def _out_of_memory(self) -> bool:
        async with asyncio.timeout(_LAST_SECONDS):
            return await self.job.out_of_memory()

    async def _read(self) -> int:
        """Read to the end, or to the flood, and say with what code the command ended."""
        async for stream, data in self.job.output():
            self.take(stream, data)
            if self._seen > DRAIN_CAP:
                return KILLED
        return await self.job.wait()

    def take(self, stream: int, data: bytes) -> None:
        """Keep what there is room for."""
        kept = self._streams[stream]
        room = STREAM_CAP - len(kept)
        kept += data[:room]
        self._seen += len(data)
        self.truncated = self.truncated or len(data) > room
        self.news.set()

    def _ended(self, code: int, result: str) -> Ended:
        return Ended(code, result, _now() - self._started)


def _now() -> float:
    return asyncio.get_running_loop().time()
