import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from doubles import LargeBody, UnreadBody, frames, inbound
from duplex import ACCEPT, KEY, FakeAgent

from proxy.actions import Forward, Listing, Message, Operate, Relay, ToolCall, Upgrade
from proxy.decision import Denied, Facts, Malformed
from proxy.exchange import Answer, Body, Clean, Codec, Document, Frame, Inbound, Stream
from proxy.protocols.operator import LinkCodec, MintCodec, OperationCodec, PairCodec
from proxy.protocols.problem import problem
from proxy.protocols.rest import ForwardCodec, ListingCodec, ToolCodec
from proxy.protocols.webhook import WebhookCodec
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

JSON = {"Content-Type": "application/json"}
TOOL = ToolCodec()
CODECS = [
    pytest.param(TOOL, id="tool"),
    pytest.param(ListingCodec(), id="listing"),
    pytest.param(WebhookCodec("/hooks/in"), id="webhook"),
    pytest.param(ForwardCodec(), id="forward"),
    pytest.param(OperationCodec("health"), id="operation"),
    pytest.param(MintCodec("tokens.create"), id="mint"),
    pytest.param(LinkCodec("links.create"), id="link"),
    pytest.param(PairCodec("pair"), id="pair"),
]
# The routes whose body is read as JSON, with a body that each takes.
READERS = [
    pytest.param(TOOL, b'{"arguments":{}}', id="tool"),
    pytest.param(WebhookCodec("/hooks/in"), b'{"message":"hello"}', id="webhook"),
    pytest.param(MintCodec("tokens.create"), b'{"name":"laptop"}', id="mint"),
]


def post(
    body: bytes,
    headers: dict[str, str] | None = None,
    *,
    capture: str | None = None,
    query: str = "",
) -> Inbound:
    return inbound(
        method="POST",
        body=body,
        headers=JSON if headers is None else headers,
        capture=capture,
        query=query,
    )


def with_body(request: Inbound, body: Body) -> Inbound:
    return replace(request, body=body)


async def refused(codec: Codec, request: Inbound) -> Reason:
    with pytest.raises(Malformed) as caught:
        await codec.parse(request)
    return caught.value.reason


def shown(answer: Answer) -> Json:
    assert isinstance(answer.body, bytes)
    value: Json = json.loads(answer.body)
    return value


async def sent(answer: Answer) -> list[bytes]:
    assert isinstance(answer.body, AsyncIterator)
    return [piece async for piece in answer.body]


# Tool calls.


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        (b'{"arguments":{}}', {}),
        (b' {"arguments": {"path": "a", "n": [1, null, {"x": true}]}}\n', None),
        (b'{"arguments":{"arguments":{}}}', {"arguments": {}}),
        ('{"arguments":{"ä":"😀"}}'.encode(), {"ä": "😀"}),
    ],
)
async def test_tool_call_is_its_name_and_arguments(
    body: bytes, arguments: dict[str, Json] | None
) -> None:
    expected = {"path": "a", "n": [1, None, {"x": True}]} if arguments is None else arguments

    assert await TOOL.parse(post(body, capture="file_read")) == ToolCall("file_read", expected)


@pytest.mark.parametrize("name", ["shell", "github.add", "../admin", "a b", "ä", "\0"])
async def test_name_of_the_tool_is_taken_as_it_is(name: str) -> None:
    assert await TOOL.parse(post(b'{"arguments":{}}', capture=name)) == ToolCall(name, {})


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"arguments":null}',
        b'{"arguments":[]}',
        b'{"arguments":"{}"}',
        b'{"arguments":1}',
        b'{"Arguments":{}}',
        b'{"arguments":{},"tool":"shell"}',
        b'{"arguments":{},"effect":"read"}',
        b'{"arguments":{},"arguments":{"path":"a"}}',
    ],
)
async def test_tool_call_holds_arguments_and_nothing_else(body: bytes) -> None:
    assert await refused(TOOL, post(body, capture="shell")) is Reason.BODY_MALFORMED


def test_result_is_shown_in_its_envelope() -> None:
    answer = TOOL.render(inbound(request_id="id-7"), Clean(Document({"content": "text"})))

    assert answer.status == 200
    assert shown(answer) == {"ok": True, "result": {"content": "text"}, "request_id": "id-7"}


