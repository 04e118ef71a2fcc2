"""One server, listened to in the name of a legacy client, in whichever era it speaks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

from proxy.decision import Deny
from proxy.isolation.mcp.hearing import Patience, heard, send, unreadable
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.relay import Relay
from proxy.isolation.mcp.turn import SUBSCRIPTION, Party, legacy_headers, meta_of, modern_meta
from proxy.isolation.mcp.watching import Watched, everything
from proxy.jsonrpc import Notification, Request, Response
from proxy.mcp import MODERN, Era, Verb
from proxy.protocols.mcp.methods import offered
from proxy.protocols.mcp.mirrored import made
from proxy.reasons import Reason
from proxy.values import Headers

_HEAD_SECONDS = 10.0
_AGAIN_SECONDS = 1.0
_MOST_SECONDS = 60.0
_GONE = 404


class Ear:
    """One server, listened to."""

    def __init__(self, party: Party, watched: Watched, relay: Relay, lowering: Lowering) -> None:
        self.name = party.server.name
        self._party = party
        self._watched = watched
        self._relay = relay
        self._lowering = lowering
        self._replies: Replies | None = None
        self._resumed = False
        self._place: str | None = None
        self._wait = _AGAIN_SECONDS
        self._changed = watched.changed

    def release(self) -> None:
        """Nobody listens any more."""
        if self._replies is not None:
            self._replies.release()

    async def open(self, place: str | None = None) -> Deny | None:
        """Begin to listen, or go on where it broke off."""
        self._resumed = place is not None
        self._changed = self._watched.changed
        if self._party.opened is None:
            era = await self._party.server.era()
            if era is not Era.MODERN:
                return era if isinstance(era, Deny) else Deny(Reason.SESSION_UNKNOWN)
            sent = self._subscription()
        else:
            revision, session = self._party.opened
            fields = legacy_headers(revision)
            fields = fields if place is None else Headers((*fields, ("Last-Event-ID", place)))
            sent = Sent(Verb.LISTEN, session, fields)
        replies = await send(self._party.server, sent, _HEAD_SECONDS)
        if isinstance(replies, Deny):
            return replies
        self._replies = replies
        return None if replies.streamed else self._unheard(replies)

    def _unheard(self, replies: Replies) -> Deny:
        replies.release()
        gone = replies.status == _GONE and self._party.opened is not None
        return Deny(Reason.SESSION_UNKNOWN if gone else Reason.VERB_UNSUPPORTED)

    def _subscription(self) -> Sent:
        party = self._party
        wish = everything(party.allow, sorted(self._watched.uris.get(self.name, ())))
        meta = modern_meta({}, party.info, offered(party.capabilities, party.allow))
        params = {"notifications": wish, "_meta": meta}
        request = Request(f"listen-{self.name}", "subscriptions/listen", params)
        return Sent(request, headers=made(request, MODERN[0], None))

    async def events(self, *, lasting: bool) -> AsyncIterator[Event]:
        """What the server says; where it is `lasting`, also after it has closed the stream."""
        modern = self._party.opened is None
        while True:
            async for event in self._modern() if modern else self._legacy():
                yield event
            self.release()
            if not lasting and not modern:
                return
            if not self._changed.is_set():
                await asyncio.sleep(min(self._wait, _MOST_SECONDS))
            if await self.open(None if modern else self._place) is not None:
                return

    async def _legacy(self) -> AsyncIterator[Event]:
        async for event in self._relay.passed(self._party, self._said(), Patience(None)):
            yield event

    async def _said(self) -> AsyncIterator[Event]:
        """Answers come here only where a stream of answers is gone on with."""
        assert self._replies is not None
        async for event in self._replies.events:
            if isinstance(event.message, Response) and not self._resumed:
                raise unreadable()
            self._place = event.id or self._place
            if event.retry is not None:
                self._wait = max(event.retry / 1000, _AGAIN_SECONDS)
            yield event

    async def _modern(self) -> AsyncIterator[Event]:
        """Notifications as legacy servers send them, until something else is to be watched."""
        assert self._replies is not None
        events = heard(self._replies, f"listen-{self.name}", Patience(None))
        async for event in _until(events, self._changed):
            if isinstance(event.message, Request):
                raise unreadable()
            if isinstance(event.message, Notification):
                down = self._lowering.event(self._party, Event(_legacy(event.message)))
                if down is not None:
                    yield down


def _legacy(said: Notification) -> Notification:
    """A notification less what ties it to its subscription; there is no such method for that."""
    if said.method == "notifications/subscriptions/acknowledged":
        return replace(said, method="")
    meta = {name: value for name, value in meta_of(said.params).items() if name != SUBSCRIPTION}
    params = {name: value for name, value in said.params.items() if name != "_meta"}
    return Notification(said.method, {**params, "_meta": meta} if meta else params)


async def _until(events: AsyncIterator[Event], over: asyncio.Event) -> AsyncIterator[Event]:
    """The events, until they end or something else has come."""
    waiting = asyncio.create_task(over.wait())
    coming = asyncio.create_task(_next(events))
    try:
        while True:
            both: set[asyncio.Task[bool] | asyncio.Task[Event | None]] = {waiting, coming}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done() or (event := coming.result()) is None:
                return
            yield event
            coming = asyncio.create_task(_next(events))
    finally:
        waiting.cancel()
        coming.cancel()
        coming.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _next(events: AsyncIterator[Event]) -> Event | None:
    return await anext(events, None)
