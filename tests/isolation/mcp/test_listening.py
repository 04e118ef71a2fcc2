"""Legacy clients hear what servers say beside answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from mcp_doubles import FakeServer, House, Live, Said, events, nothing, streamed

from proxy.decision import Denied, Deny
from proxy.exchange import Stream
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Era, Group, Verb
from proxy.protocols.mcp.names import tagged
from proxy.reasons import Reason

CHANGED = Notification("notifications/tools/list_changed")


async def heard(reading: AsyncIterator[Event], count: int) -> list[Event]:
    async with asyncio.timeout(2):
        return [await anext(reading) for _ in range(count)]


def close(stream: Stream, *lives: Live) -> None:
    stream.release()
    assert all(each.released for each in lives)


async def test_the_stream_of_one_server_passes_on_with_its_places() -> None:
    live = Live()
    server = FakeServer(lambda _: live.replies())
    house = House(one=server)
    live.say(Event(CHANGED, "e1", 5), Notification("notifications/evil"), Event(None, "e2"), None)
    stream = streamed(await house.talk(house.legacy("one"), Verb.LISTEN))
    assert [event async for event in events(stream)] == [
        Event(CHANGED, tagged("one", "e1"), 5),
        Event(None, tagged("one", "e2")),
    ]
    assert [(each.message, each.session) for each in server.said] == [(Verb.LISTEN, "of-one")]
    assert house.known.gone_stale == ["one"]
    close(stream, live)


async def test_it_is_gone_on_with_where_it_broke_off() -> None:
    live = Live()
    server = FakeServer(lambda _: live.replies())
    house = House(one=server)
    live.say(Response(5, {}), None)
    stream = streamed(await house.talk(house.legacy("one"), Verb.LISTEN, "one", resume="e1"))
    assert [each.message async for each in events(stream)] == [Response(5, {})]
    assert server.said[0].headers.get("last-event-id") == "e1"


async def test_an_answer_that_nobody_waits_for_breaks_it_off() -> None:
    live = Live()
    house = House(one=FakeServer(lambda _: live.replies()))
    live.say(Response(5, {}), None)
    stream = streamed(await house.talk(house.legacy("one"), Verb.LISTEN))
    with pytest.raises(Denied) as denied:
        await heard(events(stream), 1)
    assert denied.value.reason is Reason.MCP_UNREADABLE


async def test_questions_are_shown_only_where_they_may_be_asked() -> None:
    live = Live()
    server = FakeServer(lambda sent: live.replies() if sent.message is Verb.LISTEN else None)
    house = House(one=server)
    live.say(Request(1, "roots/list"), Request(2, "sampling/createMessage", {"a": 1}), None)
    allow = frozenset({Group.SAMPLING})
    stream = streamed(await house.talk(house.legacy("one"), Verb.LISTEN, allow=allow))
    shown = [each.message async for each in events(stream)]
    assert shown == [Request(tagged("one", 2), "sampling/createMessage", {"a": 1})]
    assert server.messages == [Response(1, Failure(-32601, "Method not found"))]


async def test_several_servers_are_one_stream_that_one_cannot_end() -> None:
    lives = {"one": Live(), "two": Live()}
    house = House(
        one=FakeServer(lambda _: lives["one"].replies()),
        two=FakeServer(lambda _: lives["two"].replies()),
    )
    stream = streamed(await house.talk(house.legacy("one", "two"), Verb.LISTEN))
    reading = events(stream)
    lives["one"].say(Response(1, {}))  # hostile
    lives["two"].say(Event(CHANGED, "e"))
    assert await heard(reading, 1) == [Event(CHANGED, tagged("two", "e"))]
    lives["two"].say(CHANGED)
    assert await heard(reading, 1) == [Event(CHANGED)]
    close(stream, *lives.values())


async def test_where_no_server_speaks_there_is_nothing_to_hear() -> None:
    empty = FakeServer()
    house = House(one=FakeServer(lambda _: Replies(405, empty._replies(None).events)))
    assert await house.talk(house.legacy("one"), Verb.LISTEN) == Deny(Reason.VERB_UNSUPPORTED)
    assert await house.talk(house.legacy(), Verb.LISTEN) == Deny(Reason.SESSION_UNKNOWN)


async def test_a_modern_server_is_subscribed_to_and_again_for_more() -> None:
    lives: list[Live] = []

    def script(_: Sent) -> Said:
        lives.append(Live())
        return lives[-1].replies()

    server = FakeServer(script, Era.MODERN)
    house = House(one=server)
    client = house.legacy()
    stream = streamed(await house.talk(client, Verb.LISTEN))
    reading = events(stream)
    meta = {"_meta": {"io.modelcontextprotocol/subscriptionId": "listen-one"}}
    lives[0].say(
        Notification("notifications/subscriptions/acknowledged", {"notifications": {}, **meta}),
        Notification("notifications/prompts/list_changed", meta),
    )
    [first] = await heard(reading, 1)
    assert first == Event(Notification("notifications/prompts/list_changed"))
    waiting = asyncio.create_task(heard(reading, 1))
    await asyncio.sleep(0)
    await house.call(client, Request(1, "resources/subscribe", {"uri": "x:y"}))
    await asyncio.sleep(0.01)
    updated = Notification("notifications/resources/updated", {"uri": "x:y"})
    lives[1].say(updated)
    assert await waiting == [Event(updated)]
    first_asked, second_asked = (each for each in server.messages if isinstance(each, Request))
    every = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
    assert first_asked.params["notifications"] == every
    assert second_asked.params["notifications"] == {**every, "resourceSubscriptions": ["x:y"]}
    close(stream, *lives)


async def test_a_modern_server_may_not_ask() -> None:
    live = Live()
    house = House(one=FakeServer(lambda _: live.replies(), Era.MODERN))
    stream = streamed(await house.talk(house.legacy(), Verb.LISTEN))
    live.say(Request(1, "roots/list"))
    with pytest.raises(Denied):
        await heard(events(stream), 1)
    assert nothing is not None
