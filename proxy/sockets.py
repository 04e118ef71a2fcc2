"""The client's side of a WebSocket: accept it, and carry messages both ways until a side ends it.

One message at a time in each direction: nothing more is read from one side than the other takes. A
side that closes is answered, and the other one is told the same.
"""

import asyncio
from dataclasses import dataclass

from aiohttp import WSCloseCode

from proxy.connection import HttpRequest
from proxy.decision import Denied
from proxy.duplex import Closing, Socket
from proxy.running import Ended, Entry
from proxy.websocket import Terms, WebSocketEnd, may_be_sent

_LAST_WORDS_SECONDS = 0.5
_CLOSING_SECONDS = 1.0

_NORMAL = Closing(WSCloseCode.OK)
_GONE = Closing(WSCloseCode.GOING_AWAY)
_BROKEN = Closing(WSCloseCode.INTERNAL_ERROR)
_FORBIDDEN = Closing(WSCloseCode.POLICY_VIOLATION)


@dataclass(frozen=True, slots=True)
class _Ending:
    """What each side is told in the end.

    `heeded`: what the agent says until it closes, too, is passed on. `broken`: it did not close.
    """

    client: Closing
    agent: Closing
    heeded: bool = False
    broken: bool = False


_Way = asyncio.Task[_Ending]
_LEFT = _Ending(_GONE, _GONE)
_FAILED = _Ending(_BROKEN, _GONE, broken=True)
_REFUSED = _Ending(_FORBIDDEN, _GONE, broken=True)


async def converse(request: HttpRequest, socket: Socket, entry: Entry, largest: int) -> None:
    """Carry messages between the client, whose handshake was answered, and the agent.

    `largest`: bytes of a message of the client's.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client left")
    client = WebSocketEnd(request.connection, transport, Terms(largest), served=True)
    request.connection.switch(client)
    await Conversation(client, socket).run(entry)


@dataclass
class Conversation:
    """Both sides of a WebSocket. They may be silent for as long as both answer pings."""

    client: WebSocketEnd
    socket: Socket
    _heeded: bool = True

    async def run(self, entry: Entry) -> None:
        """Carry messages until a side ends it, or this is cancelled, for the reason in `entry`."""
        up, down = asyncio.create_task(self._up()), asyncio.create_task(self._down())
        ending = _FAILED
        try:
            ending = await self._first(down, up)
        except asyncio.CancelledError:
            revoked = entry.ended is Ended.TOKEN_REVOKED
            ending = _Ending(_FORBIDDEN, _GONE) if revoked else _LEFT
            raise
        finally:
            await self._end(ending, up, down)
        if ending.broken:
            entry.ended = Ended.BROKEN_OFF

    async def _end(self, ending: _Ending, up: _Way, down: _Way) -> None:
        """Tell both. The client may leave as soon as it is told, and so is told in the end."""
        self._heeded = ending.heeded
        await _cancel(up)
        await self.socket.send(ending.agent)
        await asyncio.wait({down}, timeout=_CLOSING_SECONDS)
        await _cancel(down)
        await self.client.close(ending.client)

    async def _first(self, *ways: _Way) -> _Ending:
        """How the way ended that did first."""
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        return next(way for way in ways if way.done()).result()

    async def _up(self) -> _Ending:
        """From the client to the agent."""
        while True:
            event = await self.client.receive()
            if isinstance(event, Closing):
                closing = _passed_on(event, _GONE)
                return _Ending(closing, closing, heeded=True)
            try:
                await self.socket.send(event)
            except Denied:
                return _REFUSED
            except OSError:  # why may have been said already, and is about to be read
                await asyncio.sleep(_LAST_WORDS_SECONDS)
                return _FAILED

    async def _down(self) -> _Ending:
        """From the agent to the client."""
        async for event in self.socket.events:
            if isinstance(event, Closing):
                closing = _passed_on(event, _BROKEN)
                return _Ending(closing, closing, broken=closing is _BROKEN)
            if not self._heeded:
                continue
            try:
                await self.client.send(event)
            except OSError:
                return _LEFT
        return _FAILED


def _passed_on(closing: Closing, lost: Closing) -> Closing:
    """What a side said in the end, as it may be said to the other; `lost` where it said nothing."""
    if closing.code == 1005:  # it closed, and gave no reason (RFC 6455 section 7.1.5)
        return _NORMAL
    return closing if may_be_sent(closing.code) else lost


async def _cancel(way: _Way) -> None:
    way.cancel()
    await asyncio.gather(way, return_exceptions=True)
