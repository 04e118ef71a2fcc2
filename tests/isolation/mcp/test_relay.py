"""Between two of the same era, all passes that may."""

import pytest
from mcp_doubles import (
    CLIENT_META,
    FakeServer,
    House,
    Live,
    all_events,
    call,
    document,
    events,
    modern,
    modern_call,
    nothing,
    result,
    streamed,
)

from proxy.decision import Allow, Denied, Deny
from proxy.exchange import Document
from proxy.isolation.mcp.link import Event, Replies
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Era, Verb
from proxy.protocols.mcp.names import tagged
from proxy.reasons import Reason
from proxy.values import Json

DONE: dict[str, Json] = {"content": []}
ASKED = Request(7, "elicitation/create", {"message": "Really?"})


async def test_a_legacy_request_goes_on_in_the_clients_own_session_under_its_own_id() -> None:
    server = FakeServer(lambda _: Response(1, DONE))
    house = House(one=server)
    answer = await house.call(house.legacy("one"), call(_meta={"progressToken": "p"}))
    assert document(answer).rpc
    assert result(answer) == DONE
    [sent] = server.said
    assert (sent.session, sent.message) == ("of-one", call(_meta={"progressToken": "p"}))
    assert sent.headers.get("mcp-protocol-version") == "2025-11-25"
    assert server.released >= 1


async def test_what_is_streamed_stays_a_stream_with_its_places_and_its_early_end() -> None:
    server = FakeServer(lambda _: [Event(None, "e1", 500)])
    house = House(one=server)
    said = await all_events(await house.call(house.legacy("one"), call()))
    assert said == [Event(None, tagged("one", "e1"), 500)]


async def test_a_question_goes_down_under_an_id_that_says_whose_it_is() -> None:
    server = FakeServer(lambda sent: [ASKED, Response(1, DONE)] if sent.message == call() else None)
    house = House(one=server)
    said = await all_events(await house.call(house.legacy("one"), call()))
    assert [each.message for each in said] == [
        Request(tagged("one", 7), ASKED.method, ASKED.params),
        Response(1, DONE),
    ]


async def test_an_answer_of_the_client_goes_up_in_its_session() -> None:
    server = FakeServer()
    house = House(one=server)
    said = Response(7, {"action": "accept"})
    answer = await house.talk(house.legacy("one"), said, "one")
    assert document(answer) == Document(None, 202)
    [sent] = server.said
    assert (sent.message, sent.session) == (said, "of-one")


async def test_a_question_that_is_not_allowed_is_answered_here_and_never_shown() -> None:
    server = FakeServer(lambda sent: [ASKED, Response(1, DONE)] if sent.message == call() else None)
    house = House(one=server)
    said = await all_events(await house.call(house.legacy("one"), call(), asking=nothing))
    assert [each.message for each in said] == [Response(1, DONE)]
    answer = server.said[1].message
    assert isinstance(answer, Response)
    assert (answer.id, isinstance(answer.result, Failure)) == (7, True)


async def test_unknown_notifications_are_dropped() -> None:
    said = [
        Notification("notifications/evil"),
        Notification("notifications/message", {"level": "info", "data": "x"}),
        Notification("notifications/tools/list_changed"),
    ]
    server = FakeServer(lambda _: [*said, Response(1, DONE)])
    house = House(one=server)
    shown = await all_events(await house.call(house.legacy("one"), call()))
    assert [each.message for each in shown] == [*said[1:], Response(1, DONE)]
    assert house.known.gone_stale == ["one"]


HOSTILE = {
    "the answer to another question": [Response(2, DONE)],
    "the answer under the same digit as a text": [Response("1", DONE)],
    "no answer to nobody": [Response(None, Failure(-1, "x"))],
    "two answers": [Response(1, DONE), Response(1, {"content": [1]})],
    "a question after the answer": [Response(1, DONE), ASKED],
    "a notification after the answer": [
        Response(1, DONE),
        Notification("notifications/progress", {"progressToken": 1, "progress": 1}),
    ],
    "a flood of questions": [Request(n, "ping") for n in range(65)],
}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
async def test_what_nobody_asked_breaks_the_answer_off(said: list[Response]) -> None:
    server = FakeServer(lambda sent: said if sent.message == call() else None)
    house = House(one=server)
    answer = await house.call(house.legacy("one"), call())
    if isinstance(answer, Deny):
        assert answer.reason is Reason.MCP_UNREADABLE
    else:
        with pytest.raises(Denied) as denied:
            await all_events(answer)
        assert denied.value.reason is Reason.MCP_UNREADABLE
    assert server.released


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
async def test_who_takes_no_events_is_refused_the_same(said: list[Response]) -> None:
    server = FakeServer(lambda sent: said if sent.message == call() else None)
    house = House(one=server)
    answer = await house.call(house.legacy("one", events=False), call())
    assert answer == Deny(Reason.MCP_UNREADABLE)


