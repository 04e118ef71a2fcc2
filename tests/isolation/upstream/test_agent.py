"""The agent at the other end of a real connection: what reaches it, and what becomes of it."""

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

import pytest
from doubles import CLIENT, grant
from wire import OK, Agent, Received, Step, agent, until

from proxy.actions import Invoke, Relay
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document, Peer, Stream
from proxy.isolation.upstream import Upstream
from proxy.isolation.upstream.session import Limits
from proxy.origin import Forwarded
from proxy.reasons import Reason
from proxy.values import Headers

OWN = {"Authorization": "Bearer agents-own-secret"}
CLIENTS = (
    ("Host", "sidegate"),
    ("Authorization", "Bearer zc_clients-own"),
    ("Content-Type", "text/x-note"),
    ("X-Note", "kept"),
    ("Cookie", "a=1; b=2"),
    ("User-Agent", "client/1"),
)

Reach = Callable[..., Awaitable[tuple[Agent, Upstream]]]


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    """An agent that gives this answer, and a backend that is pointed at it."""
    async with AsyncExitStack() as stack:

        async def run(
            *answer: Step, base: str = "", own: Mapping[str, str] = OWN
        ) -> tuple[Agent, Upstream]:
            double = await stack.enter_async_context(agent(*answer))
            backend = Upstream(double.url + base, own)
            stack.push_async_callback(backend.aclose)
            return double, backend

        yield run


def invoke(seconds: float = 5.0) -> Invoke:
    return Invoke("/tools/add", {"a": 1, "b": "zwei"}, seconds)


def relay(
    method: str = "POST",
    target: str = "/v1/chat",
    headers: tuple[tuple[str, str], ...] = CLIENTS,
    body: bytes = b"hello",
) -> Relay:
    return Relay(method, target, Headers(headers), body)


async def run(backend: Upstream, plan: Invoke | Relay) -> Decision[Content]:
    return await backend.run(plan, grant(plan))


async def stream_of(backend: Upstream, plan: Relay) -> Stream:
    done = await run(backend, plan)
    assert isinstance(done, Allow)
    assert isinstance(done.value, Stream)
    return done.value


async def drained(stream: Stream) -> bytes:
    data = b"".join([frame.data async for frame in stream.frames])
    stream.release()
    return data


