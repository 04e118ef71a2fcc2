"""A way to an MCP server: what is said by it, and what comes back.

The counterparts are `http` and `stdio`, which are such ways, and `relay`, which speaks by them.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Protocol

from proxy.decision import Deny
from proxy.jsonrpc import Message
from proxy.mcp import Verb
from proxy.values import Before, Headers


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream: a message, or none where the server only says where it stands.

    `id`: what names its place in the stream; `retry`: milliseconds until one may come back to it.
    """

    message: Message | None
    id: str | None = None
    retry: int | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """What is said to a server: a message, the wish to listen, or that the session ends.

    `headers`: what goes with it beside those of the configuration. `session`: the id of the
    server's own session, "" where there is none.
    """

    message: Message | Verb
    session: str = ""
    headers: Headers = field(default_factory=Headers)
    before: Before | None = None


@dataclass(frozen=True, slots=True)
class Replies:
    """What comes back: messages in events, up to the end of `events`, which may raise Denied.

    `status` is HTTP's, 202 where there is nothing to come. `streamed`: they come as events, not as
    one document. `session`: the id of the session that was opened. `release` gives the connection
    back, which is how a server learns that nobody listens; it may be called twice.
    """

    status: int
    events: AsyncIterator[Event]
    streamed: bool = False
    session: str = ""
    release: Callable[[], None] = lambda: None


async def only(*events: Event) -> AsyncIterator[Event]:
    """What is known already, as events that come."""
    for event in events:
        yield event


class Link(Protocol):
    """A way to one server."""

    async def send(self, sent: Sent) -> Replies | Deny:
        """Say something; the head of what comes back. A cancelled call leaves nothing open."""
        ...

    async def missing(self) -> str | None:
        """What a message would lack now: a sentence, or None where it would arrive."""
        ...

    async def aclose(self) -> None:
        """Give everything back."""
        ...