async def test_silence_is_late() -> None:
    live = Live()
    house = House(one=FakeServer(lambda _: live.replies()))
    assert await house.call(house.legacy("one"), call(), seconds=0.05) == Deny(Reason.MCP_LATE)
    assert live.released


async def test_progress_is_no_silence() -> None:
    live = Live()
    house = House(one=FakeServer(lambda _: live.replies()))
    live.say(Notification("notifications/progress", {"progressToken": 1, "progress": 1}))
    stream = streamed(await house.call(house.legacy("one"), call(), seconds=0.2))
    live.say(Response(1, DONE), None)
    assert [each.message async for each in events(stream)][-1] == Response(1, DONE)


async def test_a_session_that_the_server_has_ended_is_no_session() -> None:
    empty = FakeServer()
    gone = FakeServer(lambda _: Replies(404, Live().replies().events, release=empty._release))
    house = House(one=gone)
    assert await house.call(house.legacy("one"), call()) == Deny(Reason.SESSION_UNKNOWN)


async def test_an_ended_session_is_unknown_from_then_on() -> None:
    server = FakeServer()
    house = House(one=server)
    client = house.legacy("one")
    assert isinstance(await house.talk(client, Verb.END), Allow)
    assert [(each.message, each.session) for each in server.said] == [(Verb.END, "of-one")]
    assert await house.call(client, call()) == Deny(Reason.SESSION_UNKNOWN)
    assert await house.talk(client, Request(1, "ping")) == Deny(Reason.SESSION_UNKNOWN)


async def test_a_modern_request_goes_on_with_its_headers_and_fewer_capabilities() -> None:
    server = FakeServer(lambda _: Response(1, {**DONE, "resultType": "complete"}), Era.MODERN)
    house = House(one=server)
    able = {**CLIENT_META, "io.modelcontextprotocol/clientCapabilities": {"odd": {}, "roots": {}}}
    answer = await house.call(modern(), call(_meta=able))
    assert result(answer) == {**DONE, "resultType": "complete"}
    [sent] = server.said
    assert isinstance(sent.message, Request)
    assert sent.message.params["_meta"] == {
        **CLIENT_META,
        "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
    }
    assert sent.headers.get("mcp-name") == "add"
    assert sent.headers.get("mcp-method") == "tools/call"


WANTS: dict[str, Json] = {
    "resultType": "input_required",
    "inputRequests": {"k": {"method": "elicitation/create", "params": {"message": "?"}}},
    "requestState": "s",
}


async def test_a_result_that_asks_passes_where_it_may_ask() -> None:
    house = House(one=FakeServer(lambda _: Response(1, WANTS), Era.MODERN))
    found = result(await house.call(modern(), modern_call()))
    assert {**found, "requestState": "s"} == WANTS


async def test_a_result_that_asks_what_it_may_not_is_refused() -> None:
    house = House(one=FakeServer(lambda _: Response(1, WANTS), Era.MODERN))
    answer = await house.call(modern(), modern_call(), asking=nothing)
    assert answer == Deny(Reason.MCP_REFUSED)


async def test_a_modern_server_that_asks_in_its_stream_is_not_understood() -> None:
    house = House(one=FakeServer(lambda _: [ASKED, Response(1, DONE)], Era.MODERN))
    assert await house.call(modern(), modern_call()) == Deny(Reason.MCP_UNREADABLE)


async def test_a_refusal_of_the_server_keeps_its_status() -> None:
    failed = Response(None, Failure(-32020, "Header mismatch"))
    replies = FakeServer()._replies(failed)
    house = House(one=FakeServer(lambda _: Replies(400, replies.events), Era.MODERN))
    answer = document(await house.call(modern(), modern_call()))
    assert answer.status == 400
    assert answer.value == {"error": {"code": -32020, "message": "Header mismatch"}}
