"""Doubles of MCP servers: each is a `Link`, and says what its test lets it say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from doubles import Clock, grant

from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document, Stream
from proxy.isolation.mcp.backend import McpBackend
from proxy.isolation.mcp.decoder import Decoder
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.upstreams import McpServer, Upstreams
from proxy.jsonrpc import Failure, Id, Message, Notification, Request, Response
from proxy.mcp import (
    MODERN,
    Asking,
    Client,
    Era,
    Group,
    McpCall,
    McpTalk,
    OwnTool,
    Rpc,
    Verb,
)
from proxy.protocols.mcp.names import Names
from proxy.protocols.mcp.sealed import Sessions, States
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.values import Json

ALL = frozenset(Group)
LAST = "2025-11-25"
Said = Replies | Deny | Message | Sequence[Message | Event] | None
ABLE: Mapping[str, Json] = {"sampling": {}, "elicitation": {"form": {}}, "roots": {}}
CLIENT_META: Mapping[str, Json] = {
    "io.modelcontextprotocol/protocolVersion": MODERN[0],
    "io.modelcontextprotocol/clientInfo": {"name": "client", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": ABLE,
}


class Live:
    """A stream that its test writes as it goes."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()
        self.released = 0

    def say(self, *said: Message | Event | None) -> None:
        for each in said:
            event = each if isinstance(each, Event) or each is None else Event(each)
            self.queue.put_nowait(event)

    def replies(self) -> Replies:
        return Replies(200, self._events(), streamed=True, release=self._release)

    def _release(self) -> None:
        self.released += 1
        self.queue.put_nowait(None)

    async def _events(self) -> AsyncIterator[Event]:
        while (event := await self.queue.get()) is not None:
            yield event


async def _listed(events: Sequence[Message | Event]) -> AsyncIterator[Event]:
    for each in events:
        yield each if isinstance(each, Event) else Event(each)


class FakeServer:
    """`Link` to a server of an era. `said` is all that it heard beside its opening."""

    def __init__(
        self,
        script: Callable[[Sent], Said] = lambda _: None,
        era: Era = Era.LEGACY,
        capabilities: Mapping[str, Json] | None = None,
    ) -> None:
        self.script = script
        self.era = era
        self.capabilities = {"tools": {}} if capabilities is None else capabilities
        self.said: list[Sent] = []
        self.opened: list[Mapping[str, Json]] = []
        self.released = 0
        self.down = False
        self.speaks_both = False

    @property
    def messages(self) -> list[Message]:
        """What it heard, less the verbs."""
        return [each.message for each in self.said if not isinstance(each.message, Verb)]

    async def send(self, sent: Sent) -> Replies | Deny:
        if self.down:
            return Deny(Reason.MCP_UNAVAILABLE)
        match sent.message:
            case Request(method="server/discover", id=id_):
                return self._replies(self._discovered(id_))
            case Request(method="initialize", id=id_) if not self._greets:
                return self._replies(Response(id_, Failure(-32601, "Method not found")))
            case Request(method="initialize", id=id_) as request:
                self.opened.append(request.params)
                session = f"upstream-{len(self.opened)}"
                return replace(self._replies(self._initialized(id_)), session=session)
            case Notification(method="notifications/initialized"):
                return self._replies(None)
        self.said.append(sent)
        if sent.before is not None:
            await sent.before()
        said = self.script(sent)
        return said if isinstance(said, Replies | Deny) else self._replies(said)

    @property
    def _greets(self) -> bool:
        return self.era is Era.LEGACY or self.speaks_both

    async def missing(self) -> str | None:
        return None

    async def aclose(self) -> None:
        pass

    def _discovered(self, id_: Id) -> Response:
        if self.era is Era.LEGACY:
            return Response(id_, Failure(-32601, "Method not found"))
        return Response(
            id_,
            {
                "supportedVersions": list(MODERN),
                "capabilities": self.capabilities,
                "instructions": "Be kind.",
                "resultType": "complete",
                "ttlMs": 60_000,
                "cacheScope": "public",
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "m", "version": "2"}},
            },
        )

    def _initialized(self, id_: Id) -> Response:
        info: Json = {"name": "legacy", "version": "1"}
        return Response(
            id_,
            {"protocolVersion": LAST, "capabilities": self.capabilities, "serverInfo": info},
        )

    def _replies(self, said: Message | Sequence[Message | Event] | None) -> Replies:
        if said is None:
            return Replies(202, _listed(()), release=self._release)
        streamed = not isinstance(said, Request | Notification | Response)
        events = said if isinstance(said, Sequence) else [said]
        return Replies(200, _listed(events), streamed=streamed, release=self._release)

    def _release(self) -> None:
        self.released += 1


