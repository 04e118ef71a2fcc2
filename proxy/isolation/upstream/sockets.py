"""The agent's end of a WebSocket: the handshake that asks for it, and what it opens.

The agent is asked before the client is answered, so that what the agent refuses is refused. Its
messages are bounded; a client's are bounded where they come in.
"""

from collections.abc import AsyncIterator

import aiohttp

from proxy.actions import Upgrade
from proxy.duplex import Closing, Socket, SocketEvent
from proxy.isolation.upstream.answers import fit
from proxy.protocols.handshake import Offer
from proxy.protocols.headers import downward
from proxy.values import Headers
from proxy.websocket import Terms, WebSocketEnd

_TERMS = Terms(largest=4 << 20)
_HANDSHAKE = "sec-websocket-"
_CHOSEN = "sec-websocket-protocol"


def offer(upgrade: Upgrade, presented: str | None) -> Offer:
    """What the agent is asked for: what the client offers, but where it shows its credential.

    Browsers send no Authorization with a WebSocket, and some programs put the token here for them.
    """
    kept = [name for name in upgrade.protocols if not presented or presented not in name]
    return Offer(tuple(kept))


def opened(response: aiohttp.ClientResponse, asked: Offer, terms: Terms = _TERMS) -> Socket | None:
    """The WebSocket that an answer of status 101 opens, None where it is not what was asked for."""
    headers = Headers(tuple(response.headers.items()))
    connection = response.connection
    if connection is None or not fit(response) or not asked.kept(headers):
        return None
    transport, protocol = connection.transport, connection.protocol
    if transport is None or protocol is None:
        return None
    end = WebSocketEnd(protocol, transport, terms, served=False)
    protocol.set_parser(end.parser, end.queue, end.heard)

    async def send(event: SocketEvent) -> None:
        await (end.say(event) if isinstance(event, Closing) else end.send(event))

    def release() -> None:
        if transport.get_write_buffer_size():  # nobody takes it any more
            transport.abort()
        response.close()

    return Socket(_down(headers), _events(end), send, release)


def _down(headers: Headers) -> Headers:
    """The fields for the client: of the agent's handshake, it is told the subprotocol alone."""
    return Headers(
        tuple(
            (name, value)
            for name, value in downward(headers)
            if not name.lower().startswith(_HANDSHAKE) or name.lower() == _CHOSEN
        )
    )


async def _events(end: WebSocketEnd) -> AsyncIterator[SocketEvent]:
    while True:
        event = await end.receive()
        yield event
        if isinstance(event, Closing):
            return
