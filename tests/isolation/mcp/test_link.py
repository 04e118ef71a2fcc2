from collections.abc import AsyncIterator

from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.jsonrpc import Request
from proxy.mcp import Verb
from proxy.values import Headers


async def test_what_is_not_said_is_not_there() -> None:
    assert Sent(Verb.END) == Sent(Verb.END, "", Headers(), None)
    assert Event(None) == Event(None, None, None)

    async def nothing() -> AsyncIterator[Event]:
        no_events: tuple[Event, ...] = ()
        for event in no_events:
            yield event

    replies = Replies(202, nothing())
    replies.release()
    replies.release()
    assert (replies.session, replies.streamed) == ("", False)
    assert [event async for event in replies.events] == []


def test_what_is_said_carries_no_header_of_another() -> None:
    first, second = Sent(Request(1, "ping")), Sent(Request(1, "ping"))

    assert first == second
    assert first.headers is not second.headers or not first.headers.fields
