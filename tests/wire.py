"""Both ends of a connection, byte by byte: what a client sends, and what an agent receives."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Step = bytes | float
"""A piece of an answer, or seconds to wait before the next."""

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"sum":    3}'


async def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until something holds; fails where it does not within `seconds`."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - nobody tells when it does
            await asyncio.sleep(0.01)


async def until_done(holds: Callable[[], Awaitable[object]], seconds: float = 10.0) -> None:
    """Wait until something that must be asked for holds."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110 - nobody tells when it does
            await asyncio.sleep(0.05)


@dataclass(frozen=True)
class Reply:
    """An answer as it came. `cut` says that the connection broke off before its end."""

    data: bytes
    cut: bool = False

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int | None:
        """None where nothing was answered."""
        return int(self.data.split(b" ", 2)[1]) if self.data.startswith(b"HTTP/") else None

    @property
    def fields(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }

    @property
    def whole(self) -> bool:
        """Whether the answer is there to its last byte, where it says how many they are."""
        length = self.fields.get("content-length")
        return length is not None and len(self.body) >= int(length)

    def json(self) -> dict[str, object]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


async def send(
    port: int, *pieces: bytes, seconds: float = 2.0, half: bool = False, once: bool = False
) -> Reply:
    """Send bytes and read until the other side closes, or is silent for `seconds`.

    `half`: close our side, as a client does that will send no more. `once`: one whole answer is
    enough.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    data, cut = b"", False
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if half:
            writer.write_eof()
        while True:
            async with asyncio.timeout(seconds):
                piece = await reader.read(65536)
            if not piece:
                break
            data += piece
            if once and Reply(data).whole:
                break
    except TimeoutError:
        pass
    except ConnectionError:
        cut = True
    finally:
        writer.transport.abort()
    return Reply(data, cut)


@dataclass
class Received:
    """One request as an agent received it."""

    head: bytes
    body: bytes = b""

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode("latin-1")

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [
            (name.lower(), value.strip())
            for name, _, value in (line.partition(":") for line in lines)
        ]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key == name]


@dataclass
class Agent:
    """An agent that remembers what it received and answers with bytes that it was told.

    `answer` is written piece by piece, then the connection is closed; `left` counts the clients
    that went away before.
    """

    port: int = 0
    answer: Sequence[Step] = (OK,)
    seen: list[Received] = field(default_factory=list)
    left: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            received = Received((await reader.readuntil(b"\r\n\r\n"))[:-4])
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # somebody who only looked whether we are there
        self.seen.append(received)
        try:
            received.body = await _body(received, reader)
            for step in self.answer:
                if isinstance(step, bytes):
                    writer.write(step)
                    await writer.drain()
                elif await _gone(reader, step):
                    self.left += 1
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left += 1


async def _body(received: Received, reader: asyncio.StreamReader) -> bytes:
    if received.all("transfer-encoding"):
        body = b""
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
        return body
    return await reader.readexactly(int((received.all("content-length") or ["0"])[0]))


async def _gone(reader: asyncio.StreamReader, seconds: float) -> bool:
    """Wait; whether the other side closed the connection meanwhile."""
    try:
        async with asyncio.timeout(seconds):
            return not await reader.read(1)
    except TimeoutError:
        return False
    except ConnectionError:
        return True


@asynccontextmanager
async def agent(*answer: Step, port: int = 0) -> AsyncIterator[Agent]:
    """An agent on this port; 0: a free one."""
    double = Agent(answer=answer or (OK,))
    connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(double.serve(reader, writer))
        connections[task] = writer
        task.add_done_callback(lambda task: connections.pop(task).close())

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    double.port = server.sockets[0].getsockname()[1]
    try:
        yield double
    finally:
        server.close()
        tasks = [*connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)
