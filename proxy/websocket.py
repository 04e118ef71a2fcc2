"""One end of a WebSocket, the client's or the agent's: messages in and messages out (RFC 6455).

Frames are read and written by the HTTP library. What it leaves to those who use it stands here:
which side masks, who answers a ping, when the other side counts as dead, and how it ends.
"""

import asyncio
import contextlib
import random
from dataclasses import dataclass

import aiohttp
from aiohttp import WSCloseCode, WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import (
    WebSocketError,
    WebSocketReader,
    WebSocketWriter,
    WSMessage,
    WSMessageTextBytes,
)
from aiohttp.streams import EofStream

from proxy.duplex import Closing, SocketEvent

LOST = Closing(WSCloseCode.ABNORMAL_CLOSURE)
"""How it ended where the other side did not say; this is never sent (RFC 6455 section 7.4.1)."""

_UNSTATED = 1005
_MAX_REASON = 123  # bytes: what a control frame holds beside the code
_BUFFER = 65536
_ENDS = (aiohttp.ClientError, EofStream, OSError)


@dataclass(frozen=True, slots=True)
class Terms:
    """How much, in bytes, and how long, in seconds, one end bears.

    `largest`: a message that comes. `heartbeat`: silence until it is asked whether anybody is
    there, and again until nobody is. `taking`: until the other side has taken what it is sent.
    `closing`: until it has closed, too.
    """

    largest: int
    heartbeat: float = 30.0
    taking: float = 300.0
    closing: float = 1.0


class WebSocketEnd:
    """One end. `parser` is to be fed with what comes, and `heard` to be called whenever it does.

    `served`: the other side is the client, and masks its frames.
    """

    def __init__(
        self, protocol: BaseProtocol, transport: asyncio.Transport, terms: Terms, *, served: bool
    ) -> None:
        self._terms = terms
        self.queue = WebSocketDataQueue(protocol, _BUFFER, loop=asyncio.get_running_loop())
        reader = WebSocketReader(self.queue, terms.largest + 1, compress=False, decode_text=True)
        self.parser = FrameGuard(reader, self.queue, masked=served)
        self._writer = WebSocketWriter(
            protocol, transport, use_mask=not served, random=random.SystemRandom()
        )
        self._alive = True
        self._ours = self._theirs = False  # which of the two has closed

    def heard(self) -> None:
        """Something came, be it a piece of a frame."""
        self._alive = True

    async def receive(self) -> SocketEvent:
        """The next message, or how it ended; whoever breaks the rules is told so, and is `LOST`."""
        try:
            while not self._theirs:
                event = await self._read(await self._next())
                await asyncio.sleep(0)  # many may be there already, and others must not wait
                if event is not None:
                    return event
        except WebSocketError as error:
            self._theirs = True  # whatever it says now is not read
            await self.close(Closing(error.code))  # its words quote what was sent
        except _ENDS:
            self._theirs = True
        return LOST

    async def send(self, message: str | bytes) -> None:
        """Send a message whole; raises OSError where nobody takes it."""
        if isinstance(message, str):
            await self._write(message.encode(), WSMsgType.TEXT)
        else:
            await self._write(message, WSMsgType.BINARY)

    async def say(self, closing: Closing) -> None:
        """Say that it ends, after which nothing else can be said; if nobody takes it, no matter."""
        if self._ours:
            return
        self._ours = True
        with contextlib.suppress(OSError):
            async with asyncio.timeout(self._terms.closing):
                await self._writer.close(closing.code, _fitting(closing.reason))

    async def close(self, closing: Closing) -> None:
        """Say that it ends, and wait a moment for the other side to say so too."""
        await self.say(closing)
        with contextlib.suppress(WebSocketError, *_ENDS):
            async with asyncio.timeout(self._terms.closing):
                while not self._theirs:
                    self._theirs = (await self.queue.read()).type is WSMsgType.CLOSE

    async def _next(self) -> WSMessage | WSMessageTextBytes:
        """The next frame that is whole; raises TimeoutError where nobody is there any more."""
        while True:
            try:
                async with asyncio.timeout(self._terms.heartbeat):
                    return await self.queue.read()
            except TimeoutError:
                if not self._alive:
                    raise
                self._alive = False
                await self._write(b"", WSMsgType.PING)

    async def _read(self, frame: WSMessage | WSMessageTextBytes) -> SocketEvent | None:
        """What a frame says to those behind; None where it was for this end alone."""
        match frame.type:
            case WSMsgType.TEXT | WSMsgType.BINARY:
                message: str | bytes = frame.data
                return message
            case WSMsgType.PING:
                await self._write(frame.data, WSMsgType.PONG)
            case WSMsgType.CLOSE:
                code = frame.data or _UNSTATED
                if code != _UNSTATED and not may_be_sent(code):
                    raise WebSocketError(WSCloseCode.PROTOCOL_ERROR, "close code")
                self._theirs = True
                return Closing(code, frame.extra or "")
        return None

    async def _write(self, data: bytes, kind: WSMsgType) -> None:
        async with asyncio.timeout(self._terms.taking):
            await self._writer.send_frame(data, kind)


class FrameGuard:
    """Stands before the library's reader, which does not mind who masks (RFC 6455 section 5.1).

    It reads no more of a frame than its head, in whatever pieces it comes.
    """

    def __init__(self, reader: WebSocketReader, queue: WebSocketDataQueue, *, masked: bool) -> None:
        self._reader = reader
        self._queue = queue
        self._bit = 0x80 if masked else 0
        self._least = 6 if masked else 2
        self._head = b""  # what is there of one that is not whole
        self._rest = 0  # of the frame that has begun, behind its head

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Pass on what came; True where it is the last that will be read."""
        orderly = self._orderly(data)
        if orderly == len(data):
            return self._reader.feed_data(data)
        self._reader.feed_data(data[:orderly])
        self._queue.set_exception(WebSocketError(WSCloseCode.PROTOCOL_ERROR, "masking"))
        return True, b""

    def feed_eof(self) -> None:
        """Nothing more comes."""
        self._reader.feed_eof()

    def _orderly(self, data: bytes) -> int:
        """How much stands before a frame that should not be masked so."""
        text, at = self._head + data, self._rest
        while at + 2 <= len(text):
            length = text[at + 1] ^ self._bit
            if length > 127:
                return max(0, at - len(self._head))
            if length > 125:
                extent = 2 if length == 126 else 8
                if at + 2 + extent > len(text):
                    break
                length = extent + int.from_bytes(text[at + 2 : at + 2 + extent], "big")
            at += self._least + length
        self._head, self._rest = text[at:], max(0, at - len(text))
        return len(data)


def may_be_sent(code: int) -> bool:
    """Whether a close frame may hold this code (RFC 6455 section 7.4.2, and IANA's registry)."""
    return code in range(3000, 5000) or (1000 <= code <= 1014 and code not in (1004, 1005, 1006))


def _fitting(reason: str) -> bytes:
    return reason.encode()[:_MAX_REASON].decode(errors="ignore").encode()