def answer(
    body: bytes, kind: str = "application/json", *fields: str, status: str = "200 OK"
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


# Tool calls


@pytest.mark.parametrize(
    ("body", "kind", "value"),
    [
        pytest.param(b'{"sum":3}', "application/json", {"sum": 3}, id="JSON is the result itself"),
        pytest.param(
            b"[1,null]", "application/json; charset=UTF-8", [1, None], id="so is any JSON value"
        ),
        pytest.param(b"three", "text/plain", {"text": "three"}, id="other text is wrapped"),
        pytest.param(b'{"a":', "application/json", {"text": '{"a":'}, id="broken JSON is a text"),
        pytest.param(
            b'{"a":1,"a":2}',
            "application/json",
            {"text": '{"a":1,"a":2}'},
            id="JSON of two meanings is a text",
        ),
        pytest.param(b"\xff!", "text/plain", {"text": "\ufffd!"}, id="other bytes are replaced"),
        pytest.param(b"", "text/plain", {"text": ""}, id="nothing is an empty text"),
    ],
)
async def test_a_tool_answers(reach: Reach, body: bytes, kind: str, value: object) -> None:
    _, backend = await reach(answer(body, kind))

    done = await run(backend, invoke())

    assert isinstance(done, Allow)
    assert done.value == Document(value)  # type: ignore[arg-type]
    assert done.facts == {"upstream_status": 200}


async def test_a_tool_receives_its_arguments_and_who_asks(reach: Reach) -> None:
    double, backend = await reach()

    await run(backend, invoke())

    (seen,) = double.seen
    assert seen.line == "POST /tools/add HTTP/1.1"
    assert seen.body == b'{"arguments":{"a":1,"b":"zwei"}}'
    assert dict(seen.fields) == {
        "host": f"127.0.0.1:{double.port}",
        "content-type": "application/json",
        "content-length": str(len(seen.body)),
        "accept": "*/*",
        "accept-encoding": "identity",
        "authorization": "Bearer agents-own-secret",
        "x-request-id": "request-1",
        "x-sidegate-principal": "client-1",
    }


async def test_the_path_of_the_url_comes_first(reach: Reach) -> None:
    double, backend = await reach(base="/base/")

    await run(backend, invoke())

    assert double.seen[0].line == "POST /base/tools/add HTTP/1.1"


@pytest.mark.parametrize(
    ("pieces", "reason", "status"),
    [
        # the agent says no
        *(
            pytest.param(
                (answer(b"", status=f"{status} Y"),),
                Reason.UPSTREAM_REFUSED,
                status,
                id=f"status {status}",
            )
            for status in (304, 400, 401, 404, 429, 500, 503)
        ),
        # what cannot be read is not shown
        pytest.param(
            (answer(gzip.compress(b"{}"), "application/json", "Content-Encoding: gzip"),),
            Reason.UPSTREAM_UNREADABLE,
            200,
            id="compressed",
        ),
        pytest.param(
            (
                answer(
                    gzip.compress(b"{}"),
                    "application/json",
                    "Content-Encoding: identity",
                    "Content-Encoding: gzip",
                ),
            ),
            Reason.UPSTREAM_UNREADABLE,
            200,
            id="compressed, said in a second field",
        ),
        pytest.param(
            (answer("{}".encode("utf-16"), "application/json; charset=utf-16"),),
            Reason.UPSTREAM_UNREADABLE,
            200,
            id="in another character set",
        ),
        pytest.param(
            (answer(b"x" * (4 << 20) + b"y", "text/plain"),),
            Reason.UPSTREAM_UNREADABLE,
            200,
            id="more than four megabytes",
        ),
        # no answer at all
        pytest.param((b"",), Reason.UPSTREAM_UNREACHABLE, 0, id="the connection is closed"),
        pytest.param((b"hello\r\n\r\n",), Reason.UPSTREAM_UNREACHABLE, 0, id="not HTTP"),
        pytest.param((5.0,), Reason.UPSTREAM_LATE, 0, id="silence"),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", 5.0),
            Reason.UPSTREAM_LATE,
            0,
            id="a body that does not end in time",
        ),
        pytest.param(
            (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",),
            Reason.UPSTREAM_UNREACHABLE,
            0,
            id="a body that breaks off",
        ),
    ],
)
async def test_a_tool_call_that_fails_says_why(
    reach: Reach, pieces: tuple[Step, ...], reason: Reason, status: int
) -> None:
    _, backend = await reach(*pieces)

    done = await run(backend, invoke(seconds=0.5))

    assert done == Deny(reason)
    assert done.facts == {"upstream_status": status}


async def test_a_late_agent_is_let_go(reach: Reach) -> None:
    double, backend = await reach(30.0)

    assert await run(backend, invoke(seconds=0.2)) == Deny(Reason.UPSTREAM_LATE)

    await until(lambda: double.left == 1)


async def test_nobody_listening_is_unreachable_at_once() -> None:
    backend = Upstream("http://127.0.0.1:1", {})
    started = time.monotonic()

    done = await run(backend, invoke())

    assert done == Deny(Reason.UPSTREAM_UNREACHABLE)
    assert time.monotonic() - started < 2
    await backend.aclose()


async def test_without_an_agent_nothing_is_asked() -> None:
    backend = Upstream(None, {})

    assert await run(backend, invoke()) == Deny(Reason.UPSTREAM_MISSING)
    assert await run(backend, relay()) == Deny(Reason.UPSTREAM_MISSING)
    await backend.aclose()


# What reaches the agent


async def test_the_agent_receives_what_the_client_meant_for_it(reach: Reach) -> None:
    double, backend = await reach()

    await drained(await stream_of(backend, relay()))

    (seen,) = double.seen
    assert seen.line == "POST /v1/chat HTTP/1.1"
    assert seen.body == b"hello"
    assert dict(seen.fields) == {
        "host": f"127.0.0.1:{double.port}",
        "content-type": "text/x-note",
        "content-length": "5",
        "x-note": "kept",
        "cookie": "a=1; b=2",
        "user-agent": "client/1",
        "accept": "*/*",
        "accept-encoding": "identity",
        "authorization": "Bearer agents-own-secret",
        "x-request-id": "request-1",
        "x-sidegate-principal": "client-1",
    }


@pytest.mark.parametrize(
    "fields",
    [
        # identities that the client claims
        pytest.param((("AUTHORIZATION", "Bearer zc_x"),), id="its own credential"),
        pytest.param((("Proxy-Authorization", "Basic x"),), id="one for a proxy"),
        pytest.param((("X-Pairing-Code", "123456"),), id="a pairing code"),
        pytest.param((("X-Webhook-Secret", "s"),), id="a webhook secret"),
        *(
            pytest.param(((name, "1.2.3.4"),), id=name)
            for name in (
                *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-User", "X-Forwarded-Proto"),
                *("X-Forwarded-Uri", "Forwarded", "X-Real-IP", "X-Sidegate-Principal"),
            )
        ),
        # twins that CGI-style servers cannot tell apart
        *(
            pytest.param(((name, "x"),), id=name)
            for name in ("X_Forwarded_For", "X-Forwarded_For", "Proxy_Authorization", "a_b")
        ),
        # a part of an answer, in which a secret is not to be recognized
        pytest.param((("Range", "bytes=8-"),), id="Range"),
        pytest.param((("If-Range", "x"),), id="If-Range"),
        # what belongs to one connection
        *(
            pytest.param(((name, value),), id=name)
            for name, value in (
                *(("TE", "trailers"), ("Trailer", "X-A"), ("Upgrade", "h2c")),
                *(("HTTP2-Settings", "AAMAAABkAAQAAP__"), ("Proxy-Connection", "keep-alive")),
                *(("Keep-Alive", "timeout=9"), ("Expect", "100-continue")),
                *(("Transfer-Encoding", "chunked"), ("Content-Length", "99")),
            )
        ),
        pytest.param((("Connection", "close, X-Note"), ("X-Note", "x")), id="named by Connection"),
        pytest.param(
            (("Connection", "a"), ("Connection", "x-NOTE"), ("X-Note", "x")), id="in a second one"
        ),
    ],
)
async def test_some_fields_never_reach_the_agent(
    reach: Reach, fields: tuple[tuple[str, str], ...]
) -> None:
    double, backend = await reach(own={})

    await drained(await stream_of(backend, relay(headers=fields)))

    (seen,) = double.seen
    own = {"host", "accept", "accept-encoding", "content-length"}
    assert dict(seen.fields).keys() == own | {"x-request-id", "x-sidegate-principal"}
    assert seen.all("content-length") == ["5"]
    assert seen.all("x-sidegate-principal") == ["client-1"]


@pytest.mark.parametrize("named", ["Authorization", "X-Request-ID", "X-Sidegate-Principal", "Host"])
async def test_connection_cannot_take_our_own_fields_away(reach: Reach, named: str) -> None:
    double, backend = await reach()

    await drained(await stream_of(backend, relay(headers=(("Connection", f"close, {named}"),))))

    assert double.seen[0].all("authorization") == ["Bearer agents-own-secret"]
    assert double.seen[0].all("x-request-id") == ["request-1"]
    assert double.seen[0].all("x-sidegate-principal") == ["client-1"]
    assert double.seen[0].all("host") == [f"127.0.0.1:{double.port}"]


async def test_a_configured_field_wins_over_the_clients(reach: Reach) -> None:
    double, backend = await reach(own={"X-Tenant": "ours"})

    await drained(await stream_of(backend, relay(headers=(("x-tenant", "theirs"),))))

    assert double.seen[0].all("x-tenant") == ["ours"]


@pytest.mark.parametrize(
    "target",
    [
        "/v1/chat?a=1&b=%2F..%2F&c=%20+&d=[x]{y}|z",
        "/v1/%7Euser/a+b:c,d@e",
        "/v1/%C3%A4?q=%C3%A4",
        "/v1/chat?a=1&a=2&&b",
    ],
)
async def test_path_and_query_go_verbatim(reach: Reach, target: str) -> None:
    double, backend = await reach()

    await drained(await stream_of(backend, relay(target=target)))

    assert double.seen[0].line == f"POST {target} HTTP/1.1"


@pytest.mark.parametrize(
    ("method", "body", "lengths"),
    [
        ("GET", b"", []),
        ("GET", b"odd", ["3"]),
        ("HEAD", b"", []),
        ("POST", b"", ["0"]),
        ("PUT", b"x", ["1"]),
        ("PATCH", b"", ["0"]),
        ("DELETE", b"", []),
        ("OPTIONS", b"", []),
    ],
)
async def test_a_request_is_framed_once(
    reach: Reach, method: str, body: bytes, lengths: list[str]
) -> None:
    double, backend = await reach(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")

    await drained(await stream_of(backend, relay(method, body=body)))

    (seen,) = double.seen
    assert seen.line == f"{method} /v1/chat HTTP/1.1"
    assert seen.body == body
    assert (seen.all("content-length") or ["0"]) == (lengths or ["0"])
    assert seen.all("transfer-encoding") == []


async def test_a_redirect_is_an_answer_and_not_an_order(reach: Reach) -> None:
    double, backend = await reach(
        answer(b"", "text/plain", "Location: /elsewhere", status="307 Temporary Redirect")
    )

    stream = await stream_of(backend, relay())

    assert stream.status == 307
    assert stream.headers.get("location") == "/elsewhere"
    await drained(stream)
    assert len(double.seen) == 1


async def test_cookies_are_the_clients_alone(reach: Reach) -> None:
    """Another client's request carries nothing of what the agent gave the first."""
    double, backend = await reach(
        answer(b"{}", "application/json", "Set-Cookie: session=first", "Connection: close")
    )

    first = await stream_of(backend, relay(headers=()))
    assert first.headers.get("set-cookie") == "session=first"
    await drained(first)
    await drained(await stream_of(backend, relay(headers=())))
    await run(backend, invoke())

    assert [seen.all("cookie") for seen in double.seen] == [[], [], []]


async def test_proxies_of_the_environment_are_not_asked(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    double, backend = await reach()
    other, _ = await reach()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, other.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)

    await run(backend, invoke())

    assert (len(double.seen), len(other.seen)) == (1, 0)


async def test_a_client_behind_a_proxy_is_named_as_that_says(reach: Reach) -> None:
    double, backend = await reach()
    client = Forwarded(ip_address("203.0.113.7"), "https", "agent.example")
    principal = replace(CLIENT, peer=Peer("203.0.113.7", forwarded=client))
    plan = relay(headers=(("X-Forwarded-For", "6.6.6.6"),))

    await backend.run(plan, grant(plan, principal))

    assert double.seen[0].all("x-forwarded-for") == ["203.0.113.7"]
    assert double.seen[0].all("x-forwarded-proto") == ["https"]
    assert double.seen[0].all("x-forwarded-host") == ["agent.example"]


# The moment before the first byte


@dataclass
class Gate:
    """What is awaited before a request goes out. It opens when it is told to."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    error: OSError | None = None

    async def __call__(self) -> None:
        self.asked += 1
        await self.open.wait()
        if self.error is not None:
            raise self.error


@dataclass
class Line:
    """An agent that only listens: every connection to it, and what came on it until its end."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.heard.append(await reader.read())
        finally:
            writer.close()


@pytest.fixture
async def line() -> AsyncIterator[tuple[Line, Upstream]]:
    double = Line()
    server = await asyncio.start_server(double.hear, "127.0.0.1", 0)
    double.port = server.sockets[0].getsockname()[1]
    backend = Upstream(f"http://127.0.0.1:{double.port}", {})
    yield double, backend
    await backend.aclose()
    server.close()


@pytest.mark.parametrize("plan", [invoke(), relay()], ids=["tool call", "message"])
async def test_the_agent_is_reached_and_hears_nothing_until_it_may(
    reach: Reach, plan: Invoke | Relay
) -> None:
    double, backend = await reach()
    gate = Gate()
    call = asyncio.create_task(run(backend, replace(plan, before=gate)))
    await until(lambda: gate.asked)
    await asyncio.sleep(0.1)
    heard = len(double.seen)

    gate.open.set()
    done = await call

    assert heard == 0
    assert isinstance(done, Allow)
    assert (len(double.seen), gate.asked) == (1, 1)


async def test_an_agent_that_is_down_is_never_asked_about() -> None:
    backend, gate = Upstream("http://127.0.0.1:1", {}), Gate()

    done = await run(backend, replace(relay(), before=gate))

    assert done == Deny(Reason.UPSTREAM_UNREACHABLE)
    assert gate.asked == 0
    await backend.aclose()


async def test_what_must_not_go_out_leaves_an_empty_connection_that_is_closed(
    line: tuple[Line, Upstream],
) -> None:
    double, backend = line
    gate = Gate(error=OSError("the letter was dropped"))
    gate.open.set()

    done = await run(backend, replace(relay(), before=gate))

    assert done == Deny(Reason.UPSTREAM_UNREACHABLE)
    await until(lambda: double.heard)
    assert double.heard == [b""]


async def test_a_caller_that_leaves_before_the_first_byte_leaves_no_connection(
    line: tuple[Line, Upstream],
) -> None:
    double, backend = line
    gate = Gate()
    call = asyncio.create_task(run(backend, replace(relay(), before=gate)))
    await until(lambda: gate.asked)

    call.cancel()
    await asyncio.wait({call})

    await until(lambda: double.heard)
    assert double.heard == [b""]
    assert call.cancelled()


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "PATCH"])
async def test_a_request_without_an_answer_is_not_sent_again(reach: Reach, method: str) -> None:
    """The client library would send some of them twice."""
    double, backend = await reach(b"")

    assert await run(backend, relay(method)) == Deny(Reason.UPSTREAM_UNREACHABLE)

    assert len(double.seen) == 1


