"""The engine's socket, which only the guard holds: a new connection for each request.

A connection that carries one request leaves nothing of it to the next.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from proxy.decision import Malformed
from proxy.protocols.strict_json import loads
from proxy.values import Json

UNIX = "unix://"
MAX_ANSWER = 16 << 20  # a list of thousands of containers
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 90.0  # a busy engine takes its time to create, and whoever asked may have left
PIECE = 65536


@dataclass(frozen=True, slots=True)
class Ends:
    """Both directions of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class Engine:
    """The engine whose socket is at `path`."""

    path: str

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Ends]:
        """A connection, cut when the block is left; raises OSError."""
        async with asyncio.timeout(CONNECT_SECONDS):
            ends = Ends(*await asyncio.open_unix_connection(self.path))
        try:
            yield ends
        finally:
            ends.writer.transport.abort()

    async def exchange(self, request: bytes) -> bytes:
        """The whole answer to a request after which the engine closes; raises OSError."""
        answer = bytearray()
        async with asyncio.timeout(ANSWER_SECONDS), self.connection() as upstream:
            upstream.writer.write(request)
            await upstream.writer.drain()
            while piece := await upstream.reader.read(PIECE):
                answer += piece
                if len(answer) > MAX_ANSWER:
                    raise OSError("the engine's answer is too large")
        return bytes(answer)

    async def ask(self, target: str) -> Json:
        """What it answers to a question of the guard's own; raises OSError."""
        # In HTTP/1.0 an answer ends with its connection, and is in one piece.
        answer = await self.exchange(f"GET {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        try:
            if head.split(b" ", 2)[1] == b"200":
                return loads(body)
        except (IndexError, Malformed):
            pass
        raise OSError("the engine's answer makes no sense")
