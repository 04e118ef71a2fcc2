"""Answers are read as strictly as they were asked for."""

import asyncio

import pytest
from doubles import Clock
from mcp_doubles import ALL, FakeServer, Live

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.hearing import Patience, heard, send
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.upstreams import McpServer
from proxy.jsonrpc import Failure, Message, Notification, Request, Response
from proxy.reasons import Reason

PROGRESS = Notification("notifications/progress", {"progressToken": 1, "progress": 1})


async def test_all_is_heard_to_the_end() -> None:
    live = Live()
    said: list[Message] = [PROGRESS, Request(1, "ping"), Response(1, {})]
    live.say(Event(None, "a"), *said, Event(None, "b"), None)
    events = [event async for event in heard(live.replies(), 1, Patience(1))]
    assert events == [Event(None, "a"), *(Event(each) for each in said), Event(None, "b")]


async def test_an_answer_without_an_end_ends() -> None:
    live = Live()
    live.say(Response(1, {}))
    async with asyncio.timeout(3):
        assert len([event async for event in heard(live.replies(), 1, Patience(None))]) == 1


async def test_a_failure_of_the_transport_is_of_what_was_asked() -> None:
    live = Live()
    live.say(Response("server-error", Failure(-32600, "no")), None)
    replies = Replies(400, live.replies().events)
    events = [event async for event in heard(replies, 1, Patience(1))]
    assert events == [Event(Response(1, Failure(-32600, "no")))]


async def test_who_goes_on_is_waited_for_and_who_does_not_is_late() -> None:
    live = Live()
    hearing = heard(live.replies(), 1, Patience(0.1))
    for _ in range(3):
        await asyncio.sleep(0.06)
        live.say(PROGRESS)
        assert await anext(hearing) == Event(PROGRESS)
    with pytest.raises(Denied) as denied:
        await anext(hearing)
    assert denied.value.reason is Reason.MCP_LATE


async def test_a_person_may_think() -> None:
    patience = Patience(0.1)
    first = patience.until
    patience.ask()
    assert first is not None
    assert patience.until is not None
    assert patience.until > first + 299


async def test_a_head_that_does_not_come_is_late() -> None:
    class Silent(FakeServer):
        async def send(self, sent: Sent) -> Replies | Deny:
            await asyncio.sleep(60)
            raise AssertionError(sent)

    server = McpServer("one", Silent(), ALL, Clock())
    assert await send(server, Sent(PROGRESS), 0.01) == Deny(Reason.MCP_LATE)