# What comes back


async def test_an_answer_comes_with_its_status_and_fields(reach: Reach) -> None:
    _, backend = await reach(
        answer(
            b"teapot",
            "text/plain",
            *("X-Note: one", "X-Note: two", "Set-Cookie: a=1", "Set-Cookie: b=2"),
            *("Connection: close, X-Hop", "X-Hop: x", "Keep-Alive: timeout=5", "Upgrade: h2c"),
            *("Server: demo", "X-Request-ID: theirs", "Alt-Svc: h3", "Proxy-Authenticate: Basic"),
            *("Strict-Transport-Security: max-age=1", "ETag: e", "Trailer: x"),
            status="418 Teapot",
        )
    )

    stream = await stream_of(backend, relay())

    assert stream.status == 418
    assert await drained(stream) == b"teapot"
    assert sorted((name.lower(), value) for name, value in stream.headers) == [
        ("content-type", "text/plain"),
        ("etag", "e"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-note", "one"),
        ("x-note", "two"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(("Content-Encoding: gzip",), id="compressed"),
        pytest.param(("Content-Encoding: GZIP",), id="in capitals"),
        pytest.param(("Content-Encoding: identity, br",), id="in a list"),
        pytest.param(("Content-Encoding: identity", "Content-Encoding: gzip"), id="in two fields"),
        pytest.param(("Content-Type: text/plain; charset=utf-16",), id="of two bytes a character"),
        pytest.param(("Content-Type: text/plain; charset=utf-7",), id="of seven bits a byte"),
        pytest.param(
            ("Content-Type: text/plain", "Content-Type: text/plain; charset=utf-16le"),
            id="with a second type",
        ),
    ],
)
async def test_an_answer_that_cannot_be_read_is_not_passed_on(
    reach: Reach, fields: tuple[str, ...]
) -> None:
    lines = ("HTTP/1.1 200 OK", *fields, "Content-Length: 4")
    _, backend = await reach("\r\n".join(lines).encode() + b"\r\n\r\nbody")

    assert await run(backend, relay()) == Deny(Reason.UPSTREAM_UNREADABLE)


async def test_a_stream_comes_as_it_is_sent(reach: Reach) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    _, backend = await reach(head, b"data: 1\n\n", 0.3, b"data: 2\n\n", 0.3, b"data: 3\n\n")
    started = time.monotonic()

    stream = await stream_of(backend, relay())
    pieces = [(frame.data, time.monotonic() - started) async for frame in stream.frames]
    stream.release()

    assert [data for data, _ in pieces] == [b"data: 1\n\n", b"data: 2\n\n", b"data: 3\n\n"]
    assert pieces[0][1] < 0.25
    assert pieces[2][1] - pieces[0][1] > 0.5


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("Content-Length: 50", id="before its length"),
        pytest.param("Transfer-Encoding: chunked", id="before its last chunk"),
    ],
)
async def test_a_stream_that_breaks_off_does_not_look_whole(reach: Reach, head: str) -> None:
    piece = b"5\r\nhello\r\n"
    _, backend = await reach(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + piece)
    stream = await stream_of(backend, relay())

    with pytest.raises(Exception, match="payload"):
        await drained(stream)

    stream.release()


