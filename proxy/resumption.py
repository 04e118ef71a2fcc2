"""A request that is taken up again, long after its connection is gone.

What was stored of it begins at layer 3, as if it had just come: the counterparts are `delivery`,
for messages, and `detached`, for calls that nobody waits for.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from proxy.actions import Action, Upload
from proxy.exchange import (
    Access,
    Clean,
    Inbound,
    Listener,
    Principal,
    Route,
)
from proxy.origin import Connection
from proxy.protocols.rest import RestCodec
from proxy.trace import Trace
from proxy.values import Headers

Resume = Callable[[Inbound, Principal, Trace], Awaitable[Clean]]
"""The layers from the third on; raises Denied."""


@dataclass(frozen=True)
class _Codec(RestCodec):
    """What was read when it came."""

    action: Action

    async def parse(self, inbound: Inbound) -> Action:  # noqa: ARG002 - the interface's argument
        """What was asked."""
        return self.action


class _Body:
    """`Body` of which nothing is left to read."""

    async def read(self) -> bytes:
        """Nothing."""
        return b""

    def upload(self) -> Upload:
        """Nothing either."""
        return Upload(0, _nothing())


async def _nothing() -> AsyncIterator[bytes]:
    no_pieces: tuple[bytes, ...] = ()
    for piece in no_pieces:
        yield piece


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came in: by the name of its route, its method, its path and its door."""

    name: str
    method: str
    path: str
    door: str


def resumed(request_id: str, action: Action, origin: Origin) -> Inbound:
    """The request that it was, as far as layer 3 asks for it."""
    methods, codec = frozenset({origin.method}), _Codec(action)
    route = Route(origin.name, methods, origin.path, codec, Access.NOBODY, origin.door)
    return Inbound(
        request_id,
        Listener(origin.name, None, None),
        Connection(None),
        route,
        None,
        origin.method,
        (1, 1),
        origin.path,
        "",
        Headers(),
        _Body(),
    )