async def test_listing_reads_nothing() -> None:
    assert await ListingCodec().parse(with_body(inbound(), UnreadBody())) == Listing()


# Bodies.


@pytest.mark.parametrize(("codec", "body"), READERS)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(JSON, id="plain"),
        pytest.param({"content-type": "APPLICATION/JSON"}, id="another case"),
        pytest.param({"Content-Type": "application/json; charset=utf-8"}, id="with UTF-8"),
        pytest.param({"Content-Type": 'application/json;charset="UTF-8"'}, id="with quoted UTF-8"),
        pytest.param({**JSON, "Content-Encoding": "identity"}, id="unencoded"),
        pytest.param({**JSON, "Content-Encoding": "Identity"}, id="unencoded in another case"),
    ],
)
async def test_json_is_taken(codec: Codec, body: bytes, headers: dict[str, str]) -> None:
    action = await codec.parse(post(body, headers, capture="t"))

    assert isinstance(action, ToolCall | Message | Operate)


@pytest.mark.parametrize(("codec", "body"), READERS)
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no type"),
        pytest.param({"Content-Type": ""}, id="empty type"),
        pytest.param({"Content-Type": "text/plain"}, id="text, which any page may send"),
        pytest.param({"Content-Type": "application/x-www-form-urlencoded"}, id="form"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=x"}, id="form of parts"),
        pytest.param({"Content-Type": "text/json"}, id="another name"),
        pytest.param({"Content-Type": "application/json5"}, id="another JSON"),
        pytest.param({"Content-Type": "application/vnd.api+json"}, id="JSON of another kind"),
        pytest.param({"Content-Type": "text/plain, application/json"}, id="two types"),
        pytest.param({"Content-Type": "application/json, text/plain"}, id="two types turned"),
        pytest.param({"Content-Type": "text/plain; x=application/json"}, id="type in a parameter"),
        pytest.param({**JSON, "Content-Encoding": "gzip"}, id="gzip"),
        pytest.param({**JSON, "Content-Encoding": "br"}, id="Brotli"),
        pytest.param({**JSON, "Content-Encoding": "identity, gzip"}, id="gzip in a list"),
        pytest.param({**JSON, "Content-Encoding": "x"}, id="unknown encoding"),
    ],
)
async def test_anything_else_is_refused(codec: Codec, body: bytes, headers: dict[str, str]) -> None:
    assert await refused(codec, post(body, headers)) is Reason.BODY_UNTYPED


async def test_a_tool_call_of_another_type_is_not_even_read() -> None:
    request = with_body(post(b"", {"Content-Type": "text/plain"}), UnreadBody())

    assert await refused(TOOL, request) is Reason.BODY_UNTYPED


@pytest.mark.parametrize(("codec", "body"), READERS)
@pytest.mark.parametrize(
    "data", [b" ", b"[]", b'"a"', b"1", b"null", b"{", b"\xff", b"[" * 100_000]
)
async def test_anything_but_one_object_is_malformed(codec: Codec, body: bytes, data: bytes) -> None:
    assert body != data
    assert await refused(codec, post(data)) is Reason.BODY_MALFORMED


@pytest.mark.parametrize(("codec", "body"), READERS)
async def test_body_past_the_limit_is_too_large(codec: Codec, body: bytes) -> None:
    assert await refused(codec, with_body(post(body), LargeBody())) is Reason.BODY_TOO_LARGE


# Routes of the agent.


@pytest.mark.parametrize(
    ("method", "path", "query", "target"),
    [
        ("GET", "/v1/models", "", "/v1/models"),
        ("DELETE", "/v1/%C3%A4/", "a=b%20c&d", "/v1/%C3%A4/?a=b%20c&d"),
        ("POST", "/v1/chat", "x=/../y?z", "/v1/chat?x=/../y?z"),
    ],
)
async def test_request_is_forwarded_as_it_came(
    method: str, path: str, query: str, target: str
) -> None:
    headers = Headers((("Host", "localhost"), ("X-Note", "a"), ("x-note", "b")))
    request = inbound(
        method=method, path=path, query=query, headers=headers.fields, body=b"\xff\0raw"
    )

    action = await ForwardCodec().parse(request)

    assert action == Forward(Relay(method, target, headers, b""))
    assert isinstance(action, Forward)
    upload = action.relay.upload
    assert upload is not None
    assert upload.length == 5
    assert [piece async for piece in upload.pieces] == [b"\xff\0raw"]


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Idempotency-Key"])
async def test_body_that_tells_a_request_from_others_is_read_first(name: str) -> None:
    request = inbound(headers={name: "key-1"}, body=b"\xff\0raw")

    action = await ForwardCodec().parse(request)

    assert isinstance(action, Forward)
    assert (action.relay.body, action.relay.upload) == (b"\xff\0raw", None)


