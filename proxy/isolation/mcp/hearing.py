"""What a server answers to one request, read as strictly as it was asked.

The server is hostile: it may answer what nobody asked, twice, after its answer, or never. All of
this ends the answer visibly; nothing of it is passed over.
"""

import asyncio
from collections.abc import AsyncIterator

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.upstreams import McpServer
from proxy.jsonrpc import Failure, Id, Notification, Request, Response
from proxy.reasons import Layer, Reason

HUMAN_SECONDS = 300.0
"""How long the person behind a client may think about a question."""
LONGEST_SECONDS = 3600.0
"""How long a call may last, however often the server says that it goes on."""
END_SECONDS = 1.0
"""How long the end of an answer may take once all of it was said."""
MAX_QUESTIONS = 64
"""What a server may ask in one answer."""


class Patience:
    """Until when an answer is waited for; without `seconds`, it is without end."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._last = asyncio.get_running_loop().time() + LONGEST_SECONDS
        self.until: float | None = None
        self.renew()

    def renew(self) -> None:
        """The server goes on."""
        self._extend(self._seconds)

    def ask(self) -> None:
        """A person is asked, whose time is not the server's."""
        if self._seconds is not None:
            self._extend(HUMAN_SECONDS + self._seconds)

    def _extend(self, seconds: float | None) -> None:
        if seconds is not None:
            now = asyncio.get_running_loop().time()
            self.until = min(max(self.until or 0.0, now + seconds), self._last)


def unreadable() -> Denied:
    """The server speaks, but not MCP."""
    return Denied(Layer.ISOLATION, Reason.MCP_UNREADABLE)


def late() -> Denied:
    """The server says nothing."""
    return Denied(Layer.ISOLATION, Reason.MCP_LATE)


async def send(server: McpServer, sent: Sent, seconds: float | None) -> Replies | Deny:
    """Say something; the head of what comes back, which has as long as all silence."""
    try:
        async with asyncio.timeout(seconds):
            return await server.send(sent)
    except TimeoutError:
        return Deny(Reason.MCP_LATE)


async def heard(replies: Replies, asked: Id, patience: Patience) -> AsyncIterator[Event]:
    """What comes in answer to the request `asked`, with its response last; Denied for all else."""
    events = aiter(replies.events)
    answered = False
    questions = 0
    while (event := await _next(events, patience, ending=answered)) is not None:
        message = event.message
        if answered and message is not None:
            raise unreadable()
        match message:
            case Response():
                event = _answer(event, message, asked, replies.status)
                answered = True
            case Notification(method="notifications/progress"):
                patience.renew()
            case Request():
                questions += 1
                if questions > MAX_QUESTIONS:
                    raise unreadable()
        yield event


async def _next(events: AsyncIterator[Event], patience: Patience, *, ending: bool) -> Event | None:
    """The next event, None at the end, which is not waited for long once all was said."""
    now = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(now + END_SECONDS if ending else patience.until):
            return await anext(events, None)
    except TimeoutError:
        if ending:
            return None
        raise late() from None


def _answer(event: Event, response: Response, asked: Id, status: int) -> Event:
    """The answer to what was asked. Of refusals, the transport of a server may not know the id."""
    if response.id == asked:
        return event
    if status < 400 or not isinstance(response.result, Failure):
        raise unreadable()
    return Event(Response(asked, response.result), event.id, event.retry)
