"""Doubles and builders. Each double implements a public interface; nothing is patched."""

import ipaddress
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from proxy.actions import Operate, Plan, Upload
from proxy.decision import Allow, Decision, Malformed
from proxy.exchange import (
    Access,
    Clean,
    Content,
    Document,
    Frame,
    Grant,
    Inbound,
    Listener,
    Principal,
    Role,
    Route,
)
from proxy.origin import Connection
from proxy.protocols.operator import OperationCodec
from proxy.reasons import Reason
from proxy.routes import NOWHERE
from proxy.trace import Outcome, Step, Trace
from proxy.values import Headers

CLIENT = Principal("client-1", Role.CLIENT)
AGENT = Principal("principal:agent", Role.AGENT)
OPERATOR = Principal("uid-0", Role.OPERATOR)
PUBLIC = Principal("public", Role.PUBLIC)
GATEWAY = Listener("gateway", None, frozenset())
HEALTH = Route("health", frozenset({"GET"}), "/health", OperationCodec("health"), Access.PUBLIC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class BytesBody:
    """`Body` with these bytes."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data

    async def read(self) -> bytes:
        return self.data

    def upload(self) -> Upload:
        return Upload(len(self.data), _pieces(self.data))


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data


class UnreadBody:
    """`Body` of which nothing may be read."""

    async def read(self) -> bytes:
        raise AssertionError("nobody asked for it")

    def upload(self) -> Upload:
        raise AssertionError("nobody asked for it")


class LargeBody:
    """`Body` past the limit."""

    async def read(self) -> bytes:
        raise Malformed(Reason.BODY_TOO_LARGE)

    def upload(self) -> Upload:
        raise Malformed(Reason.BODY_TOO_LARGE)


def inbound(
    route: Route | None = HEALTH,
    *,
    method: str = "GET",
    path: str = "/health",
    query: str = "",
    headers: Mapping[str, str] | tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    listener: Listener = GATEWAY,
    connection: Connection | None = None,
    capture: str | None = None,
    version: tuple[int, int] = (1, 1),
    request_id: str = "request-1",
) -> Inbound:
    """A request as the server would hand it in, from loopback, with a Host that fits."""
    loopback = ipaddress.ip_address("127.0.0.1")
    fields = tuple(headers.items()) if isinstance(headers, Mapping) else headers
    if not any(name.lower() == "host" for name, _ in fields):
        fields = (("Host", "localhost"), *fields)
    return Inbound(
        request_id,
        listener,
        connection or Connection(loopback, loopback),
        route or NOWHERE,
        capture,
        method,
        version,
        path,
        query,
        Headers(fields),
        BytesBody(body),
    )


def grant(
    plan: Plan | None = None, principal: Principal = CLIENT, *, acting: bool = False
) -> Grant:
    """A grant for `plan`, as layer 3 would give it."""
    return Grant(
        "request-1", "front", principal, Operate("health"), plan or Operate("health"), acting
    )


@dataclass
class FakeBackend:
    """`Backend` that answers with `content`, and remembers what it was asked to do."""

    answer: Decision[Content] = field(default_factory=lambda: Allow(Document({"ran": True})))
    plans: list[Plan] = field(default_factory=list)

    async def run(self, plan: Plan, grant: Grant) -> Decision[Content]:
        self.plans.append(plan)
        return self.answer


@dataclass
class Spy:
    """`Observer` that remembers. With `full`, it cannot record what must be on record."""

    full: bool = False
    steps: list[Step] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    async def step(self, trace: Trace, step: Step) -> None:
        self.steps.append(step)
        acting = trace.grant is not None and trace.grant.acting
        if self.full and acting and step.layer.value == "authorization":
            raise OSError("no space left on device")

    async def close(self, trace: Trace, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


async def frames(*pieces: bytes, channel: str = "body") -> AsyncIterator[Frame]:
    """A stream of these pieces."""
    for piece in pieces:
        yield Frame(channel, piece)


def value(clean: Clean) -> object:
    """The value of a clean document."""
    assert isinstance(clean.content, Document)
    return clean.content.value
