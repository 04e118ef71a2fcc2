"""One request in a session of Sidegate's own at a legacy server, as long as it takes.

It may outlive the request that began it: where the server asks something, it waits for the client
to come back with the answer.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.asking import answer, tell
from proxy.isolation.mcp.errands import Errands
from proxy.isolation.mcp.hearing import Patience, heard, send, unreadable
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.turn import Party, legacy_headers
from proxy.isolation.mcp.upstreams import OwnSession
from proxy.jsonrpc import Failure, Id, Notification, Request, Response
from proxy.mcp import Verb
from proxy.reasons import Layer
from proxy.values import Headers, Json

_RETRY_SECONDS = 1.0
_MAX_RETRY_SECONDS = 10.0
_MAX_RESUMED = 64


class Conversation:
    """What is said about the request `id`. `held`: keeps the session from becoming idle."""

    def __init__(
        self,
        party: Party,
        session: OwnSession,
        id_: Id,
        held: AbstractContextManager[None],
        errands: Errands,
    ) -> None:
        self.party = party
        self.id = id_
        self.patience = Patience(None)
        self.asked: Request | None = None
        """What the server waits to hear from the client."""
        self._session = session
        self._held = held
        self._errands = errands
        self._replies: Replies | None = None
        self._events: AsyncIterator[Event] | None = None
        self._left = False
        held.__enter__()

    @property
    def headers(self) -> Headers:
        """What goes with all that is said here."""
        return legacy_headers(self._session.opened.revision)

    def begin(self, replies: Replies, seconds: float | None) -> None:
        """The server has taken the request; it may be silent for `seconds`."""
        self._replies = replies
        self.patience = Patience(seconds)
        self._events = self._said()

    def again(self) -> None:
        """The client has come back."""
        self.patience.renew()

    async def next(self) -> Event | None:
        """What the server says next; None at the end."""
        assert self._events is not None
        event = await anext(self._events, None)
        if event is not None and isinstance(event.message, Response):
            await anext(self._events, None)  # nothing may follow it
            self.end()
        return event

    async def answer(self, asked: Id, result: Mapping[str, Json] | Failure) -> None:
        """Answer what the server has asked."""
        await answer(self.party, asked, result, self._session.opened.session, self.headers)

    def leave(self) -> None:
        """Nobody waits for the answer any more; the server is told so. It may be called twice."""
        if self._left:
            return
        self.end()
        said = Notification("notifications/cancelled", {"requestId": self.id})
        session = self._session.opened.session
        self._errands.run(tell(self.party, said, session, self.headers))

    def end(self) -> None:
        """All was said, or nothing will be."""
        if not self._left:
            self._left = True
            self._held.__exit__(None, None, None)
        if self._replies is not None:
            self._replies.release()

    async def _said(self) -> AsyncIterator[Event]:
        """All events, over as many streams as the server needs for them."""
        place: str | None = None
        wait = _RETRY_SECONDS
        for _ in range(_MAX_RESUMED):
            assert self._replies is not None
            answered = False
            async for event in heard(self._replies, self.id, self.patience):
                place = event.id or place
                wait = event.retry / 1000 if event.retry is not None else wait
                answered = answered or isinstance(event.message, Response)
                if event.message is not None:
                    yield event
            if answered:
                return
            await self._resume(place, min(wait, _MAX_RETRY_SECONDS))
        raise unreadable()

    async def _resume(self, place: str | None, wait: float) -> None:
        """The server has closed its stream to be asked again later, if it said where it stands."""
        assert self._replies is not None
        self._replies.release()
        if place is None:
            raise unreadable()
        await asyncio.sleep(wait)
        fields = Headers((*self.headers, ("Last-Event-ID", place)))
        sent = Sent(Verb.LISTEN, self._session.opened.session, fields)
        replies = await send(self.party.server, sent, _MAX_RETRY_SECONDS)
        if isinstance(replies, Deny):
            raise Denied(Layer.ISOLATION, replies.reason, replies.facts)
        self._replies = replies
        if self._left:
            replies.release()