async def test_a_stream_is_let_go_unread(reach: Reach) -> None:
    double, backend = await reach(b"HTTP/1.1 200 OK\r\n\r\n", b"a", 30.0)
    stream = await stream_of(backend, relay())

    stream.release()
    stream.release()

    await until(lambda: double.left == 1)


async def test_a_caller_that_leaves_ends_the_request_to_the_agent(reach: Reach) -> None:
    double, backend = await reach(30.0)
    call = asyncio.create_task(run(backend, invoke(seconds=30)))
    await until(lambda: double.seen)

    call.cancel()

    await until(lambda: double.left == 1)
    assert call.cancelled()


async def test_every_byte_comes_as_it_is(reach: Reach) -> None:
    data = bytes(range(256)) * 512
    _, backend = await reach(answer(data, "image/png"))

    assert await drained(await stream_of(backend, relay())) == data


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 13\r\n\r\n"),
    ],
)
async def test_an_answer_without_a_body_ends_at_once(
    reach: Reach, method: str, head: bytes
) -> None:
    _, backend = await reach(head, 30.0)

    stream = await stream_of(backend, relay(method, body=b""))

    async with asyncio.timeout(5):
        assert await drained(stream) == b""


# Readiness


async def test_an_agent_that_takes_connections_is_not_missing(reach: Reach) -> None:
    _, backend = await reach()
    nowhere = Upstream(None, {})

    assert await backend.missing() is None
    assert await nowhere.missing() is None
    await nowhere.aclose()


