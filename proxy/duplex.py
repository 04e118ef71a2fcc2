"""What passes both ways, for as long as both sides want: a WebSocket (RFC 6455).

The counterpart of `exchange`, where an answer is one thing and goes one way.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from proxy.values import Headers


@dataclass(frozen=True, slots=True)
class Closing:
    """That one side of a WebSocket ends it, and why (RFC 6455 section 7.4)."""

    code: int
    reason: str = ""


SocketEvent = str | bytes | Closing
"""What one side of a WebSocket says: a text or binary message, or that it closes, and then no more.
"""


@dataclass(frozen=True, slots=True)
class Socket:
    """An answer that is a WebSocket, which the agent has accepted already.

    `events` are what the agent says; the last is a Closing. `send` tells it what the client says; a
    message that it does not take raises OSError, one that may not be sent raises Denied. After a
    Closing it may still say something, and soon closes, too. `release` gives the connection back,
    and may be called twice.
    """

    headers: Headers
    events: AsyncIterator[SocketEvent]
    send: Callable[[SocketEvent], Awaitable[None]]
    release: Callable[[], None] = lambda: None
    status: ClassVar[int] = 101
    masked: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Passed:
    """That a message goes on to the agent, in this form."""

    message: str | bytes


@dataclass(frozen=True, slots=True)
class Answered:
    """That a message does not go on, and what its sender is told."""

    message: str


Heard = Passed | Answered | Closing


class SocketGuard(Protocol):
    """What decides on each message of a client's. It lives as long as the one connection."""

    def up(self, message: str | bytes) -> Heard:
        """What becomes of the message; after a Closing nothing more is asked."""
        ...
