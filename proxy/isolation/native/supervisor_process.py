"""The supervisor of one command, seen from Sidegate: a socket to it, and the command's streams.

Whatever becomes of Sidegate, its end of the socket is closed, and that is the end of the command.
The counterpart is `supervisor`.
"""

import asyncio
import contextlib
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Self

from proxy import process
from proxy.isolation.native.order import CLEARED, MARK, Order
from proxy.isolation.run import STDERR, STDOUT
from proxy.values import Json

_CHUNK = 65536
_CLEARING_SECONDS = 20.0
_LAST_SECONDS = 5.0
_ROOT = str(Path(__file__).parents[3])
_BEGIN = """
import sys
sys.path.append(sys.argv.pop())
from proxy.isolation.native.supervisor import main
main()
"""


class SupervisorProcess:
    """A process that waits for one order. Whoever started it ends it.

    `name` tells it from others; `control` is the number of its descriptor of the socket.
    """

    def __init__(
        self,
        name: str,
        program: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        control: int,
    ) -> None:
        self._program = program
        self._reader, self._writer = reader, writer
        self._reads: dict[asyncio.Task[bytes], int] = {}
        self._emptying: list[asyncio.Task[None]] = []
        self.name = name
        self.pid = program.pid
        self.control = control

    @classmethod
    async def start(cls, name: str, given: tuple[int, ...]) -> Self:
        """Start one, which has the descriptors `given` by their numbers; raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_connection(sock=ours)
            control = theirs.fileno()
            argv = (sys.executable, "-I", "-S", "-c", _BEGIN, str(control), _ROOT)
            try:
                program = await process.attend(argv, {MARK: name}, (control, *given))
            except BaseException:
                writer.close()
                raise
        return cls(name, program, reader, writer, control)

    @property
    def waits(self) -> bool:
        """Whether it is still there."""
        return self._program.returncode is None

    async def obey(self, order: Order) -> None:
        """Send the order."""
        self._writer.write(order.packed())
        await self._writer.drain()

    async def feed(self, data: bytes) -> None:
        """Write to the standard input, as fast as it is taken, and end it."""
        assert self._program.stdin is not None
        with contextlib.suppress(ConnectionError):  # who reads no further has what it wants
            self._program.stdin.write(data)
            await self._program.stdin.drain()
        self._program.stdin.close()

    async def say(self, data: bytes) -> None:
        """Write to the standard input, as fast as it is taken."""
        assert self._program.stdin is not None
        self._program.stdin.write(data)
        await self._program.stdin.drain()

    async def pieces(self) -> AsyncIterator[tuple[int, bytes]]:
        """What is written to each stream, no faster than it is taken, to the end of both."""
        readers = dict(zip((STDOUT, STDERR), self._streams(), strict=True))
        self._reads = {_reading(reader): stream for stream, reader in readers.items()}
        while self._reads:
            done, _ = await asyncio.wait(self._reads, return_when=asyncio.FIRST_COMPLETED)
            for read in done:
                stream = self._reads.pop(read)
                if data := read.result():
                    self._reads[_reading(readers[stream])] = stream
                    yield stream, data

    async def told(self) -> Mapping[str, Json]:
        """What became of the command, once it has ended."""
        told: dict[str, Json] = {}
        while "ended" not in told and (line := await self._reader.readline()):
            told |= json.loads(line)
        return told

    async def end(self) -> bool:
        """Have it end the command with all that this started, and wait until it has.

        False: it was killed itself, or does not say that it has, and something may be left.
        """
        with contextlib.suppress(OSError):
            self._writer.write_eof()
        for read in self._reads:  # whoever took the pieces may have stopped at any of them
            read.cancel()
        if self._reads:
            await asyncio.wait(self._reads)
        # To the end, or what is left in a pipe keeps the process from being reaped.
        self._emptying = [asyncio.create_task(_emptied(reader)) for reader in self._streams()]
        with contextlib.suppress(OSError):
            async with asyncio.timeout(_CLEARING_SECONDS):
                return CLEARED.encode() in await self._reader.read()
        return False

    async def reap(self) -> None:
        """Wait for its streams and its process to end; raises OSError where they do not."""
        async with asyncio.timeout(_LAST_SECONDS):
            await asyncio.gather(self._program.wait(), *self._emptying)
        self._writer.close()

    def _streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamReader]:
        assert self._program.stdout is not None
        assert self._program.stderr is not None
        return self._program.stdout, self._program.stderr


def _reading(reader: asyncio.StreamReader) -> "asyncio.Task[bytes]":
    return asyncio.create_task(reader.read(_CHUNK))


async def _emptied(reader: asyncio.StreamReader) -> None:
    while await reader.read(_CHUNK):
        pass
