"""What servers say to modern clients beside answers, in answer to the request to listen for it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Protocol

from proxy.decision import Deny
from proxy.isolation.mcp.apart import Apart
from proxy.isolation.mcp.errands import Errands
from proxy.isolation.mcp.link import Event, Replies
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.merging import Merged, opened
from proxy.isolation.mcp.relay import Relay
from proxy.isolation.mcp.turn import SUBSCRIPTION, Party, Turn, meta_of
from proxy.isolation.mcp.watching import RESOURCES, wanted
from proxy.jsonrpc import Id, Notification, Request, Response
from proxy.mcp import Era
from proxy.protocols.mcp.names import Names
from proxy.reasons import Reason
from proxy.values import Json

MAX_OWNED = 16
"""How often one owner may listen at a time."""
_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"

Visible = Callable[[str], bool]
Wish = dict[str, Json]


class _Source(Protocol):
    async def open(self) -> Deny | None: ...
    def events(self) -> AsyncIterator[Event]: ...
    def release(self) -> None: ...


class Subscribing:
    """`relay`: how what modern servers say passes on. `names`: what clients call resources."""

    def __init__(self, lowering: Lowering, relay: Relay, names: Names, errands: Errands) -> None:
        self._lowering = lowering
        self._relay = relay
        self._names = names
        self._errands = errands
        self._listening = Counter[str]()

    async def open(
        self, parties: Sequence[Party], request: Request, owner: str, visible: Visible
    ) -> Replies | Deny:
        """The one stream of all servers, which begins with what may be heard on it."""
        wishes = [self._wish(each, request, visible) for each in parties]
        if any(each is None for each in wishes):
            return Deny(Reason.PARAMETERS_INVALID, "no wish to listen")
        if self._listening[owner] >= MAX_OWNED:
            return Deny(Reason.MCP_REFUSED, "listens too often")
        asked = [(p, w) for p, w in zip(parties, wishes, strict=True) if w is not None]
        left = self._counted(owner)
        replies: Replies | Deny | None = None
        try:
            replies = await self._opened(asked, request)
        finally:
            if not isinstance(replies, Replies):
                left()
        return replies if isinstance(replies, Deny) else _until(replies, left)

    async def _opened(
        self, asked: Sequence[tuple[Party, Wish]], request: Request
    ) -> Replies | Deny:
        if len(asked) == 1 and await asked[0][0].server.era() is Era.MODERN:
            return await self._relay.modern(_turn(asked[0][0], request, asked[0][1]))
        sources = await asyncio.gather(*(self._source(p, request, w) for p, w in asked))
        denied = await opened(sources, [each.open() for each in sources])
        if len(asked) == 1 and denied[0] is not None:
            return denied[0]
        heard = [i for i, deny in enumerate(denied) if deny is None]
        first = self._acknowledged(request.id, [asked[i] for i in heard])
        merged = Merged([sources[i].events() for i in heard], [sources[i] for i in heard])
        events = _whole(request.id, first, merged.events())
        return Replies(200, events, streamed=True, release=merged.release)

    def _counted(self, owner: str) -> Callable[[], None]:
        """One more listens, from before it is opened; what takes that back, once."""
        self._listening[owner] += 1
        counted = [owner]

        def left() -> None:
            for each in counted:
                self._listening -= Counter([each])  # which drops who listens no more
            counted.clear()

        return left

    def _wish(self, party: Party, request: Request, visible: Visible) -> Wish | None:
        """What of the wish is this server's, in its own words."""
        wish = wanted(request.params.get("notifications"), party.allow)
        name = party.server.name
        if wish is None or RESOURCES not in wish:
            return wish
        uris = wish.pop(RESOURCES)
        assert isinstance(uris, list)
        split = [self._names.split_uri(uri) for uri in uris]
        own: list[Json] = [uri for server, uri in split if server == name]
        allowed = own and visible(f"{name}.resources/subscribe")
        return {**wish, RESOURCES: own} if allowed else wish

    async def _source(self, party: Party, request: Request, wish: Wish) -> _Source:
        if await party.server.era() is Era.MODERN:
            return _Same(self._relay, _turn(party, request, wish))
        return Apart(party, wish, self._lowering, self._errands)

    def _acknowledged(self, id_: Id, heard: Sequence[tuple[Party, Wish]]) -> Notification:
        uris: list[Json] = []
        said: dict[str, Json] = {}
        for party, wish in heard:
            said |= {kind: True for kind, value in wish.items() if value is True}
            own = wish.get(RESOURCES, ())
            assert isinstance(own, list | tuple)
            uris += [self._names.uri(party.server.name, str(uri)) for uri in own]
        said |= {RESOURCES: uris} if uris else {}
        return Notification(_ACKNOWLEDGED, {"notifications": said, "_meta": {SUBSCRIPTION: id_}})


def _until(replies: Replies, left: Callable[[], None]) -> Replies:
    """The same, that tell when they are given back."""

    def release() -> None:
        replies.release()
        left()

    return replace(replies, release=release)


def _turn(party: Party, request: Request, wish: Wish) -> Turn:
    return Turn(party, replace(request, params={**request.params, "notifications": wish}))


class _Same:
    """A modern server, which is asked as Sidegate was."""

    def __init__(self, relay: Relay, turn: Turn) -> None:
        self._relay = relay
        self._turn = turn
        self._replies: Replies | None = None

    async def open(self) -> Deny | None:
        replies = await self._relay.modern(self._turn)
        if isinstance(replies, Deny):
            return replies
        if not replies.streamed:
            replies.release()
            return Deny(Reason.METHOD_UNKNOWN)
        self._replies = replies
        return None

    async def events(self) -> AsyncIterator[Event]:
        assert self._replies is not None
        async for event in self._replies.events:
            if isinstance(event.message, Notification) and event.message.method != _ACKNOWLEDGED:
                yield event

    def release(self) -> None:
        if self._replies is not None:
            self._replies.release()


async def _whole(
    id_: Id, first: Notification, events: AsyncIterator[Event]
) -> AsyncIterator[Event]:
    """All that is heard, each tied to the request, between its acknowledgement and its end."""
    yield Event(first)
    async for event in events:
        said = event.message
        if isinstance(said, Notification):
            meta = {**meta_of(said.params), SUBSCRIPTION: id_}
            yield Event(replace(said, params={**said.params, "_meta": meta}))
    result: dict[str, Json] = {"resultType": "complete", "_meta": {SUBSCRIPTION: id_}}
    yield Event(Response(id_, result))
