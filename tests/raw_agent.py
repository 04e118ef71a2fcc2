"""An agent of bytes: it keeps its connections open, or does with them whatever a test tells it."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from wire import Received


def whole(body: bytes, *fields: str, status: str = "200 OK") -> bytes:
    """An answer with its length."""
    lines = (f"HTTP/1.1 {status}", "Content-Type: text/plain", f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, *fields)).encode() + b"\r\n\r\n" + body


FINE = whole(b"fine")


@dataclass
class Line:
    """One connection to the agent; `number` counts from 0."""

    agent: "RawAgent"
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> Received | None:
        """The next request's head; None: the other side has closed."""
        try:
            data = await self.reader.readuntil(b"\r\n\r\n")
        except (ConnectionError, asyncio.IncompleteReadError):
            return None
        received = Received(data[:-4])
        self.agent.seen.append((self.number, received))
        return received

    async def request(self) -> Received | None:
        """The next whole request."""
        received = await self.head()
        if received is not None:
            length = int((received.all("content-length") or ["0"])[0])
            received.body = await self.reader.readexactly(length)
        return received

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def rest(self) -> bytes:
        """All that comes until the other side closes."""
        try:
            return await self.reader.read()
        except ConnectionError:
            self.agent.resets += 1
            return b""

    def reset(self) -> None:
        """Break off."""
        linger = struct.pack("ii", 1, 0)
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


Behave = Callable[[Line], Awaitable[None]]


async def keep(line: Line) -> None:
    """Answer every request on the connection that it came by."""
    while await line.request():
        await line.say(FINE)


@dataclass
class RawAgent:
    """`seen` are the requests with the number of their connection; `open`, how many are open."""

    behave: Behave
    port: int = 0
    connections: int = 0
    open: int = 0
    resets: int = 0
    seen: list[tuple[int, Received]] = field(default_factory=list)
    tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def numbers(self) -> list[int]:
        """The connection of each request."""
        return [number for number, _ in self.seen]

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(self, self.connections, reader, writer)
        self.connections += 1
        self.open += 1
        task = asyncio.create_task(self.serve(line))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def serve(self, line: Line) -> None:
        try:
            await self.behave(line)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the other side left
        finally:
            self.open -= 1
            line.writer.close()


@asynccontextmanager
async def raw_agent(behave: Behave = keep, port: int = 0) -> AsyncIterator[RawAgent]:
    """An agent that does this with each of its connections."""
    double = RawAgent(behave)
    server = await asyncio.start_server(double.accept, "127.0.0.1", port)
    double.port = server.sockets[0].getsockname()[1]
    try:
        yield double
    finally:
        server.close()
        tasks = [*double.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
