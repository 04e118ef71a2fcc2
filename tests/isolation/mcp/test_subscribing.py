"""Modern clients hear what servers say beside answers."""

import asyncio
from collections.abc import AsyncIterator, Mapping

from mcp_doubles import (
    CLIENT_META,
    FakeServer,
    House,
    Live,
    Said,
    document,
    events,
    modern,
    streamed,
)

from proxy.decision import Allow, Deny
from proxy.isolation.mcp.link import Event, Sent
from proxy.isolation.mcp.subscribing import MAX_OWNED
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Era, Group, Verb
from proxy.reasons import Reason
from proxy.values import Json

ID = "io.modelcontextprotocol/subscriptionId"
TOOLS = Notification("notifications/tools/list_changed")
PROMPTS = Notification("notifications/prompts/list_changed")


def wish(**kinds: Json) -> Request:
    return Request("w", "subscriptions/listen", {"notifications": kinds, "_meta": CLIENT_META})


def tied(said: Notification, **more: Json) -> Notification:
    return Notification(said.method, {**said.params, **more, "_meta": {ID: "w"}})


def acknowledged(**kinds: Json) -> Notification:
    method = "notifications/subscriptions/acknowledged"
    return Notification(method, {"notifications": kinds, "_meta": {ID: "w"}})


async def heard(reading: AsyncIterator[Event], count: int) -> list[object]:
    async with asyncio.timeout(2):
        return [(await anext(reading)).message for _ in range(count)]


async def test_one_modern_server_answers_for_itself() -> None:
    live = Live()
    server = FakeServer(lambda _: live.replies(), Era.MODERN)
    house = House(one=server)
    live.say(acknowledged(toolsListChanged=True), tied(TOOLS))
    allow = frozenset({Group.TOOLS})
    asked = wish(toolsListChanged=True, promptsListChanged=True)
    stream = streamed(await house.talk(modern(), asked, allow=allow))
    assert await heard(events(stream), 2) == [acknowledged(toolsListChanged=True), tied(TOOLS)]
    [sent] = server.messages
    assert isinstance(sent, Request)
    assert sent.params["notifications"] == {"toolsListChanged": True}
    stream.release()
    assert live.released


class Legacy:
    """A legacy server with a stream of its own to listen to."""

    def __init__(self) -> None:
        self.live = Live()

    def __call__(self, sent: Sent) -> Said:
        match sent.message:
            case Verb.LISTEN:
                return self.live.replies()
            case Request(id=id_):
                return Response(id_, {})
        return None


async def test_a_legacy_server_is_listened_to_in_a_session_of_that_alone() -> None:
    script = Legacy()
    server = FakeServer(script)
    house = House(one=server)
    asked = wish(toolsListChanged=True, resourceSubscriptions=["x:y"])
    stream = streamed(await house.talk(modern(), asked))
    reading = events(stream)
    first = acknowledged(toolsListChanged=True, resourceSubscriptions=["x:y"])
    assert await heard(reading, 1) == [first]
    subscribe, listen = server.said
    assert isinstance(subscribe.message, Request)
    assert subscribe.message.params == {"uri": "x:y"}
    assert subscribe.session == listen.session == "upstream-1"
    updated = Notification("notifications/resources/updated", {"uri": "x:y"})
    unwished = Notification("notifications/resources/updated", {"uri": "z:z"})
    script.live.say(Request("q", "roots/list"), PROMPTS, unwished, updated, TOOLS)
    assert await heard(reading, 2) == [tied(updated), tied(TOOLS)]
    assert isinstance(server.messages[-1], Response)
    stream.release()
    await asyncio.sleep(0.01)
    assert script.live.released
    assert server.said[-1].message is Verb.END


async def test_several_servers_are_one_stream() -> None:
    legacy, live = Legacy(), Live()
    house = House(one=FakeServer(legacy), two=FakeServer(lambda _: live.replies(), Era.MODERN))
    asked = wish(toolsListChanged=True, resourceSubscriptions=["two+x:y", "three+x:y"])
    stream = streamed(await house.talk(modern(), asked))
    reading = events(stream)
    first = acknowledged(toolsListChanged=True, resourceSubscriptions=["two+x:y"])
    assert await heard(reading, 1) == [first]
    live.say(acknowledged(), Notification("notifications/resources/updated", {"uri": "x:y"}))
    updated = Notification("notifications/resources/updated", {"uri": "two+x:y"})
    assert await heard(reading, 1) == [tied(updated)]
    legacy.live.say(TOOLS)
    assert await heard(reading, 1) == [tied(TOOLS)]
    stream.release()
    assert live.released


async def test_what_is_no_wish_is_refused() -> None:
    house = House(one=FakeServer(era=Era.MODERN))
    for bad in ({}, {"notifications": 1}, {"notifications": {"resourceSubscriptions": "x"}}):
        params: Mapping[str, Json] = bad
        asked = Request("w", "subscriptions/listen", params)
        assert await house.talk(modern(), asked) == Deny(Reason.PARAMETERS_INVALID)


async def test_nobody_listens_too_often() -> None:
    house = House(one=FakeServer(lambda _: [acknowledged()], Era.MODERN))
    streams = [streamed(await house.talk(modern(), wish())) for _ in range(MAX_OWNED)]
    assert await house.talk(modern(), wish()) == Deny(Reason.MCP_REFUSED)
    assert isinstance(await house.talk(modern(), wish(), owner="bob"), Allow)
    streams[0].release()
    streams[0].release()
    assert isinstance(await house.talk(modern(), wish()), Allow)
    assert await house.talk(modern(), wish()) == Deny(Reason.MCP_REFUSED)


async def test_nobody_listens_too_often_by_asking_all_at_once() -> None:
    house = House(one=FakeServer(lambda _: [acknowledged()], Era.MODERN))
    asked = [house.talk(modern(), wish()) for _ in range(MAX_OWNED + 4)]
    done = await asyncio.gather(*asked)
    assert done.count(Deny(Reason.MCP_REFUSED)) == 4


async def test_what_could_not_be_opened_does_not_count() -> None:
    house = House(one=FakeServer(lambda _: Deny(Reason.MCP_UNAVAILABLE), Era.MODERN))
    for _ in range(MAX_OWNED + 1):
        assert await house.talk(modern(), wish()) == Deny(Reason.MCP_UNAVAILABLE)


async def test_a_server_that_does_not_know_how_says_so() -> None:
    failed = Failure(-32601, "Method not found")
    house = House(one=FakeServer(lambda _: Response("w", failed), Era.MODERN))
    answer = document(await house.talk(modern(), wish()))
    assert answer.value == {"error": {"code": -32601, "message": "Method not found"}}