async def test_an_agent_that_is_gone_is_missing_by_its_address() -> None:
    backend = Upstream("http://127.0.0.1:1/base", {})

    sentence = await backend.missing()

    assert sentence == "the agent at 127.0.0.1:1 does not answer: ConnectionRefusedError"
    await backend.aclose()


async def test_it_is_up_once_it_answers_and_until_it_cannot_be_reached() -> None:
    async with agent() as double:
        backend = Upstream(double.url, {})
        seen = [backend.up]
        await drained(await stream_of(backend, relay()))
        seen.append(backend.up)
        double.answer = (b"",)  # it is there, and says nothing
        await run(backend, relay())
        seen.append(backend.up)
    assert await run(backend, relay()) == Deny(Reason.UPSTREAM_UNREACHABLE)
    seen.append(backend.up)

    assert seen == [False, True, True, False]
    await backend.aclose()


async def test_an_agent_that_is_found_again_is_asked_at_once() -> None:
    async with agent() as double:
        port = double.port
    backend = Upstream(f"http://127.0.0.1:{port}", {})
    for _ in range(5):
        await run(backend, relay())
    assert await run(backend, relay()) == Deny(Reason.UPSTREAM_DOWN)

    async with agent(port=port):
        assert await backend.missing() is None
        assert await drained(await stream_of(backend, relay()))
    await backend.aclose()


