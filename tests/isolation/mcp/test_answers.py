"""What comes of a turn, as content."""

import asyncio

import pytest
from mcp_doubles import Live, all_events, document

from proxy.decision import Allow, Denied, Deny
from proxy.exchange import Document
from proxy.isolation.mcp.answers import bare, content, response, told
from proxy.isolation.mcp.hearing import Patience, heard, unreadable
from proxy.isolation.mcp.link import Event, Replies
from proxy.jsonrpc import Failure, Notification, Response
from proxy.reasons import Reason

DONE = Response(1, {})
NOTE = Notification("notifications/tools/list_changed")


def replies(live: Live, *said: object, streamed: bool = True) -> Replies:
    live.say(*said, None)  # type: ignore[arg-type]
    made = live.replies()
    events = heard(made, 1, Patience(5))
    return Replies(200, events, streamed=streamed, release=made.release)


async def test_a_document_stays_one_and_a_stream_too() -> None:
    live = Live()
    answer = document(await content(replies(live, DONE, streamed=False), events=True))
    assert answer == Document({"result": {}}, rpc=True)
    assert live.released
    live = Live()
    assert await all_events(await content(replies(live, DONE), events=True)) == [Event(DONE)]
    assert live.released


async def test_what_comes_before_the_answer_makes_it_a_stream() -> None:
    said = await content(replies(Live(), NOTE, DONE, streamed=False), events=True)
    assert [each.message for each in await all_events(said)] == [NOTE, DONE]


async def test_who_takes_no_events_gets_the_answer_alone() -> None:
    answer = document(await content(replies(Live(), NOTE, DONE), events=False))
    assert answer.value == {"result": {}}


@pytest.mark.parametrize("events", [True, False])
async def test_no_answer_is_not_understood(events: bool) -> None:  # noqa: FBT001 - a parameter
    live = Live()
    assert await content(replies(live), events=events) == Deny(Reason.MCP_UNREADABLE)
    assert live.released


async def test_a_stream_that_breaks_off_says_so() -> None:
    async def broken() -> object:
        yield Event(NOTE)
        raise unreadable()

    said = await content(Replies(200, broken(), streamed=True), events=True)  # type: ignore[arg-type]
    with pytest.raises(Denied):
        await all_events(said)


async def test_whoever_leaves_leaves_nothing_open() -> None:
    live = Live()
    waiting = asyncio.create_task(content(live.replies(), events=True))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert live.released


async def test_the_bare_answer_is_the_result() -> None:
    assert bare(DONE) == Allow(Document({}))
    assert bare(Response(1, Failure(-1, "no"))) == Deny(Reason.MCP_REFUSED)
    assert bare(Deny(Reason.MCP_LATE)) == Deny(Reason.MCP_LATE)
    assert await response(replies(Live(), NOTE, DONE)) == DONE


def test_only_failures_have_a_status() -> None:
    assert told(DONE, 400).status == 200
    assert told(Response(1, Failure(-1, "no")), 400).status == 400
