"""Pass connections on and say on each who asks: for clients that cannot send an Authorization."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_HEAD_MAX = 64 * 1024


@asynccontextmanager
async def authorized(port: int, token: str) -> AsyncIterator[int]:
    """A port on loopback: what comes there goes on to `port` byte by byte, with this token.

    Each connection carries one request, so that only its first head has to be read.
    """
    running: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await _pass_on(reader, writer, port, token)
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            writer.close()
            running.discard(task)

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, limit=_HEAD_MAX)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, token: str
) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    there, up = await asyncio.open_connection("127.0.0.1", port)
    try:
        up.write(_with_token(head, token))
        ways = [asyncio.create_task(_pipe(reader, up)), asyncio.create_task(_pipe(there, writer))]
        try:
            # Where either side has ended, nothing more is to be said: the other is told so.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
    finally:
        up.close()


def _with_token(head: bytes, token: str) -> bytes:
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"connection:")]
    said = [f"Authorization: Bearer {token}".encode(), b"Connection: close", b"", b""]
    return b"\r\n".join([first, *kept, *said])


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
