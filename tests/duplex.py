"""Both ends of a WebSocket, and frames byte by byte: those that are well-formed, and any others."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp.base_protocol import BaseProtocol

from proxy.duplex import Closing, Socket, SocketEvent
from proxy.values import Headers
from proxy.websocket import Terms, WebSocketEnd

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def frame(
    payload: bytes = b"",
    opcode: int = TEXT,
    *,
    final: bool = True,
    masked: bool = True,
    reserved: int = 0,
    length: int | None = None,
) -> bytes:
    """One frame. `length`: what its head says, whatever the payload is."""
    stated = len(payload) if length is None else length
    first = (0x80 if final else 0) | reserved << 4 | opcode
    bit = 0x80 if masked else 0
    if stated < 126:
        head = bytes((first, bit | stated))
    elif stated < 65536:
        head = bytes((first, bit | 126)) + stated.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + stated.to_bytes(8, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def closed(code: int, reason: bytes = b"", *, masked: bool = True) -> bytes:
    return frame(code.to_bytes(2, "big") + reason, CLOSE, masked=masked)


def read_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The opcode and payload of every frame that is there whole, as an unmasked peer sends them."""
    while len(data) >= 2:
        opcode, length, at = data[0] & 15, data[1] & 127, 2
        if length >= 126:
            at = 4 if length == 126 else 10
            length = int.from_bytes(data[2:at], "big")
        if len(data) < at + length:
            return
        yield opcode, data[at : at + length]
        data = data[at + length :]


class Wire(BaseProtocol):
    """A connection that is a WebSocket from its first byte."""

    def __init__(self, terms: Terms, *, served: bool) -> None:
        super().__init__(asyncio.get_running_loop())
        self._upgraded = True
        self._terms, self._served = terms, served
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self.end = WebSocketEnd(self, transport, self._terms, served=self._served)

    def data_received(self, data: bytes) -> None:
        self.end.heard()
        self.end.parser.feed_data(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        self.end.parser.feed_eof()
        self.lost.set()


async def wired(ours: socket.socket, terms: Terms, *, served: bool = True) -> Wire:
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(lambda: Wire(terms, served=served), sock=ours)
    return wire


@asynccontextmanager
async def raw(
    terms: Terms, *, served: bool = True
) -> AsyncIterator[tuple[Wire, asyncio.StreamReader, asyncio.StreamWriter]]:
    """An end, and the other side of it byte by byte."""
    ours, theirs = socket.socketpair()
    wire = await wired(ours, terms, served=served)
    reader, writer = await asyncio.open_connection(sock=theirs)
    try:
        yield wire, reader, writer
    finally:
        writer.transport.abort()
        if wire.transport is not None:
            wire.transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@asynccontextmanager
async def pair(terms: Terms) -> AsyncIterator[tuple[Wire, Wire]]:
    """The server's end and the client's."""
    ours, theirs = socket.socketpair()
    wires = (await wired(ours, terms), await wired(theirs, terms, served=False))
    try:
        yield wires
    finally:
        for wire in wires:
            if wire.transport is not None:
                wire.transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@dataclass
class FakeAgent:
    """The agent behind a `Socket`: says what is put, and remembers what it was told."""

    says: "asyncio.Queue[SocketEvent | Exception]" = field(default_factory=asyncio.Queue)
    told: list[SocketEvent] = field(default_factory=list)
    takes: bool = True
    closes: bool = True

    @property
    def socket(self) -> Socket:
        return Socket(Headers(), self._events(), self._send)

    async def _send(self, event: SocketEvent) -> None:
        if not self.takes and not isinstance(event, Closing):
            raise ConnectionResetError
        self.told.append(event)
        if isinstance(event, Closing) and self.closes:
            self.says.put_nowait(event)

    async def _events(self) -> AsyncIterator[SocketEvent]:
        while True:
            event = await self.says.get()
            if isinstance(event, Exception):
                raise event
            yield event
            if isinstance(event, Closing):
                return
