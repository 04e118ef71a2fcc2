"""One request up to the engine, on a connection of its own, and the answer down as it comes.

After its request a client says nothing that goes up, but for the input of a program to which the
engine has agreed: a refused upgrade would else leave room for a second request, which nobody read.
"""

import asyncio
import contextlib
import select
from typing import Any

from proxy.guard.calls import Call
from proxy.guard.engine import ANSWER_SECONDS, PIECE, Ends, Engine
from proxy.guard.refusal import SILENT, Refusal

_SWITCHED = b"HTTP/1.1 101 "
_LOOK_SECONDS = 1.0


def request(call: Call, container: str = "", body: bytes = b"", *, upgrade: bool = False) -> bytes:
    """The request as it goes up, none of it a copy of the client's."""
    lines = [f"{call.method} {call.target(container)} HTTP/1.1", "Host: docker"]
    lines += ["Connection: Upgrade", "Upgrade: tcp"] if upgrade else ["Connection: close"]
    if call.method != "GET":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def forward(client: Ends, engine: Engine, message: bytes) -> Refusal | None:
    """Ask, and pass the answer on; raises OSError where the engine is not reached."""
    async with engine.connection() as upstream:
        upstream.writer.write(message)
        await upstream.writer.drain()
        return await _answer(client, upstream)


async def attach(client: Ends, engine: Engine, message: bytes) -> Refusal | None:
    """Ask for the streams of a container, and join them to the client's; raises OSError."""
    async with engine.connection() as upstream:
        upstream.writer.write(message)
        await upstream.writer.drain()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                head = await upstream.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return SILENT
        if not head.startswith(_SWITCHED):
            return await _answer(client, upstream, _closing(head))
        client.writer.write(head)
        await _join(client, upstream)
        return None


def _closing(head: bytes) -> bytes:
    """The head of an answer that is the last one, and says so."""
    lines = [
        line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection")
    ]
    return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n"


async def _answer(client: Ends, upstream: Ends, first: bytes = b"") -> Refusal | None:
    """Pass on an answer, `first` being its beginning, until it ends or the client leaves.

    A client that speaks again has left, too.
    """
    answering = asyncio.create_task(_pass_on(client, upstream, first))
    leaving = asyncio.create_task(client.reader.read(1))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return None if not answering.done() or answering.result() else SILENT
    finally:
        await _end(answering, leaving)


async def _pass_on(client: Ends, upstream: Ends, first: bytes) -> bool:
    """Whether there was an answer. Once it has begun, all that can be said is to cut it."""
    first = first or await upstream.reader.read(PIECE)
    with contextlib.suppress(OSError):
        client.writer.write(first)
        await _pump(upstream, client)
    return bool(first)


async def _join(client: Ends, upstream: Ends) -> None:
    """Both ways, until the container's output ends; the end of its input is only passed on."""
    feeding = asyncio.create_task(_feed(client, upstream))
    try:
        with contextlib.suppress(OSError):
            await _pump(upstream, client)
    finally:
        await _end(feeding)


async def _feed(client: Ends, upstream: Ends) -> None:
    with contextlib.suppress(OSError):  # of either side; without the one the other is of no use
        await _pump(client, upstream)
        upstream.writer.write_eof()
        await _gone(client)
    upstream.writer.transport.abort()


async def _gone(client: Ends) -> None:
    """Wait for a client that has said all until it listens no more either.

    To a reader both are one end, and a container that is silent would keep the connection. What
    was said last has the time of one look to be passed on.
    """
    hangup, gone = select.poll(), False
    hangup.register(client.writer.get_extra_info("socket").fileno(), 0)
    while not gone:
        await asyncio.sleep(_LOOK_SECONDS)
        gone = bool(hangup.poll(0))


async def _pump(source: Ends, sink: Ends) -> None:
    while piece := await source.reader.read(PIECE):
        sink.writer.write(piece)
        await sink.writer.drain()


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
