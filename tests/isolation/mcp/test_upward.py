"""A modern client before a legacy server."""

import asyncio

from mcp_doubles import (
    CLIENT_META,
    FakeServer,
    House,
    Live,
    Said,
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

from proxy.decision import Allow, Deny
from proxy.exchange import Document
from proxy.isolation.mcp.link import Event, Sent
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Verb
from proxy.reasons import Reason
from proxy.values import Json

DONE: dict[str, Json] = {"content": []}
ASKED = Request("q", "elicitation/create", {"message": "Really?"})


def answering(sent: Sent) -> Said:
    """A server that answers every request at once."""
    return Response(sent.message.id, DONE) if isinstance(sent.message, Request) else None


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_request_goes_on_in_a_session_of_sidegates_own() -> None:
    server = FakeServer(answering)
    house = House(one=server)
    answer = await house.call(modern(), modern_call("mine"))
    assert result(answer) == {**DONE, "resultType": "complete"}
    [sent] = server.said
    assert sent.session == "upstream-1"
    assert isinstance(sent.message, Request)
    assert isinstance(sent.message.id, int)
    assert sent.message.params == {"name": "add", "arguments": {"a": 1}}
    assert server.opened[0]["capabilities"] == {
        "sampling": {},
        "elicitation": {"form": {}},
        "roots": {},
    }


async def test_owners_share_no_session() -> None:
    server = FakeServer(answering)
    house = House(one=server)
    for owner in ("ann", "bob", "ann"):
        await house.call(modern(), modern_call(), owner=owner)
    assert [each.session for each in server.said] == ["upstream-1", "upstream-2", "upstream-1"]


async def test_progress_comes_back_under_the_clients_token() -> None:
    def script(sent: Sent) -> Said:
        assert isinstance(sent.message, Request)
        meta = sent.message.params["_meta"]
        assert meta == {"progressToken": sent.message.id}
        progress: dict[str, Json] = {"progressToken": sent.message.id, "progress": 1}
        other: dict[str, Json] = {"progressToken": "another", "progress": 1}
        return [
            Notification("notifications/progress", progress),
            Notification("notifications/progress", other),
            Notification("notifications/message", {"level": "info", "data": "unasked"}),
            Notification("notifications/tools/list_changed"),
            Response(sent.message.id, DONE),
        ]

    house = House(one=FakeServer(script))
    asked = call("mine", _meta={**CLIENT_META, "progressToken": "p"})
    said = await all_events(await house.call(modern(), asked))
    assert [each.message for each in said] == [
        Notification("notifications/progress", {"progressToken": "p", "progress": 1}),
        Response("mine", {**DONE, "resultType": "complete"}),
    ]


async def test_a_log_is_asked_for_once_in_its_session() -> None:
    def script(sent: Sent) -> Said:
        assert isinstance(sent.message, Request)
        log = Notification("notifications/message", {"level": "info", "data": "x"})
        done = Response(sent.message.id, DONE)
        return done if sent.message.method == "logging/setLevel" else [log, done]

    server = FakeServer(script)
    house = House(one=server)
    asked = call(_meta={**CLIENT_META, "io.modelcontextprotocol/logLevel": "info"})
    for _ in range(2):
        said = await all_events(await house.call(modern(), asked))
        assert len(said) == 2
    methods = [each.method for each in server.messages if isinstance(each, Request)]
    assert methods == ["logging/setLevel", "tools/call", "tools/call"]


class Asking:
    """A server that asks before it answers, with the answers that it got."""

    def __init__(self, *questions: Request) -> None:
        self.live = Live()
        self.live.say(*questions)
        self.answers: list[Response] = []
        self.id: Json = None

    def __call__(self, sent: Sent) -> Said:
        match sent.message:
            case Request():
                self.id = sent.message.id
                return self.live.replies()
            case Response():
                self.answers.append(sent.message)
                if len(self.answers) == 1:
                    assert isinstance(self.id, int)
                    self.live.say(Response(self.id, DONE), None)
        return None


def retry(asked: dict[str, Json], id_: int = 2, **params: Json) -> Request:
    """The same call with the answer to what it asked for."""
    wanted = asked["inputRequests"]
    assert isinstance(wanted, dict)
    answers: dict[str, Json] = {str(key): {"action": "accept"} for key in wanted}
    more: dict[str, Json] = {"inputResponses": answers, "requestState": asked["requestState"]}
    return modern_call(id_, **{**more, **params})


async def test_a_question_becomes_a_result_and_its_answer_goes_up() -> None:
    script = Asking(ASKED)
    house = House(one=FakeServer(script))
    asked = dict(result(await house.call(modern(), modern_call())))
    assert asked["resultType"] == "input_required"
    [wanted] = asked["inputRequests"].values()  # type: ignore[union-attr]
    assert wanted == {"method": ASKED.method, "params": ASKED.params}
    answer = await house.call(modern(), retry(asked))
    assert document(answer) == Document({"result": {**DONE, "resultType": "complete"}}, rpc=True)
    assert script.answers == [Response("q", {"action": "accept"})]


async def test_nobody_else_and_nothing_else_goes_on_with_it() -> None:
    script = Asking(ASKED)
    house = House(one=FakeServer(script))
    asked = dict(result(await house.call(modern(), modern_call())))
    unknown = Deny(Reason.PARAMETERS_INVALID)
    assert await house.call(modern(), retry(asked), owner="bob") == unknown
    assert await house.call(modern(), retry(asked, arguments={"a": 2})) == unknown
    assert await house.call(modern(), retry(asked, requestState="forged")) == unknown
    assert script.answers == []
    assert isinstance(await house.call(modern(), retry(asked)), Allow)
    assert await house.call(modern(), retry(asked)) == unknown


async def test_who_comes_back_without_the_answer_is_asked_once_more() -> None:
    script = Asking(ASKED)
    house = House(one=FakeServer(script))
    asked = dict(result(await house.call(modern(), modern_call())))
    again = dict(result(await house.call(modern(), retry(asked, inputResponses={"odd": {}}))))
    assert again["resultType"] == "input_required"
    assert script.answers == []
    assert document(await house.call(modern(), retry(again))).rpc
    assert script.answers == [Response("q", {"action": "accept"})]


async def test_answers_that_nobody_asked_for_go_nowhere() -> None:
    server = FakeServer(answering)
    house = House(one=server)
    assert document(await house.call(modern(), modern_call(inputResponses={"k": {}}))).rpc
    [said] = server.messages
    assert isinstance(said, Request)
    assert "inputResponses" not in said.params


async def test_what_may_not_be_asked_is_answered_here() -> None:
    script = Asking(ASKED)
    house = House(one=FakeServer(script))
    assert isinstance(await house.call(modern(), modern_call(), asking=nothing), Allow)
    [answer] = script.answers
    assert isinstance(answer.result, Failure)


async def test_a_client_that_cannot_be_asked_is_not() -> None:
    script = Asking(ASKED)
    house = House(one=FakeServer(script))
    assert isinstance(await house.call(modern({}), modern_call()), Allow)
    [answer] = script.answers
    assert answer.result == Failure(-32601, "Method not found")


async def test_a_ping_is_answered_here() -> None:
    script = Asking(Request("p", "ping"))
    house = House(one=FakeServer(script))
    assert isinstance(await house.call(modern(), modern_call()), Allow)
    assert script.answers == [Response("p", {})]


async def test_only_so_many_questions_of_one_owner_wait() -> None:
    scripts: list[Asking] = []

    def script(sent: Sent) -> Said:
        if isinstance(sent.message, Request):
            scripts.append(Asking(ASKED))
        return scripts[-1](sent)

    house = House(one=FakeServer(script))
    kinds = [result(await house.call(modern(), modern_call(n))).get("resultType") for n in range(9)]
    assert kinds == [*["input_required"] * 8, "complete"]
    await house.backend.aclose()
    assert all(each.live.released for each in scripts)


async def test_a_client_that_leaves_is_told_to_the_server() -> None:
    live = Live()
    live.say(Notification("notifications/message", {"level": "info", "data": "x"}))
    server = FakeServer(lambda sent: live.replies() if isinstance(sent.message, Request) else None)
    house = House(one=server)
    asking = asyncio.create_task(house.call(modern(), modern_call()))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await settled()
    assert live.released
    first, *_, last = server.messages
    assert isinstance(first, Request)
    assert last == Notification("notifications/cancelled", {"requestId": first.id})


async def test_a_client_that_leaves_its_stream_is_told_to_the_server() -> None:
    live = Live()
    server = FakeServer(lambda sent: live.replies() if isinstance(sent.message, Request) else None)
    house = House(one=server)
    asked = call(_meta={**CLIENT_META, "progressToken": "p"})
    live.say(Notification("notifications/progress", {"progressToken": 1, "progress": 1}))
    stream = streamed(await house.call(modern(), asked))
    assert (await anext(events(stream))).message is not None
    stream.release()
    stream.release()
    await settled()
    assert [type(each) for each in server.messages] == [Request, Notification]
    assert live.released


async def test_a_server_that_forgot_the_session_is_asked_in_another() -> None:
    def script(sent: Sent) -> Said:
        gone = FakeServer()._replies(None)
        if sent.session == "upstream-1":
            return type(gone)(404, gone.events)
        return answering(sent)

    house = House(one=FakeServer(script))
    assert isinstance(await house.call(modern(), modern_call()), Allow)


async def test_a_stream_that_the_server_closes_for_a_while_is_gone_on_with() -> None:
    ids: list[int] = []

    def script(sent: Sent) -> Said:
        if isinstance(sent.message, Request):
            assert isinstance(sent.message.id, int)
            ids.append(sent.message.id)
            return [Event(None, "place", 1)]
        assert sent.message is Verb.LISTEN
        assert sent.headers.get("last-event-id") == "place"
        return [Response(ids[0], DONE)]

    house = House(one=FakeServer(script))
    assert result(await house.call(modern(), modern_call()))["content"] == []


async def test_an_answer_that_ends_before_its_end_is_not_understood() -> None:
    house = House(one=FakeServer(lambda _: [Notification("notifications/tools/list_changed")]))
    assert await house.call(modern(), modern_call()) == Deny(Reason.MCP_UNREADABLE)


async def test_a_call_without_mcp_gets_the_bare_result() -> None:
    house = House(one=FakeServer(answering))
    assert document(await house.call(None, call("sidegate"))) == Document(
        DONE | {"resultType": "complete"}
    )


async def test_a_server_that_refuses_a_call_without_mcp_refused_it() -> None:
    failed = Failure(-32602, "no")
    house = House(
        one=FakeServer(
            lambda sent: (
                Response(sent.message.id, failed) if isinstance(sent.message, Request) else None
            )
        )
    )
    assert await house.call(None, call("sidegate")) == Deny(Reason.MCP_REFUSED)
