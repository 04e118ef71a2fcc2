"""What clients say to all servers at once, or to Sidegate itself."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document
from proxy.isolation.mcp.answers import ACCEPTED, alone, content, response, stream, told
from proxy.isolation.mcp.asking import ask
from proxy.isolation.mcp.carrier import Carrier
from proxy.isolation.mcp.greeting import Greeting
from proxy.isolation.mcp.hearing import send
from proxy.isolation.mcp.link import Sent
from proxy.isolation.mcp.listening import Listening
from proxy.isolation.mcp.lists import LISTS, Learner, listed
from proxy.isolation.mcp.saying import Saying
from proxy.isolation.mcp.subscribing import Subscribing
from proxy.isolation.mcp.turn import LEVELS, Party, Turn, legacy_headers
from proxy.isolation.mcp.upstreams import McpServer, Upstreams
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Era, Group, McpTalk, Verb
from proxy.protocols.mcp.names import Names
from proxy.protocols.mcp.sealed import Sessions
from proxy.reasons import Reason
from proxy.values import Headers, Json

_SECONDS = 60.0
_END_SECONDS = 5.0
_ENDED = Document(None, 204)

Said = Mapping[str, Json] | Failure | Deny


class Talking:
    """`learner`: learns of the tools that are listed."""

    def __init__(
        self,
        upstreams: Upstreams,
        names: Names,
        sessions: Sessions,
        learner: Learner,
        carrier: Carrier,
    ) -> None:
        self._upstreams = upstreams
        self._names = names
        self._learner = learner
        self._carrier = carrier
        self._greeting = Greeting(sessions, carrier.errands)
        self._listening = Listening(carrier.lowering, carrier.relay)
        self._saying = Saying(carrier)
        self._subscribing = Subscribing(carrier.lowering, carrier.relay, names, carrier.errands)

    async def run(self, talk: McpTalk) -> Decision[Content]:
        """Do what is said."""
        parties = self._parties(talk)
        match talk.said.message:
            case Verb.LISTEN:
                return await self._listen(talk, parties)
            case Verb.END:
                return await self._end(talk, parties)
            case Request(method="subscriptions/listen") as request:
                return await self._subscribe(talk, request, parties)
            case Request(method="initialize") as request:
                return await self._initialize(talk, request, parties)
            case Request() as request:
                return await self._asked(talk, request, parties)
            case Response() | Notification() as message:
                await self._saying.say(talk, message, parties)
                return Allow(ACCEPTED)

    def _parties(self, talk: McpTalk) -> list[Party]:
        """The servers that are spoken to: those of the plan, and where it is for one, that one.

        Who listens again listens to all, wherever it broke off.
        """
        found = [self._upstreams.get(name) for name in talk.allow]
        only = "" if talk.said.message is Verb.LISTEN else talk.said.server
        return [
            Party(each, talk.said.client, talk.owner, _common(talk, each), talk.asking)
            for each in found
            if each is not None and only in ("", each.name)
        ]

    async def _asked(
        self, talk: McpTalk, request: Request, parties: list[Party]
    ) -> Decision[Content]:
        only_one = len(parties) == 1 and parties[0].opened is not None
        if request.method in ("ping", "logging/setLevel") and only_one:
            self._remember(talk, request)
            replies = await self._carrier.carry(Turn(parties[0], request, _SECONDS))
            if isinstance(replies, Deny):
                return replies
            return await content(replies, events=talk.said.client.events)
        said = await self._said(talk, request, parties)
        if isinstance(said, Deny):
            return said
        answered, client = Response(request.id, said), talk.said.client
        if client.era is Era.LEGACY and client.events and request.method in LISTS:
            return Allow(alone(answered))
        return Allow(told(answered))

    async def _said(self, talk: McpTalk, request: Request, parties: list[Party]) -> Said:
        """What Sidegate answers for all servers."""
        match request.method:
            case "ping":
                return {}
            case "server/discover":
                return await self._greeting.discover(talk, parties)
            case "logging/setLevel":
                return await self._set_level(talk, request, parties)
            case method if method in LISTS:
                asked = _Asker(self._carrier, parties, request.params.get("_meta"))
                return await listed(talk, self._upstreams, self._names, asked, self._learner)
        return Deny(Reason.METHOD_UNKNOWN, "nobody's")

    async def _initialize(
        self, talk: McpTalk, request: Request, parties: list[Party]
    ) -> Decision[Content]:
        greeted = await self._greeting.initialize(talk, parties, request.params)
        match greeted:
            case Deny():
                return greeted
            case Failure():
                return Allow(told(Response(request.id, greeted)))
            case (session, result):
                fields = Headers((("Mcp-Session-Id", session.id),))
                return Allow(Document({"result": result}, rpc=True, headers=fields))

    async def _subscribe(
        self, talk: McpTalk, request: Request, parties: list[Party]
    ) -> Decision[Content]:
        replies = await self._subscribing.open(parties, request, talk.owner, talk.visible)
        return replies if isinstance(replies, Deny) else await content(replies, events=True)

    async def _listen(self, talk: McpTalk, parties: list[Party]) -> Decision[Content]:
        """The stream of a session. Its head is not kept until something is said."""
        session = talk.said.client.session
        if session is None:
            return Deny(Reason.SESSION_MISSING)
        place = talk.said.resume
        resume = None if place is None else (talk.said.server, place)
        replies = await self._listening.open(parties, self._carrier.watches.of(session.id), resume)
        return replies if isinstance(replies, Deny) else Allow(stream(replies.events, replies))

    async def _end(self, talk: McpTalk, parties: list[Party]) -> Decision[Content]:
        """End the session everywhere. A server that does not answer to that forgets it in time."""
        session = talk.said.client.session
        if session is None:
            return Deny(Reason.SESSION_MISSING)
        self._carrier.ended.add(session.id)
        self._carrier.watches.drop(session.id)
        await asyncio.gather(*map(_ended, parties))
        return Allow(_ENDED)

    def _remember(self, talk: McpTalk, request: Request) -> None:
        """From which level on the client wants to hear of logs, for servers without a session."""
        session, level = talk.said.client.session, request.params.get("level")
        if session is not None and isinstance(level, str) and level in LEVELS:
            self._carrier.watches.of(session.id).level = level

    async def _set_level(self, talk: McpTalk, request: Request, parties: list[Party]) -> Said:
        if request.params.get("level") not in LEVELS:
            return Failure(-32602, "Invalid params")
        self._remember(talk, request)
        told = [
            ask(each, request, opened[1], legacy_headers(opened[0]))
            for each in parties
            if (opened := each.opened) is not None
        ]
        await asyncio.gather(*told)
        return {}


class _Asker:
    """Asks a server in the name of the one who wants a list. `meta`: what that says of itself."""

    def __init__(self, carrier: Carrier, parties: list[Party], meta: Json) -> None:
        self._carrier = carrier
        self._meta: Mapping[str, Json] = {} if meta is None else {"_meta": meta}
        self._parties = {each.server.name: each for each in parties}

    async def __call__(self, server: McpServer, request: Request) -> Response | Deny:
        party = self._parties.get(server.name)
        if party is None:
            return Deny(Reason.METHOD_UNKNOWN)
        asked = replace(request, params={**request.params, **self._meta})
        replies = await self._carrier.carry(Turn(party, asked, _SECONDS))
        return replies if isinstance(replies, Deny) else await response(replies)


def _common(talk: McpTalk, server: McpServer) -> frozenset[Group]:
    return talk.allow[server.name] & server.allow


async def _ended(party: Party) -> None:
    if party.opened is None:
        return
    revision, session = party.opened
    sent = Sent(Verb.END, session, legacy_headers(revision))
    replies = await send(party.server, sent, _END_SECONDS)
    if not isinstance(replies, Deny):
        replies.release()
