"""A legacy client before a modern server."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from mcp_doubles import (
    FakeServer,
    House,
    Live,
    Said,
    call,
    document,
    events,
    everything,
    nothing,
    result,
    streamed,
)

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.link import Event, Sent
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Asking, Client, Era
from proxy.protocols.mcp.names import untagged
from proxy.reasons import Reason
from proxy.values import Json

Reply = Mapping[str, Json] | Failure
DONE: dict[str, Json] = {"content": [], "resultType": "complete", "ttlMs": 1, "cacheScope": "x"}


def wants(*methods: str, state: str = "s1") -> dict[str, Json]:
    """A result that asks the client these things."""
    asked: dict[str, Json] = {
        f"k{n}": {"method": method, "params": {"message": "?"}} for n, method in enumerate(methods)
    }
    return {"resultType": "input_required", "inputRequests": asked, "requestState": state}


class Rounds:
    """A server that answers with these results, one after another."""

    def __init__(self, *results: dict[str, Json]) -> None:
        self.results = list(results)
        self.asked: list[Request] = []

    def __call__(self, sent: Sent) -> Said:
        assert isinstance(sent.message, Request)
        self.asked.append(sent.message)
        return Response(sent.message.id, self.results.pop(0))


async def test_a_request_says_all_that_a_modern_one_must() -> None:
    rounds = Rounds(DONE)
    server = FakeServer(rounds, Era.MODERN)
    house = House(one=server)
    answer = await house.call(house.legacy(), call(_meta={"progressToken": "p"}))
    assert result(answer) == {"content": []}
    [asked] = rounds.asked
    assert asked.params["_meta"] == {
        "progressToken": "p",
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "client"},
        "io.modelcontextprotocol/clientCapabilities": {
            "sampling": {},
            "elicitation": {"form": {}},
            "roots": {},
        },
    }
    assert server.said[0].headers.get("mcp-method") == "tools/call"
    assert server.said[0].session == ""


async def answered(
    house: House, client: Client, stream: AsyncIterator[Event], reply: Reply | None = None
) -> list[Event]:
    """All events of a stream, where the client answers what it is asked, yes as a rule."""
    said = []
    async for event in stream:
        said.append(event)
        if isinstance(event.message, Request):
            asked = untagged(str(event.message.id))
            assert asked is not None
            server, id_ = asked
            await house.talk(client, Response(id_, reply or {"action": "accept"}), server)
    return said


async def test_what_a_result_asks_for_is_asked_in_the_stream() -> None:
    rounds = Rounds(wants("elicitation/create", "sampling/createMessage"), DONE)
    house = House(one=FakeServer(rounds, Era.MODERN))
    client = house.legacy()
    stream = streamed(await house.call(client, call()))
    first, second, last = await answered(house, client, events(stream))
    assert isinstance(first.message, Request)
    assert isinstance(second.message, Request)
    assert first.message.id != second.message.id
    assert last.message == Response(1, {"content": []})
    _, again = rounds.asked
    assert again.params["requestState"] == "s1"
    yes: Json = {"action": "accept"}
    assert again.params["inputResponses"] == {"k0": yes, "k1": yes}
    assert not house.backend._carrier.questions


async def test_a_person_who_says_no_to_a_question_cancels_it() -> None:
    rounds = Rounds(wants("elicitation/create"), DONE)
    house = House(one=FakeServer(rounds, Era.MODERN))
    client = house.legacy()
    stream = streamed(await house.call(client, call()))
    await answered(house, client, events(stream), Failure(-1, "no"))
    assert rounds.asked[1].params["inputResponses"] == {"k0": {"action": "cancel"}}


async def test_another_session_does_not_answer_for_it() -> None:
    house = House(one=FakeServer(Rounds(wants("roots/list"), DONE), Era.MODERN))
    stream = streamed(await house.call(house.legacy(), call()))
    reading = events(stream)
    question = (await anext(reading)).message
    assert isinstance(question, Request)
    asked = untagged(str(question.id))
    assert asked is not None
    other = house.legacy(owner="bob")
    waiting = asyncio.ensure_future(anext(reading))
    await house.talk(other, Response(asked[1], {"roots": []}), asked[0], owner="bob")
    await asyncio.sleep(0.01)
    assert not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not house.backend._carrier.questions


async def test_a_server_that_only_asks_for_time_is_asked_again() -> None:
    rounds = Rounds({"resultType": "input_required", "requestState": "later"}, DONE)
    house = House(one=FakeServer(rounds, Era.MODERN))
    assert result(await house.call(house.legacy(), call())) == {"content": []}
    assert rounds.asked[1].params["requestState"] == "later"


REFUSED = {
    "what is not allowed": (wants("elicitation/create"), True, nothing),
    "what nobody can be asked": (wants("tools/call"), True, everything),
    "who takes no events": (wants("elicitation/create"), False, everything),
}


@pytest.mark.parametrize(("wanted", "takes", "asking"), REFUSED.values(), ids=REFUSED)
async def test_what_cannot_be_asked_ends_the_call(
    wanted: dict[str, Json], *, takes: bool, asking: Asking
) -> None:
    house = House(one=FakeServer(Rounds(wanted, DONE), Era.MODERN))
    client = house.legacy(events=takes)
    assert await house.call(client, call(), asking=asking) == Deny(Reason.MCP_REFUSED)


HOSTILE: dict[str, dict[str, Json]] = {
    "no questions": {**wants(), "inputRequests": "all"},
    "a question without a method": {**wants(), "inputRequests": {"k": {}}},
    "too many questions": wants(*["roots/list"] * 17),
}


@pytest.mark.parametrize("wanted", HOSTILE.values(), ids=HOSTILE)
async def test_a_result_that_asks_nothing_readable_is_not_understood(
    wanted: dict[str, Json],
) -> None:
    house = House(one=FakeServer(Rounds(wanted), Era.MODERN))
    assert await house.call(house.legacy(), call()) == Deny(Reason.MCP_UNREADABLE)


async def test_the_rounds_end() -> None:
    rounds = Rounds(*[wants("roots/list")] * 20)
    house = House(one=FakeServer(rounds, Era.MODERN))
    client = house.legacy()
    stream = streamed(await house.call(client, call()))
    with pytest.raises(Denied) as denied:
        await answered(house, client, events(stream))
    assert denied.value.reason is Reason.MCP_UNREADABLE
    assert len(rounds.asked) == 16


async def test_a_call_that_its_client_cancels_is_given_up() -> None:
    live = Live()
    house = House(one=FakeServer(lambda _: live.replies(), Era.MODERN))
    client = house.legacy()
    live.say(Notification("notifications/progress", {"progressToken": "p", "progress": 1}))
    stream = streamed(await house.call(client, call(_meta={"progressToken": "p"})))
    reading = events(stream)
    assert (await anext(reading)).message is not None
    await house.talk(client, Notification("notifications/cancelled", {"requestId": 1}))
    assert [event async for event in reading] == []
    assert live.released


async def test_methods_that_modern_servers_do_not_know_are_not_found() -> None:
    house = House(one=FakeServer(era=Era.MODERN))
    answer = document(await house.call(house.legacy(), Request(1, "tasks/list")))
    assert answer.value == {"error": {"code": -32601, "message": "Method not found"}}


async def test_a_subscription_is_remembered_and_no_request() -> None:
    server = FakeServer(era=Era.MODERN)
    house = House(one=server)
    client = house.legacy()
    subscribe = Request(1, "resources/subscribe", {"uri": "file:///a"})
    assert result(await house.call(client, subscribe)) == {}
    assert server.said == []
    assert client.session is not None
    assert house.backend._carrier.watches.of(client.session.id).uris == {"one": {"file:///a"}}


async def test_the_log_level_of_a_session_goes_with_its_requests() -> None:
    rounds = Rounds({"resultType": "complete"}, DONE)
    house = House(one=FakeServer(rounds, Era.MODERN), two=FakeServer(era=Era.MODERN))
    client = house.legacy()
    await house.talk(client, Request(1, "logging/setLevel", {"level": "error"}))
    rounds.results = [DONE]
    await house.call(client, call())
    meta = rounds.asked[-1].params["_meta"]
    assert isinstance(meta, dict)
    assert meta["io.modelcontextprotocol/logLevel"] == "error"


async def test_a_server_of_the_legacy_era_that_came_later_needs_another_session() -> None:
    house = House(one=FakeServer())
    assert await house.call(house.legacy(), call()) == Deny(Reason.SESSION_UNKNOWN)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    server = FakeServer()
    server.down = True
    house = House(one=server)
    assert await house.call(house.legacy(), call()) == Deny(Reason.MCP_UNAVAILABLE)
