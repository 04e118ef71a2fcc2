"""A legacy server, listened to in the name of a modern client: in a session of that alone.

A session has one stream of this kind, so two who listen could not share one.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack

from proxy.decision import Deny
from proxy.isolation.mcp.asking import REJECTED, answer, ask
from proxy.isolation.mcp.errands import Errands
from proxy.isolation.mcp.hearing import send, unreadable
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.opening import end_session
from proxy.isolation.mcp.turn import Party, legacy_headers
from proxy.isolation.mcp.upstreams import OwnSession
from proxy.isolation.mcp.watching import RESOURCES, is_wanted
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Verb
from proxy.reasons import Reason
from proxy.values import Headers, Json

_HEAD_SECONDS = 10.0
_AGAIN_SECONDS = 1.0
_MOST_SECONDS = 60.0


class Apart:
    """Listens for what is in `wish`, in the server's own words."""

    def __init__(
        self, party: Party, wish: Mapping[str, Json], lowering: Lowering, errands: Errands
    ) -> None:
        self._party = party
        self._wish = wish
        self._lowering = lowering
        self._errands = errands
        self._session: OwnSession | None = None
        self._replies: Replies | None = None
        self._held = ExitStack()

    async def open(self) -> Deny | None:
        """Open the session, say what is wanted, and begin to listen."""
        party = self._party
        owner = f"{party.owner} listens {secrets.token_hex(8)}"
        session = await party.server.session(owner, party.client)
        if isinstance(session, Deny):
            return session
        self._session = session
        self._held.enter_context(session.held())
        try:
            await self._subscribe(session)
            denied = await self._listen(session)
        except BaseException:
            self.release()
            raise
        if denied is not None:
            self.release()
        return denied

    async def _subscribe(self, session: OwnSession) -> None:
        uris = self._wish.get(RESOURCES, ())
        assert isinstance(uris, list | tuple)
        for uri in uris:
            request = Request(session.next_id(), "resources/subscribe", {"uri": uri})
            await ask(self._party, request, session.opened.session, self._headers(session))

    async def _listen(self, session: OwnSession) -> Deny | None:
        sent = Sent(Verb.LISTEN, session.opened.session, self._headers(session))
        replies = await send(self._party.server, sent, _HEAD_SECONDS)
        if isinstance(replies, Deny):
            return replies
        self._replies = replies
        # Who has no such stream says nothing beside its answers.
        return None if replies.streamed else Deny(Reason.METHOD_UNKNOWN)

    async def events(self) -> AsyncIterator[Event]:
        """What was wished for, as long as the client listens."""
        assert self._session is not None
        wait = _AGAIN_SECONDS
        while self._replies is not None:
            async for event in self._replies.events:
                if event.retry is not None:
                    wait = max(_AGAIN_SECONDS, min(event.retry / 1000, _MOST_SECONDS))
                if (shown := await self._shown(self._session, event)) is not None:
                    yield Event(shown)
            self._replies.release()
            await asyncio.sleep(wait)
            if await self._listen(self._session) is not None:
                return

    async def _shown(self, session: OwnSession, event: Event) -> Notification | None:
        match event.message:
            case Response():
                raise unreadable()
            case Request() as asked:
                refused = Failure(REJECTED, "Nobody is there")
                result: Mapping[str, Json] | Failure = {} if asked.method == "ping" else refused
                headers = self._headers(session)
                await answer(self._party, asked.id, result, session.opened.session, headers)
            case Notification() as said:
                shown = self._lowering.notification(self._party, said)
                return shown if is_wanted(said.method, said.params, self._wish) else None
        return None

    def release(self) -> None:
        """The client is gone, and with it the session."""
        if self._replies is not None:
            self._replies.release()
        self._held.close()
        session, self._session = self._session, None
        if session is not None:
            self._party.server.forget(session)
            ended = end_session(self._party.server.link, session.opened.session)
            self._errands.run(ended)

    @staticmethod
    def _headers(session: OwnSession) -> Headers:
        return legacy_headers(session.opened.revision)