async def test_forwarded_body_may_not_be_too_large() -> None:
    assert await refused(ForwardCodec(), with_body(inbound(), LargeBody())) is Reason.BODY_TOO_LARGE


# Answers.


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("replayed", [False, True])
def test_document_is_json_that_is_not_stored(codec: Codec, *, replayed: bool) -> None:
    answer = codec.render(inbound(), Clean(Document({}, 503), replayed=replayed))

    again = (("Idempotency-Replayed", "true"),) if replayed else ()
    assert answer.status == 503
    assert answer.headers == Headers(
        (("Content-Type", "application/json"), ("Cache-Control", "no-store"), *again)
    )


@pytest.mark.parametrize("value", [None, True, 1, "ä", [1, "a"], {"a": {"b": []}}])
def test_document_is_shown_as_it_is(value: Json) -> None:
    assert shown(OperationCodec("status").render(inbound(), Clean(Document(value)))) == value


@pytest.mark.parametrize("codec", CODECS)
async def test_stream_is_sent_as_it_comes(codec: Codec) -> None:
    headers = Headers((("Content-Type", "text/event-stream"), ("X-Note", "a")))
    stream = Stream(206, headers, frames(b"data: 1\n\n", b"", b"data: \xff"))
    answer = codec.render(inbound(), Clean(stream))

    assert (answer.status, answer.headers) == (206, headers)
    assert await sent(answer) == [b"data: 1\n\n", b"", b"data: \xff"]


@pytest.mark.parametrize("codec", CODECS)
def test_an_answer_from_memory_says_so(codec: Codec) -> None:
    stream = Stream(200, Headers((("X-Note", "a"),)), frames(b"a"))
    answer = codec.render(inbound(), Clean(stream, replayed=True))

    assert answer.headers == Headers((("X-Note", "a"), ("Idempotency-Replayed", "true")))


@pytest.mark.parametrize("codec", [TOOL, ListingCodec(), ForwardCodec()])
def test_nothing_here_shows_a_credential(codec: Codec) -> None:
    answer = codec.render(inbound(), Clean(Document({"a": 1}), issued="zc_1"))

    assert "zc_1" not in repr(answer)


async def test_stream_that_breaks_off_is_seen_to() -> None:
    async def broken() -> AsyncIterator[Frame]:
        yield Frame("body", b"a")
        raise ConnectionError

    answer = ForwardCodec().render(inbound(), Clean(Stream(200, Headers(), broken())))

    with pytest.raises(ConnectionError):
        await sent(answer)


@pytest.mark.parametrize("codec", CODECS)
def test_refusal_is_a_problem(codec: Codec) -> None:
    denied = Denied(Layer.AUTHORIZATION, Reason.TOOL_UNKNOWN, Facts(retry_after=1.5))
    request = inbound(request_id="id-7")

    assert codec.refuse(request, denied) == problem(denied, "id-7")
    assert shown(codec.refuse(request, denied)) != {}


# Answers in events.

EVENTS = {"Accept": "text/event-stream"}


def told(data: bytes) -> tuple[str, Json]:
    """The one event."""
    name, value, *rest = data.decode().split("\n")
    assert rest == ["", ""]
    return name, json.loads(value.removeprefix("data: "))


@pytest.mark.parametrize(
    ("headers", "detach", "stream"),
    [
        ({}, False, False),
        (EVENTS, False, True),
        ({"Accept": "*/*"}, False, False),
        ({**EVENTS, "Prefer": "respond-async"}, True, False),
    ],
)
async def test_a_call_may_ask_to_see_its_output_as_it_comes(
    headers: dict[str, str], *, detach: bool, stream: bool
) -> None:
    call = await TOOL.parse(post(b'{"arguments":{}}', {**JSON, **headers}, capture="shell"))

    assert isinstance(call, ToolCall)
    assert (call.detach, call.stream) == (detach, stream)


