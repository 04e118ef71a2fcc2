"""A WebSocket on which each message of the client's is decided on before the agent hears it.

What is not passed on is answered in the agent's stead, between two messages of its own. The answers
that a client does not take are bounded: then no more is heard of it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from proxy.decision import Denied
from proxy.duplex import Answered, Closing, Passed, Socket, SocketEvent, SocketGuard
from proxy.reasons import Layer, Reason

_MOST_ANSWERS = 64


def guarded(socket: Socket, guard: SocketGuard) -> Socket:
    """The same socket, past `guard`."""
    answers: asyncio.Queue[str] = asyncio.Queue(_MOST_ANSWERS)

    async def send(event: SocketEvent) -> None:
        heard = Closing(event.code) if isinstance(event, Closing) else guard.up(event)
        match heard:
            case Passed(message):
                await socket.send(message)
            case Answered(message):
                await answers.put(message)
            case Closing() if isinstance(event, Closing):
                await socket.send(event)
            case Closing():
                raise Denied(Layer.AUTHORIZATION, Reason.MESSAGE_MALFORMED)

    return replace(socket, events=_with(socket.events, answers), send=send)


async def _with(
    events: AsyncIterator[SocketEvent], answers: asyncio.Queue[str]
) -> AsyncIterator[SocketEvent]:
    """What the agent says, and the answers as they come, until the agent closes."""
    said: asyncio.Future[SocketEvent] = asyncio.ensure_future(anext(events))
    own = asyncio.ensure_future(answers.get())
    try:
        while True:
            both: list[asyncio.Future[Any]] = [said, own]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if own.done():
                yield own.result()
                own = asyncio.ensure_future(answers.get())
                continue
            try:
                event = said.result()
            except StopAsyncIteration:
                return
            yield event
            if isinstance(event, Closing):
                return
            said = asyncio.ensure_future(anext(events))
    finally:
        own.cancel()
        said.cancel()
        said.add_done_callback(lambda left: left.cancelled() or left.exception())
