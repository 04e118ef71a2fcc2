"""What comes of a turn, as the content of an answer: one document, or events as they come."""

from collections.abc import AsyncIterator

from proxy.decision import Allow, Decision, Denied, Deny
from proxy.exchange import Content, Document, Frame, Stream
from proxy.isolation.mcp.decoder import encoded
from proxy.isolation.mcp.hearing import unreadable
from proxy.isolation.mcp.link import Event, Replies, only
from proxy.jsonrpc import Failure, Response, outcome
from proxy.reasons import Reason
from proxy.values import Headers

ACCEPTED = Document(None, 202)
"""What notifications and responses are answered with."""
_EVENTS = Headers((("Content-Type", "text/event-stream"),))
_CHANNEL = "events"


async def content(replies: Replies, *, events: bool) -> Decision[Content]:
    """What came, as events where it came so and the client takes them.

    The first event is awaited, so that what fails before it is a refusal like any other.
    """
    try:
        if not events:
            return _document(await _response(replies), replies)
        coming = aiter(replies.events)
        first = await anext(coming, None)
        if first is not None and _whole(first) and not replies.streamed:
            await _ended(coming)
            return _document(first.message, replies)
    except Denied as denied:
        replies.release()
        return Deny(denied.reason, facts=denied.facts)
    except BaseException:
        replies.release()
        raise
    if first is None:
        return _nothing(replies)
    return Allow(stream(_followed(first, coming), replies))


async def response(replies: Replies) -> Response | Deny:
    """The response alone, for who is told nothing else."""
    try:
        return await _response(replies)
    except Denied as denied:
        return Deny(denied.reason, facts=denied.facts)
    finally:
        replies.release()


def stream(events: AsyncIterator[Event], replies: Replies) -> Stream:
    """The events as they come; what breaks off says so."""
    return Stream(200, _EVENTS, _frames(events, replies), replies.release)


def alone(answered: Response) -> Stream:
    """A response as the one event of a stream, which legacy clients expect of a request."""
    nothing = Replies(200, only(Event(answered)))
    return stream(nothing.events, nothing)


def bare(answered: Response | Deny) -> Decision[Content]:
    """The result alone, for who did not ask by MCP."""
    if isinstance(answered, Deny):
        return answered
    if isinstance(answered.result, Failure):
        return Deny(Reason.MCP_REFUSED, f"code {answered.result.code}")
    return Allow(Document(answered.result))


def told(answered: Response, status: int = 200) -> Document:
    """A response as a document, whose id is the codec's to give.

    A server that fails is no failure of ours: what says so is then the error alone.
    """
    refused = isinstance(answered.result, Failure) and 400 <= status < 500
    return Document(outcome(answered.result), status if refused else 200, rpc=True)


async def _response(replies: Replies) -> Response:
    found: Response | None = None
    async for event in replies.events:
        if isinstance(event.message, Response):
            found = event.message
    if found is None:
        raise unreadable()
    return found


def _whole(event: Event) -> bool:
    return isinstance(event.message, Response) and event.id is None and event.retry is None


async def _ended(events: AsyncIterator[Event]) -> None:
    async for _ in events:
        pass


def _document(message: object, replies: Replies) -> Decision[Content]:
    replies.release()
    assert isinstance(message, Response)
    return Allow(told(message, replies.status))


def _nothing(replies: Replies) -> Decision[Content]:
    """No event at all, which is an answer to what needs none."""
    replies.release()
    return Deny(Reason.MCP_UNREADABLE, "no answer")


async def _followed(first: Event, rest: AsyncIterator[Event]) -> AsyncIterator[Event]:
    yield first
    async for event in rest:
        yield event


async def _frames(events: AsyncIterator[Event], replies: Replies) -> AsyncIterator[Frame]:
    try:
        async for event in events:
            yield Frame(_CHANNEL, encoded(event))
    finally:
        replies.release()