async def test_a_command_is_shown_in_events_that_nobody_stores_or_holds_up() -> None:
    async def command() -> AsyncIterator[Frame]:
        yield Frame("stdout", b"a")
        yield Frame("result", b'{"exit_code":3}', final=True)

    request = inbound(request_id="id-7", headers=EVENTS)
    answer = TOOL.render(request, Clean(Stream(200, Headers(), command())))

    assert answer.status == 200
    assert answer.headers == Headers(
        (
            ("Content-Type", "text/event-stream"),
            ("Cache-Control", "no-store"),
            ("X-Accel-Buffering", "no"),
        )
    )
    shown = [told(piece) for piece in await sent(answer)]
    result = {"ok": True, "result": {"exit_code": 3}, "request_id": "id-7"}
    assert shown == [("event: stdout", {"text": "a"}), ("event: result", result)]


async def test_what_is_lost_half_way_ends_in_the_refusal() -> None:
    async def command() -> AsyncIterator[Frame]:
        yield Frame("stdout", b"a")
        raise Denied(Layer.ISOLATION, Reason.SANDBOX_LOST)

    request = inbound(request_id="id-7", headers=EVENTS)
    *_, last = await sent(TOOL.render(request, Clean(Stream(200, Headers(), command()))))

    refusal = problem(Denied(Layer.ISOLATION, Reason.SANDBOX_LOST), "id-7")
    assert told(last) == ("event: error", shown(refusal))


@pytest.mark.parametrize("replayed", [False, True])
def test_an_answer_that_is_known_as_a_whole_is_one_event(*, replayed: bool) -> None:
    request = inbound(request_id="id-7", headers=EVENTS)
    answer = TOOL.render(request, Clean(Document({"content": "text"}), replayed=replayed))

    assert isinstance(answer.body, bytes)
    result = {"ok": True, "result": {"content": "text"}, "request_id": "id-7"}
    assert told(answer.body) == ("event: result", result)
    assert answer.headers.all("content-type") == ["text/event-stream"]
    assert answer.headers.all("cache-control") == ["no-store"]
    assert answer.headers.all("idempotency-replayed") == (["true"] if replayed else [])


def test_what_is_done_apart_is_told_in_json() -> None:
    request = inbound(headers={**EVENTS, "Prefer": "respond-async"})
    answer = TOOL.render(request, Clean(Document({"request_id": "r_1"}, 202)))

    assert answer.headers.get("content-type") == "application/json"
    assert shown(answer) == {"request_id": "r_1"}


def test_a_refusal_before_the_start_is_a_problem_all_the_same() -> None:
    denied = Denied(Layer.ISOLATION, Reason.SANDBOX_UNAVAILABLE)
    request = inbound(request_id="id-7", headers=EVENTS)

    assert TOOL.refuse(request, denied) == problem(denied, "id-7")


async def test_a_route_that_is_asked_for_a_websocket_reads_no_body() -> None:
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Protocol": "a, b",
        "Idempotency-Key": "k",
    }
    request = with_body(inbound(path="/ws", query="x=1", headers=fields), UnreadBody())

    action = await ForwardCodec().parse(request)

    relay = Relay("GET", "/ws?x=1", request.headers, b"", upgrade=Upgrade(("a", "b")))
    assert action == Forward(relay)
    ill_formed = inbound(headers=fields | {"Sec-WebSocket-Key": "x"})
    assert await refused(ForwardCodec(), ill_formed) is Reason.HANDSHAKE_MALFORMED


def test_a_websocket_is_accepted_with_the_key_that_was_asked_with() -> None:
    agent = FakeAgent()
    socket = replace(agent.socket, headers=Headers((("Sec-WebSocket-Protocol", "a"),)))

    answer = ForwardCodec().render(inbound(headers={"Sec-WebSocket-Key": KEY}), Clean(socket))

    assert (answer.status, answer.body) == (101, socket)
    assert answer.headers.fields == (
        ("Sec-WebSocket-Protocol", "a"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", ACCEPT),
    )