@dataclass
class Known:
    """What is known of tools: everything is trusted."""

    gone_stale: list[str] = field(default_factory=list)

    async def learn(self, server: str, tools: Sequence[Mapping[str, Json]]) -> Collection[str]:
        return [str(each["name"]) for each in tools]

    def stale(self, server: str) -> None:
        self.gone_stale.append(server)


async def everything(*_: object) -> Reason | None:
    """`Asking` that forbids nothing."""
    return None


async def nothing(*_: object) -> Reason | None:
    """`Asking` that forbids all."""
    return Reason.TOOL_UNKNOWN


class House:
    """A backend before fake servers, and clients that speak to it."""

    def __init__(self, **links: FakeServer) -> None:
        self.clock = Clock()
        self.links = links
        self.known = Known()
        seal = Seal(bytes(32))
        self.sessions = Sessions(seal, self.clock)
        servers = {name: McpServer(name, link, ALL, self.clock) for name, link in links.items()}
        self.upstreams = Upstreams(servers)
        self.names = Names(tuple(links), frozenset())
        states = States(seal, self.clock)
        self.backend = McpBackend(self.upstreams, self.names, self.sessions, states, self.known)

    def legacy(self, *servers: str, events: bool = True, owner: str = "ann") -> Client:
        """A client with a session, opened at these servers."""
        opened = {name: (LAST, f"of-{name}") for name in servers}
        session = self.sessions.issue(owner, LAST, {"name": "client"}, ABLE, opened)
        return Client(Era.LEGACY, LAST, session=session, events=events)

    async def call(
        self,
        client: Client | None,
        request: Request,
        server: str = "one",
        *,
        asking: Asking | None = everything,
        seconds: float = 5.0,
        owner: str = "ann",
        schema: Mapping[str, Json] | None = None,
    ) -> Decision[Content]:
        plan = McpCall(server, request, seconds, client, asking, owner=owner, schema=schema)
        return await self.backend.run(plan, grant(plan))

    async def talk(
        self,
        client: Client,
        said: Message | Verb,
        server: str = "",
        *,
        resume: str | None = None,
        allow: frozenset[Group] = ALL,
        own: tuple[OwnTool, ...] = (),
        owner: str = "ann",
    ) -> Decision[Content]:
        plan = McpTalk(
            Rpc(said, client, server, resume),
            owner,
            dict.fromkeys(self.links, allow),
            own,
            lambda _: True,
            everything,
        )
        return await self.backend.run(plan, grant(plan))


def modern(capabilities: Mapping[str, Json] = ABLE, *, events: bool = True) -> Client:
    """A client without a session."""
    info: Mapping[str, Json] = {"name": "client", "version": "1"}
    return Client(Era.MODERN, MODERN[0], info, capabilities, events=events)


def call(id_: Id = 1, **params: Json) -> Request:
    """The call of a tool."""
    return Request(id_, "tools/call", {"name": "add", "arguments": {"a": 1}, **params})


def modern_call(id_: Id = 1, **params: Json) -> Request:
    """The same as a modern client makes it."""
    return call(id_, _meta=CLIENT_META, **params)


def document(decision: Decision[Content]) -> Document:
    """The one document that was answered."""
    assert isinstance(decision, Allow), decision
    assert isinstance(decision.value, Document), decision.value
    return decision.value


def result(decision: Decision[Content]) -> Mapping[str, Json]:
    """The result in it."""
    value = document(decision).value
    assert isinstance(value, Mapping)
    found = value["result"]
    assert isinstance(found, Mapping)
    return found


def streamed(decision: Decision[Content]) -> Stream:
    """The stream that was answered."""
    assert isinstance(decision, Allow), decision
    assert isinstance(decision.value, Stream), decision.value
    return decision.value


async def events(stream: Stream) -> AsyncIterator[Event]:
    """What is in its frames."""
    decoder = Decoder()
    async for frame in stream.frames:
        for event in decoder.feed(frame.data):
            yield event


async def all_events(decision: Decision[Content]) -> list[Event]:
    """All events that were answered, to the end."""
    return [event async for event in events(streamed(decision))]
