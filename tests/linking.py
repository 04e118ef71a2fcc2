"""A link to an MCP server, as a double: what is sent is kept, and answered by a function."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from proxy.decision import Deny
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.jsonrpc import Failure, Message, Request, Response
from proxy.mcp import Verb
from proxy.values import Json

Result = dict[str, Json]
Said = Result | Failure | Replies | Deny | None
"""A result or a failure of the request, replies as they are, or nothing to come."""


@dataclass
class Linked:
    """`Link` to a server that answers by `answer`; `released` counts what was given back."""

    answer: Callable[[Sent], Said | Awaitable[Said]]
    sent: list[Sent] = field(default_factory=list)
    released: int = 0
    closed: bool = False

    async def send(self, sent: Sent) -> Replies | Deny:
        self.sent.append(sent)
        said = self.answer(sent)
        if isinstance(said, Awaitable):
            said = await said
        match said:
            case Replies() | Deny():
                return said
            case None:
                return self.replies([], 202)
        assert isinstance(sent.message, Request)
        return self.replies([Response(sent.message.id, said)])

    def replies(self, messages: Sequence[Message], status: int = 200, session: str = "") -> Replies:
        return Replies(status, _events(messages), session=session, release=self._release)

    def _release(self) -> None:
        self.released += 1

    async def missing(self) -> str | None:
        return "closed" if self.closed else None

    async def aclose(self) -> None:
        self.closed = True

    @property
    def methods(self) -> list[str]:
        """What was sent: the methods of messages, and the words of verbs."""
        return [said_of(sent) for sent in self.sent]


def said_of(sent: Sent) -> str:
    message = sent.message
    if isinstance(message, Verb):
        return message.value
    return "response" if isinstance(message, Response) else message.method


async def _events(messages: Sequence[Message]) -> AsyncIterator[Event]:
    for message in messages:
        yield Event(message)
