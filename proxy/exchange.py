"""The values that pass from layer to layer, each made in exactly one place.

    Inbound     made by the server: one request, free of any HTTP library's types
    Peer        made by layer 1, network: the admitted other end of the connection
    Principal   made by layer 2, authentication: who is asking, with what role
    Grant       made by layer 3, authorization: what exactly may be done, with the open file in hand
    Raw         made by layer 4, isolation: what was answered, untouched
    Clean       made by layer 5, protection: what may be sent

All are frozen: a skipped layer is a type error, not a silent hole.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Container
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from proxy.actions import Action, Plan, Upload, release
from proxy.decision import Denied, Facts, Quota
from proxy.duplex import Socket
from proxy.origin import Connection, Forwarded, Network
from proxy.scope import UNBOUND, Scope
from proxy.values import Headers, Json


class Role(StrEnum):
    """What a principal is. `PUBLIC` is everybody, before any credential."""

    PUBLIC = "public"
    CLIENT = "client"
    AGENT = "agent"
    OPERATOR = "operator"


class Access(StrEnum):
    """The credential that a route asks for. `NOBODY` has one: nothing is served there.

    `BEARER` may be waived by `require_pairing: false`; `OPERATOR`, a bearer token too, never.
    """

    NOBODY = "nobody"
    PUBLIC = "public"
    CODE = "code"
    LINK = "link"
    BEARER = "bearer"
    OPERATOR = "operator"
    CHANNEL = "channel"
    LOCAL_USER = "local-user"


class Body(Protocol):
    """The body of a request, not yet read."""

    async def read(self) -> bytes:
        """The whole body, as often as it is asked for.

        Raises Malformed: BODY_TOO_LARGE past the listener's limit, BODY_LATE past its time.
        """
        ...

    def upload(self) -> Upload:
        """The body as it comes, for who reads it once; raises Malformed as `read` does."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that Sidegate serves.

    `networks`: who may connect (None: everybody). `hosts`: Host names accepted (None: not checked,
    for sockets that no browser reaches); with `own_names`, loopback and the address connected to
    are accepted beside them. `origins`: pages of others that may call. `proxies`: from where the
    client's address is taken out of `client_header` (None: the standard ones).
    """

    name: str
    networks: tuple[Network, ...] | None
    hosts: Container[str] | None
    own_names: bool = True
    origins: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()
    client_header: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the route table.

    `path` ending in `/*` is a subtree, one ending in `/{name}` captures one segment; any other path
    equals the raw path byte for byte.
    """

    name: str
    methods: frozenset[str]
    path: str
    codec: "Codec"
    access: Access = Access.BEARER
    door: str = "front"
    limit: str | None = None
    """The rate that requests here count toward, for each address: a key of layer 1's limiters."""
    channel: str | None = None
    """The channel whose webhook this is, where access is CHANNEL."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One request. `path` and `query` are raw, still percent-encoded; `capture` is decoded."""

    request_id: str
    listener: Listener
    connection: Connection
    route: Route
    capture: str | None
    method: str
    version: tuple[int, int]
    path: str
    query: str
    headers: Headers
    body: Body
    notes: dict[str, object] = field(default_factory=dict, compare=False, repr=False)
    """What its codec remembers of it, between reading and answering."""


@dataclass(frozen=True, slots=True)
class Peer:
    """An admitted connection. `key` is what limits and lockouts count by.

    `forwarded`: the client, as a trusted proxy states it; None where no proxy stands between.
    `spent`: where the address stands with the route's rate used up: only a credential lets it in.
    """

    key: str
    uid: int | None = None
    forwarded: Forwarded | None = None
    spent: Quota | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. `id` names the credential, never reveals it; `peer` is where it came from.

    `issued` is the credential made for this very answer; `presented` the one that came with the
    request. Both are values that must not be seen anywhere else.
    """

    id: str
    role: Role
    peer: Peer | None = None
    scope: Scope = UNBOUND
    issued: str | None = field(default=None, repr=False)
    presented: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class OnceKey:
    """What makes a request the same as another: a digest of who, where and the key they gave.

    `fingerprint`: a digest of the body. `channel`: the key is a provider's message id. `shelf`: the
    keys that share a bound, so that nobody's are crowded out by another's.
    """

    key: str
    fingerprint: str
    channel: bool = False
    shelf: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission in hand: who may do what, and exactly how it will be done.

    With `once`, it is done once under that key, and answered again from memory. `unspent` gives
    back what was counted for it, where it was not done after all. `late`: what became known of its
    doing after its answer was there, or without one.
    """

    request_id: str
    door: str
    principal: Principal
    action: Action
    plan: Plan
    acting: bool
    once: OnceKey | None = None
    unspent: "Callable[[], Awaitable[None]] | None" = field(default=None, compare=False, repr=False)
    late: Facts = field(default_factory=Facts, compare=False, repr=False)

    def close(self) -> None:
        """Give back the open file, if the plan holds one."""
        release(self.plan)


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a streamed answer. The frames of one channel, up to its `final`, make one text."""

    channel: str
    data: bytes
    final: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """An answer that is known as a whole: a JSON value, with the HTTP status where it has one.

    `issued` is a credential made for this very answer, which the value does not hold. `masked`: it
    is for an operator, and has placeholders for secrets already. `rpc`: it is a response of
    JSON-RPC less its id, that is an object with `result` or `error`. `headers` go before it.
    """

    value: Json
    status: int = 200
    issued: str | None = field(default=None, repr=False)
    masked: bool = False
    rpc: bool = False
    headers: Headers = field(default_factory=Headers)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that comes in pieces, with the HTTP status and headers that go before it.

    `release` gives back what the frames come from, whether or not they were read; it may be called
    twice. `masked` as in a document. The frames may raise Denied: what came is not whole, and why.
    """

    status: int
    headers: Headers
    frames: AsyncIterator[Frame]
    release: Callable[[], None] = lambda: None
    masked: bool = False


Content = Document | Stream | Socket


@dataclass(frozen=True, slots=True)
class Raw:
    """What was answered, not yet safe to show. Carries the grant that it was done under.

    `replayed`: it was done earlier, under the same idempotency key.
    """

    grant: Grant
    content: Content
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Clean:
    """What may be sent. `tally` counts redactions by rule, whole once the stream is drained."""

    content: Content
    issued: str | None = field(default=None, repr=False)
    replayed: bool = False
    tally: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes on the wire."""

    status: int
    headers: Headers
    body: bytes | AsyncIterator[bytes] | Socket


class Codec(Protocol):
    """One protocol of callers: bytes to an action, and back."""

    async def parse(self, inbound: Inbound) -> Action:
        """What the caller wants; raises Malformed."""
        ...

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        """The caller's own form of the answer."""
        ...

    def refuse(self, inbound: Inbound, denied: Denied) -> Answer:
        """The caller's own form of a refusal, before anything was sent."""
        ...


Clock = Callable[[], float]
"""Seconds since the epoch; passed in, so that tests own the time."""