@pytest.mark.parametrize(
    ("limits", "pieces"),
    [
        pytest.param(Limits(answer=0.2), (5.0,), id="the first byte"),
        pytest.param(Limits(total=0.2), (5.0,), id="the whole, before the first byte"),
    ],
)
async def test_an_answer_that_does_not_begin_in_its_time_is_late(
    limits: Limits, pieces: tuple[Step, ...]
) -> None:
    async with agent(*pieces) as double:
        backend = Upstream(double.url, {}, limits)

        assert await run(backend, relay()) == Deny(Reason.UPSTREAM_LATE)
        await backend.aclose()


@pytest.mark.parametrize(
    "limits", [Limits(idle=0.2), Limits(total=0.4)], ids=["between two pieces", "the whole"]
)
async def test_an_answer_that_does_not_end_in_its_time_breaks_off(limits: Limits) -> None:
    async with agent(b"HTTP/1.1 200 OK\r\n\r\n", b"a", 5.0, b"b") as double:
        backend = Upstream(double.url, {}, limits)
        stream = await stream_of(backend, relay())

        with pytest.raises(TimeoutError):
            await drained(stream)

        stream.release()
        await until(lambda: double.left == 1)
        await backend.aclose()


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


async def test_events_may_be_silent_for_hours() -> None:
    async with agent(EVENTS, b"data: 1\n\n", 0.6, b"data: 2\n\n") as double:
        backend = Upstream(double.url, {}, Limits(idle=0.1))
        stream = await stream_of(backend, relay())

        assert await drained(stream) == b"data: 1\n\ndata: 2\n\n"
        await backend.aclose()


async def test_events_end_with_the_time_of_the_whole() -> None:
    async with agent(EVENTS, b"data: 1\n\n", 5.0) as double:
        backend = Upstream(double.url, {}, Limits(idle=0.1, total=0.4))
        stream = await stream_of(backend, relay())

        with pytest.raises(TimeoutError):
            await drained(stream)
        stream.release()
        await backend.aclose()


@pytest.mark.parametrize(
    "kind", [b"text/event-stream2", b"text/plain; text/event-stream", b"application/x-ndjson"]
)
async def test_what_only_looks_like_events_is_held_to_the_limit(kind: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n"
    async with agent(head, b"data: 1\n\n", 5.0) as double:
        backend = Upstream(double.url, {}, Limits(idle=0.1))
        stream = await stream_of(backend, relay())

        with pytest.raises(TimeoutError):
            await drained(stream)
        stream.release()
        await backend.aclose()


def test_the_double_of_an_agent_reads_fields_as_sent() -> None:
    seen = Received(b"GET / HTTP/1.1\r\nX-A: 1\r\nx-a: 2")

    assert seen.all("x-a") == ["1", "2"]
    assert OK.startswith(b"HTTP/1.1 200")
