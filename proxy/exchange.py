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
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Protocol

from proxy.actions import Action, Headers, Json, Plan, release
from proxy.decision import Denied

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Role(StrEnum):
    """What a principal is. `PUBLIC` is everybody, before any credential."""

    PUBLIC = "public"
    CLIENT = "client"
    OPERATOR = "operator"


class Access(StrEnum):
    """The credential that a route asks for. `NOBODY` has one: nothing is served there."""

    NOBODY = "nobody"
    PUBLIC = "public"
    CODE = "code"
    BEARER = "bearer"
    LOCAL_USER = "local-user"


class Body(Protocol):
    """The body of a request, not yet read."""

    async def read(self) -> bytes:
        """The whole body; raises Malformed(BODY_TOO_LARGE) past the listener's limit."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that Sidegate serves.

    `networks`: who may connect (None: everybody). `hosts`: Host names accepted beside loopback and
    the address connected to (None: not checked, for sockets that no browser reaches).
    """

    name: str
    networks: tuple[Network, ...] | None
    hosts: frozenset[str] | None


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
    limited: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """Both ends, as the kernel names them: addresses, or the user id behind a unix socket."""

    address: Address | None
    local: Address | None = None
    uid: int | None = None


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


@dataclass(frozen=True, slots=True)
class Peer:
    """An admitted connection. `key` is what limits and lockouts count by."""

    key: str
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking. `id` names the credential, never reveals it.

    `issued` is the credential made for this very answer; `presented` the one that came with the
    request. Both are values that must not be seen anywhere else.
    """

    id: str
    role: Role
    issued: str | None = field(default=None, repr=False)
    presented: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission in hand: who may do what, and exactly how it will be done."""

    request_id: str
    door: str
    principal: Principal
    action: Action
    plan: Plan
    acting: bool

    def close(self) -> None:
        """Give back the open file, if the plan holds one."""
        release(self.plan)


@dataclass(frozen=True, slots=True)
class Frame:
    """A piece of a streamed answer. The frames of one channel make one text."""

    channel: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """An answer that is known as a whole: a JSON value, with the HTTP status where it has one."""

    value: Json
    status: int = 200


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that comes in pieces, with the HTTP status and headers that go before it.

    `release` gives back what the frames come from, whether or not they were read; it may be called
    twice.
    """

    status: int
    headers: Headers
    frames: AsyncIterator[Frame]
    release: Callable[[], None] = lambda: None


Content = Document | Stream


@dataclass(frozen=True, slots=True)
class Raw:
    """What was answered, not yet safe to show. Carries the grant that it was done under."""

    grant: Grant
    content: Content


@dataclass(frozen=True, slots=True)
class Clean:
    """What may be sent. `tally` counts redactions by rule, whole once the stream is drained."""

    content: Content
    issued: str | None = field(default=None, repr=False)
    tally: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes on the wire."""

    status: int
    headers: Headers
    body: bytes | AsyncIterator[bytes]


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
