"""The edge: whatever bytes come, a layer sees a request or nobody does, and we are still there."""

import asyncio
import base64
import ipaddress
import json
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import labelled
import pytest
from conftest import Sidegate, Start
from doubles import CLIENT, Clock, Spy, frames
from structlog.testing import capture_logs
from wire import Agent, Reply, agent, send, until

from proxy.actions import Action, Operate
from proxy.connection import Limits
from proxy.decision import Denied, Malformed, Quota
from proxy.exchange import (
    Answer,
    Clean,
    Document,
    Frame,
    Inbound,
    Listener,
    Peer,
    Principal,
    Route,
    Stream,
)
from proxy.limits import Share
from proxy.metrics import Metrics
from proxy.origin import Forwarded
from proxy.pipeline import Pipeline
from proxy.protection.redactor import Redactor
from proxy.protocols.rest import RestCodec
from proxy.reasons import Layer, Reason
from proxy.running import Running
from proxy.server import Server
from proxy.trace import Trace
from proxy.values import Headers

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ROUTES = [
    {"path": path, "methods": list(METHODS)} for path in ("/v1/chat", "/v1/files/*", "/SMUGGLED")
]
HOST = b"Host: localhost\r\n"
GET = b"GET /v1/chat HTTP/1.1\r\n" + HOST + b"\r\n"
ALIVE = b"GET /health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


def post(body: bytes, *fields: str, path: str = "/v1/chat", version: str = "1.1") -> bytes:
    lines = [f"POST {path} HTTP/{version}", "Host: localhost", *fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def closing(request: bytes) -> bytes:
    return request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)


# A server of its own, over a pipeline that does as it is told


class Echo(RestCodec):
    """A codec that shows the request as it came, or fails."""

    def __init__(self) -> None:
        self.seen: list[Inbound] = []
        self.fails: BaseException | None = None

    async def parse(self, inbound: Inbound) -> Action:
        return Operate("echo")

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        if self.fails is not None:
            raise self.fails
        return super().render(inbound, clean)


@dataclass
class Told:
    """A pipeline that answers as it is told, and reads the body where it is told to."""

    clean: Clean = field(default_factory=lambda: Clean(Document({"a": 1})))
    denied: Denied | None = None
    reads: bool = False
    principal: Principal | None = None
    peer: Peer | None = None
    quotas: list[Quota] = field(default_factory=list)
    seen: list[Inbound] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.go.set()

    async def handle(self, inbound: Inbound, trace: Trace) -> Clean:
        self.seen.append(inbound)
        trace.principal, trace.peer = self.principal, self.peer
        trace.quotas.extend(self.quotas)
        await self.go.wait()
        if self.reads:
            self.bodies.append(await inbound.body.read())
        if self.denied is not None:
            raise self.denied
        return self.clean


@dataclass
class Edge:
    """A server of one route."""

    told: Told
    codec: Echo
    spy: Spy
    running: Running
    metrics: Metrics
    port: int = 0
    path: str = ""

    async def ask(self, *pieces: bytes, **how: Any) -> Reply:
        return await send(self.port, *pieces, **how)


ECHO = b"GET /echo HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[Edge]:
    """One listener at an address and at a unix socket."""
    made = Edge(Told(), Echo(), Spy(), Running(), Metrics("1", ("echo", "none")))
    made.path = str(tmp_path / "edge.sock")
    server = Server(
        cast("Pipeline", made.told),
        (made.spy, made.metrics),
        made.running,
        made.metrics,
        Limits(max_body=1000),
        Redactor(("held-secret-0815",)).text,
        Share(3, Clock()),
    )
    table = (
        Route("echo", frozenset(METHODS), "/echo", made.codec),
        Route("echo", frozenset(METHODS), "/echo/{name}", made.codec),
    )
    door = server.door(Listener("gateway", None, None), table)
    loop = asyncio.get_running_loop()
    serving = await loop.create_server(door, "127.0.0.1", 0)
    local = await loop.create_unix_server(door, made.path)
    made.port = serving.sockets[0].getsockname()[1]
    yield made
    serving.close()
    local.close()
    await door.aclose()


async def test_a_layer_sees_the_request_as_it_was_sent(edge: Edge) -> None:
    await edge.ask(
        b"PUT /echo/%41%20b?a=%2F&&b HTTP/1.1\r\nHost: x:1\r\nX-A: 1\r\nx-a:  2 \r\n"
        b"X-B: \xc3\xa4\xff\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )

    (seen,) = edge.told.seen
    assert (seen.method, seen.version) == ("PUT", (1, 1))
    assert (seen.path, seen.query, seen.capture) == ("/echo/%41%20b", "a=%2F&&b", "A b")
    assert seen.headers.all("X-A") == ["1", "2"]
    assert seen.headers.get("x-b") == "ä\udcff"
    assert seen.listener.name == "gateway"
    assert seen.route.name == "echo"
    loopback = ipaddress.ip_address("127.0.0.1")
    assert seen.connection.address == seen.connection.local == loopback
    assert seen.connection.uid is None


async def test_behind_a_unix_socket_is_the_user_that_the_kernel_names(edge: Edge) -> None:
    reader, writer = await asyncio.open_unix_connection(edge.path)
    writer.write(ECHO)
    await reader.read()
    writer.close()

    (seen,) = edge.told.seen
    assert (seen.connection.uid, seen.connection.address) == (os.geteuid(), None)


async def test_an_answer_carries_our_own_fields(edge: Edge) -> None:
    reply = await edge.ask(ECHO)

    fields = reply.fields
    assert reply.status == 200
    assert reply.json() == {"a": 1}
    assert fields["server"] == "sidegate"
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["x-request-id"] == edge.told.seen[0].request_id
    assert fields["content-type"] == "application/json"
    assert fields["cache-control"] == "no-store"


GUARDS = {
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
POLICY = {"content-security-policy": "default-src 'none'; frame-ancestors 'none'"}


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(ECHO, id="an answer"),
        pytest.param(ECHO.replace(b"/echo", b"/none"), id="a refusal"),
        pytest.param(b"garbage\r\n\r\n", id="an answer to no request"),
    ],
)
async def test_a_browser_does_nothing_with_an_answer_of_ours(edge: Edge, sent: bytes) -> None:
    if b"/none" in sent:
        edge.told.denied = Denied(Layer.NETWORK, Reason.ROUTE_UNKNOWN)

    fields = (await edge.ask(sent)).fields

    assert (GUARDS | POLICY).items() <= fields.items()
    assert "strict-transport-security" not in fields


async def test_an_answer_of_the_agents_says_itself_what_a_browser_may_do(edge: Edge) -> None:
    own = Headers((("X-Frame-Options", "SAMEORIGIN"),))
    edge.told.clean = Clean(Stream(200, own, frames(b"<p>")))

    fields = (await edge.ask(ECHO)).fields

    assert (GUARDS | {"x-frame-options": "SAMEORIGIN"}).items() <= fields.items()
    assert "content-security-policy" not in fields


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_only_who_came_by_tls_is_told_to_stay_with_it(edge: Edge, scheme: str) -> None:
    client = Forwarded(ipaddress.ip_address("198.51.100.7"), scheme, "")
    edge.told.peer = Peer("198.51.100.7", forwarded=client)

    assert ("strict-transport-security" in (await edge.ask(ECHO)).fields) is (scheme == "https")


@pytest.mark.parametrize("denied", [None, Denied(Layer.NETWORK, Reason.RATE_LIMITED)])
async def test_who_is_counted_is_told_where_it_stands(edge: Edge, denied: Denied | None) -> None:
    edge.told.denied = denied
    edge.told.quotas = [Quota("webhook", 60, 60, 12, 47.01), Quota("tools", 600, 60, 0, 60.0)]

    fields = (await edge.ask(ECHO)).fields

    assert fields["ratelimit-policy"] == '"webhook";q=60;w=60, "tools";q=600;w=60'
    assert fields["ratelimit"] == '"webhook";r=12;t=48, "tools";r=0;t=60'


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ("abc", True),
        ("A-b_c.9", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("a b", False),
        ("a/b", False),
        ("a;b", False),
        ("ä", False),
        ('"><script>', False),
        ("a\tb", False),
        ("held-secret-0815", False),
        ("zc_" + "0" * 64, False),
    ],
)
async def test_a_request_id_is_taken_where_it_is_harmless(
    edge: Edge, offered: str, *, taken: bool
) -> None:
    fields = f"X-Request-ID: {offered}\r\nConnection: close\r\n\r\n".encode()
    reply = await edge.ask(b"GET /echo HTTP/1.1\r\n" + HOST + fields)

    echoed = reply.fields["x-request-id"]
    assert (echoed == offered) is taken
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", echoed)
    assert edge.told.seen[0].request_id == echoed


async def test_a_refusal_is_a_problem_of_constants(edge: Edge) -> None:
    edge.told.denied = Denied(Layer.ISOLATION, Reason.SANDBOX_BUSY, {"retry_after": 1.2})

    reply = await edge.ask(ECHO)

    assert reply.status == 429
    assert reply.fields["content-type"] == "application/problem+json"
    assert reply.fields["retry-after"] == "2"
    assert reply.json() == {
        "type": "urn:sidegate:reason:sandbox-busy",
        "title": "Too Many Requests",
        "status": 429,
        "detail": Reason.SANDBOX_BUSY.detail,
        "code": "sandbox-busy",
        "layer": "isolation",
        "remedy": Reason.SANDBOX_BUSY.remedy,
        "request_id": reply.fields["x-request-id"],
    }


async def test_a_refusal_without_a_route_is_one_too(edge: Edge) -> None:
    edge.told.denied = Denied(Layer.NETWORK, Reason.ROUTE_UNKNOWN)

    reply = await edge.ask(ECHO.replace(b"/echo", b"/none"))

    assert (reply.status, reply.json()["code"]) == (404, "route-unknown")


async def test_what_should_never_happen_says_nothing_of_what_happened(edge: Edge) -> None:
    edge.codec.fails = ValueError("token zc_secret, path /home/somebody")

    reply = await edge.ask(ECHO.replace(b"Connection: close\r\n", b""))

    assert (reply.status, reply.json()["code"]) == (503, "layer-failed")
    assert b"secret" not in reply.data
    assert b"somebody" not in reply.data
    edge.codec.fails = None
    assert (await edge.ask(ECHO)).status == 200
    assert len(edge.spy.outcomes) == 2


async def test_each_request_has_one_outcome(edge: Edge) -> None:
    await edge.ask(ECHO)
    edge.told.denied = Denied(Layer.NETWORK, Reason.HOST_UNKNOWN)
    await edge.ask(ECHO)

    assert [(each.status, each.cancelled) for each in edge.spy.outcomes] == [(200, ""), (421, "")]
    assert len(edge.running) == 0


async def test_strangers_do_not_fill_the_log_and_clients_are_all_in_it(edge: Edge) -> None:
    with capture_logs() as lines:
        for _ in range(5):
            await edge.ask(ECHO)
        strangers, known = len(lines), 5
        edge.told.principal = CLIENT
        for _ in range(known):
            await edge.ask(ECHO)

    assert strangers == 3
    assert [line["principal"] for line in lines] == [None] * 3 + ["client-1"] * known
    assert lines[-1] == {
        "event": "request",
        "log_level": "info",
        "request_id": edge.told.seen[-1].request_id,
        "listener": "gateway",
        "route": "echo",
        "status": 200,
        "principal": "client-1",
        "layer": None,
        "reason": None,
    }


async def test_a_client_that_leaves_ends_its_request(edge: Edge) -> None:
    edge.told.go.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(ECHO)
    await until(lambda: len(edge.running) == 1)

    writer.transport.abort()

    await until(lambda: edge.spy.outcomes)
    assert (edge.spy.outcomes[0].status, edge.spy.outcomes[0].cancelled) == (0, "client-left")
    assert len(edge.running) == 0


async def test_who_is_stopped_is_told_so_and_the_record_says_why(edge: Edge) -> None:
    edge.told.go.clear()
    asking = asyncio.create_task(edge.ask(ECHO, seconds=10))
    await until(lambda: len(edge.running) == 1)

    await edge.running.drain(0.1)
    reply = await asking

    assert (reply.status, reply.json()["code"]) == (503, "stopped-by-operator")
    assert edge.spy.outcomes[0].cancelled == "stopped"


# Bodies


async def test_a_body_is_read_when_somebody_asks_for_it(edge: Edge) -> None:
    edge.told.reads = True

    body = b"x" * 1000
    reply = await edge.ask(post(body, "Content-Length: 1000", "Connection: close", path="/echo"))

    assert reply.status == 200
    assert edge.told.bodies == [body]


async def test_chunks_make_one_body(edge: Edge) -> None:
    edge.told.reads = True

    await edge.ask(
        post(
            b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: x\r\n\r\n",
            *("Transfer-Encoding: chunked", "Connection: close"),
            path="/echo",
        )
    )

    assert edge.told.bodies == [b"abcde"]
    assert edge.told.seen[0].headers.get("x-trailer") is None


@pytest.mark.parametrize(
    ("field", "length", "parts"),
    [
        ("Content-Length: 10", 10, (b"first", b"other")),
        ("Transfer-Encoding: chunked", None, (b"5\r\nfirst\r\n", b"5\r\nother\r\n0\r\n\r\n")),
    ],
    ids=["with a length", "in chunks"],
)
async def test_a_body_goes_on_as_it_comes_and_only_once(
    edge: Edge, field: str, length: int | None, parts: tuple[bytes, bytes]
) -> None:
    edge.told.go.clear()
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(post(parts[0], field, "Connection: close", path="/echo"))
    await until(lambda: edge.told.seen)
    body = edge.told.seen[0].body

    upload = body.upload()
    first = await anext(upload.pieces)
    writer.write(parts[1])
    rest = [piece async for piece in upload.pieces]

    assert (upload.length, first, b"".join(rest)) == (length, b"first", b"other")
    with pytest.raises(Malformed):  # what is left would look like the whole
        await body.read()
    edge.told.go.set()
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_no_body_is_an_empty_one(edge: Edge) -> None:
    await edge.ask(ECHO)
    upload = edge.told.seen[0].body.upload()

    assert upload.length == 0
    assert [piece async for piece in upload.pieces] == []


async def test_what_says_that_it_is_too_large_does_not_go_on(edge: Edge) -> None:
    edge.told.go.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(post(b"", "Content-Length: 1001", path="/echo"))
    await until(lambda: edge.told.seen)

    with pytest.raises(Malformed) as raised:
        edge.told.seen[0].body.upload()

    assert raised.value.reason is Reason.BODY_TOO_LARGE
    edge.told.go.set()
    writer.close()


@pytest.fixture
def refusing(edge: Edge) -> Edge:
    """A server whose pipeline turns Malformed into a refusal, as the trace does."""
    told = edge.told

    async def handle(inbound: Inbound, trace: Trace) -> Clean:
        async def read() -> Any:
            await inbound.body.read()
            raise AssertionError("read")

        await trace.step(Layer.AUTHORIZATION, read())
        return told.clean

    told.handle = handle  # type: ignore[method-assign] # a double of ours
    return edge


@pytest.mark.parametrize(
    ("pieces", "reason"),
    [
        pytest.param(
            [post(b"", "Content-Length: 1001", path="/echo")],
            Reason.BODY_TOO_LARGE,
            id="said to be too large, before a byte of it",
        ),
        pytest.param(
            [
                post(b"", "Transfer-Encoding: chunked", path="/echo"),
                *[b"100\r\n" + b"x" * 256 + b"\r\n"] * 4,
            ],
            Reason.BODY_TOO_LARGE,
            id="found too large on the way",
        ),
    ],
)
async def test_a_body_past_the_limit_is_not_read_to_its_end(
    refusing: Edge, pieces: list[bytes], reason: Reason
) -> None:
    started = time.monotonic()

    reply = await refusing.ask(*pieces, seconds=8)

    assert (reply.status, reply.json()["code"]) == (reason.status, reason.code)
    assert reply.fields["connection"] == "close"
    assert time.monotonic() - started < 6


async def test_only_who_is_let_in_is_asked_to_send_on(edge: Edge) -> None:
    request = post(
        b"", "Content-Length: 5", "Expect: 100-continue", "Connection: close", path="/echo"
    )
    edge.told.denied = Denied(Layer.AUTHENTICATION, Reason.TOKEN_MISSING)
    assert (await edge.ask(request)).data.startswith(b"HTTP/1.1 401 ")

    edge.told.denied, edge.told.reads = None, True
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(request)
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hello")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
    writer.close()
    assert edge.told.bodies == [b"hello"]


async def test_who_speaks_an_older_http_is_not_asked_to_send_on(edge: Edge) -> None:
    """RFC 9110 section 10.1.1: it would take the 100 for the answer."""
    edge.told.reads = True

    reply = await edge.ask(
        post(b"hello", "Content-Length: 5", "Expect: 100-continue", path="/echo", version="1.0")
    )

    assert reply.status == 200


# Streams


async def test_a_stream_comes_as_it_is_made(edge: Edge) -> None:
    go = asyncio.Event()

    async def pieces() -> AsyncIterator[Frame]:
        yield Frame("body", b"first")
        await go.wait()
        yield Frame("body", b"last")

    edge.told.clean = Clean(Stream(200, Headers((("Content-Type", "text/plain"),)), pieces()))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(ECHO)

    async with asyncio.timeout(5):
        await reader.readuntil(b"first\r\n")
    assert edge.spy.outcomes == []
    go.set()

    assert await reader.read() == b"4\r\nlast\r\n0\r\n\r\n"
    writer.close()
    await until(lambda: edge.spy.outcomes)


async def broken() -> AsyncIterator[Frame]:
    yield Frame("body", b"the beginning")
    raise ConnectionResetError("the agent is gone")


@pytest.mark.parametrize("version", ["1.1", "1.0"])
async def test_a_stream_that_breaks_off_does_not_look_whole(edge: Edge, version: str) -> None:
    """In HTTP/1.0, where the end of the connection ends the answer, only a reset shows it."""
    edge.told.clean = Clean(Stream(200, Headers(), broken()))

    reply = await edge.ask(f"GET /echo HTTP/{version}\r\nHost: localhost\r\n\r\n".encode())

    assert reply.status in {200, None}
    assert reply.cut or (version == "1.1" and not reply.data.endswith(b"0\r\n\r\n"))
    await until(lambda: edge.spy.outcomes)
    assert edge.spy.outcomes[0].cancelled == "broken-off"


async def test_a_client_that_leaves_a_stream_ends_it(edge: Edge) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[Frame]:
        try:
            while True:
                yield Frame("body", b"x" * 10_000)
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    edge.told.clean = Clean(Stream(200, Headers(), endless()))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(ECHO)
    await reader.readuntil(b"xxx")

    writer.transport.abort()

    async with asyncio.timeout(5):
        await closed.wait()
    await until(lambda: edge.spy.outcomes)
    assert edge.spy.outcomes[0].cancelled == "client-left"


@pytest.mark.parametrize("status", [200, 204, 304])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_has_no_body_is_sent_without_one(edge: Edge, method: str, status: int) -> None:
    edge.told.clean = Clean(Stream(status, Headers(), frames()))

    reply = await edge.ask(ECHO.replace(b"GET", method.encode()))

    assert reply.status == status
    empty = method == "HEAD" or status in {204, 304}
    assert reply.body == (b"" if empty else b"0\r\n\r\n")
    assert ("transfer-encoding" in reply.fields) is not empty


# Hostile bytes, through all layers


Front = Callable[[], Awaitable[tuple[Sidegate, Agent]]]


@pytest.fixture
async def front(start: Start) -> AsyncIterator[Front]:
    """A whole Sidegate that asks for no token, and an agent behind it."""
    async with AsyncExitStack() as stack:

        async def run() -> tuple[Sidegate, Agent]:
            double = await stack.enter_async_context(agent())
            sidegate = await start(
                {
                    "upstream": {"url": double.url, "routes": ROUTES},
                    "gateway": {"require_pairing": False},
                }
            )
            return sidegate, double

        yield run


def line(target: str, method: str = "GET", version: str = "HTTP/1.1") -> bytes:
    return f"{method} {target} {version}\r\n".encode("latin-1") + HOST + b"\r\n"


def headed(*fields: bytes) -> bytes:
    return b"POST /v1/chat HTTP/1.1\r\n" + HOST + b"\r\n".join(fields) + b"\r\n\r\n"


SMUGGLED = b"GET /SMUGGLED HTTP/1.1\r\n" + HOST + b"\r\n"
BAD, NOT_IMPLEMENTED, NO_VERSION, MISDIRECTED, NOT_FOUND = {400}, {501}, {400, 505}, {421}, {404}

HOSTILE = [
    # framing: where does the request end?
    pytest.param(
        headed(b"Content-Length: 4", b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + SMUGGLED,
        BAD,
        id="both a length and chunks",
    ),
    pytest.param(
        headed(b"Content-Length: 0", b"Content-Length: 44") + SMUGGLED, BAD, id="two lengths"
    ),
    pytest.param(headed(b"Content-Length: 0, 44") + SMUGGLED, BAD, id="a list of lengths"),
    pytest.param(headed(b"Content-Length: +3") + b"abc", BAD, id="a length with a sign"),
    pytest.param(headed(b"Content-Length: -1"), BAD, id="a negative length"),
    pytest.param(headed(b"Content-Length: 0x3") + b"abc", BAD, id="a length in hex"),
    pytest.param(headed(b"Content-Length: 1e1") + b"abc", BAD, id="a length in powers"),
    pytest.param(headed(b"Content-Length: 9" + b"9" * 30), BAD, id="a length beyond numbers"),
    pytest.param(headed(b"Content-Length: "), BAD, id="a length of nothing"),
    pytest.param(
        headed(b"Transfer-Encoding: chunked, identity") + b"0\r\n\r\n", BAD, id="chunks, and more"
    ),
    pytest.param(headed(b"Transfer-Encoding: xchunked") + b"0\r\n\r\n", BAD, id="almost chunks"),
    pytest.param(
        headed(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity") + b"0\r\n\r\n",
        BAD,
        id="two transfer encodings",
    ),
    pytest.param(headed(b"Transfer-Encoding : chunked") + b"0\r\n\r\n", BAD, id="a blank before :"),
    pytest.param(headed(b"Transfer-Encoding:\x0bchunked") + b"0\r\n\r\n", BAD, id="a vertical tab"),
    pytest.param(headed(b"Transfer-Encoding: chunked") + b"-1\r\n\r\n", BAD, id="a negative chunk"),
    pytest.param(headed(b"Transfer-Encoding: chunked") + b"0x3\r\nabc\r\n", BAD, id="a chunk 0x3"),
    pytest.param(
        headed(b"Transfer-Encoding: chunked") + b"3\nabc\n0\n\n", BAD, id="chunks that end in LF"
    ),
    pytest.param(
        headed(b"Transfer-Encoding: chunked") + b"f" * 20 + b"\r\n", BAD, id="a chunk too large"
    ),
    pytest.param(
        headed(b"Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n", BAD, id="a coding in chunks"
    ),
    pytest.param(
        headed(b"Transfer-Encoding: chunked").replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n",
        BAD,
        id="chunks in an older version",
    ),
    # header grammar
    pytest.param(b"GET /v1/chat HTTP/1.1\r\n\r\n", BAD, id="no Host"),
    pytest.param(headed(b"Host: localhost"), BAD, id="two Hosts"),
    pytest.param(headed(b"X-A: 1\r\n folded"), BAD, id="a folded line"),
    pytest.param(headed(b"X-A: 1\nX-B: 2"), BAD, id="a bare LF"),
    pytest.param(headed(b"X-A: 1\rX-B: 2"), BAD, id="a bare CR"),
    pytest.param(headed(b"X-A: \x00"), BAD, id="a NUL in a value"),
    pytest.param(headed(b"X-A: \xff"), BAD, id="a byte beyond ASCII in a value"),
    pytest.param(headed(b"X A: 1"), BAD, id="a blank in a name"),
    pytest.param(headed(b": 1"), BAD, id="no name"),
    pytest.param(headed(b"no colon at all"), BAD, id="no colon"),
    pytest.param(headed(b"X-A: " + b"x" * 20_000), BAD, id="a field too long"),
    pytest.param(headed(*[b"X-A: 1"] * 500), BAD, id="too many fields"),
    *(
        pytest.param(headed(name + b": a", name + b": b"), BAD, id=f"two of {name.decode()}")
        for name in (
            *(b"Authorization", b"Content-Type", b"X-Pairing-Code", b"Idempotency-Key"),
            *(b"Cookie", b"Range", b"User-Agent", b"X-Hub-Signature-256"),
        )
    ),
    pytest.param(headed(b"Expect: 200-ok"), BAD, id="an expectation of another kind"),
    # request line
    pytest.param(line("/v1/chat", version="HTTP/2.0"), NO_VERSION, id="a version of frames"),
    pytest.param(line("/v1/chat", version="HTTP/0.9"), NO_VERSION, id="a version without headers"),
    pytest.param(line("/v1/chat", version="HTTP/1.2"), NO_VERSION, id="a version to come"),
    pytest.param(line("/v1/chat", version="HTCPCP/1.0"), BAD, id="another protocol"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", NO_VERSION, id="the preface of HTTP/2"),
    pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, BAD, id="TLS"),
    pytest.param(b"SSH-2.0-OpenSSH_9.2p1\r\n", BAD, id="SSH"),
    pytest.param(b"\x00" * 100, BAD, id="NULs"),
    pytest.param(b"A" * 100_000, BAD, id="a method without an end"),
    pytest.param(line("/" + "a" * 20_000), BAD, id="a path too long"),
    pytest.param(line("*", method="OPTIONS"), BAD, id="the whole server"),
    pytest.param(line("localhost:80", method="CONNECT"), BAD | NOT_IMPLEMENTED, id="a tunnel"),
    pytest.param(line("/v1/chat", method="TRACE"), NOT_IMPLEMENTED, id="a trace"),
    pytest.param(line("/v1/chat", method="BREW"), BAD | NOT_IMPLEMENTED, id="an unknown method"),
    pytest.param(line("http://evil.example/v1/chat"), BAD, id="somebody else's address"),
    pytest.param(line("http://localhost/v1/chat"), BAD, id="our own address"),
    # paths that mean another to somebody
    *(
        pytest.param(line(target), BAD, id=target)
        for target in (
            *("//v1/chat", "/v1//chat", "/v1/./chat", "/v1/../v1/chat", "/v1/%2e%2e/v1/chat"),
            *("/v1%2fchat", "/v1%5cchat", "/v1\\chat", "/v1/chat%00", "/v1/chat;x", "/v1/%252e"),
            *("/v1/chat#x", "/v1/files/..", "/v1/files/%2E%2E/chat", "/v1/chat%", "/v1/chat%zz"),
            *("/v1/chat?a b", "/v1/chat?a=\xff", "v1/chat", "/v1/files/a\tb"),
        )
    ),
    *(
        pytest.param(line(target), NOT_FOUND, id=target)
        for target in ("/v1/chat/", "/V1/chat", "/v1/fil%65s/a", "/v1/files", "/metrics", "/status")
    ),
    # whose name is on it
    *(
        pytest.param(
            b"GET /v1/chat HTTP/1.1\r\nHost: " + host + b"\r\n\r\n",
            MISDIRECTED | BAD,
            id=f"Host {host.decode('latin-1')}",
        )
        for host in (
            *(b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example"),
            *(b"169.254.169.254", b"localhost:x", b"localhost/", b"a@localhost", b"\xff", b""),
        )
    ),
]


@pytest.mark.parametrize(("raw", "statuses"), HOSTILE)
async def test_hostile_bytes_are_refused_and_reach_nobody(
    front: Front, raw: bytes, statuses: set[int]
) -> None:
    sidegate, double = await front()

    reply = await send(sidegate.app.ports["gateway"], raw, seconds=1, once=True)

    assert reply.status is None or reply.status in statuses
    if reply.status is not None:
        assert reply.fields["content-type"] == "application/problem+json"
        assert reply.fields["x-request-id"]
    assert double.seen == []
    assert (await send(sidegate.app.ports["gateway"], ALIVE)).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET", id="three letters"),
        pytest.param(GET[:-2], id="headers without an end"),
        pytest.param(headed(b"Content-Length: 10") + b"abc", id="a body without an end"),
        pytest.param(headed(b"Transfer-Encoding: chunked") + b"3\r\nab", id="half a chunk"),
    ],
)
async def test_half_a_request_reaches_nobody(front: Front, raw: bytes) -> None:
    sidegate, double = await front()

    reply = await send(sidegate.app.ports["gateway"], raw, half=True)

    assert reply.status in {None, 400}
    await until(lambda: len(sidegate.app.server.running) == 0)
    assert double.seen == []


async def test_what_is_refused_is_counted(front: Front) -> None:
    sidegate, _ = await front()

    await send(sidegate.app.ports["gateway"], b"garbage\r\n\r\n")

    text = sidegate.app.server.metrics.render().decode()
    counted = 'sidegate_layer_decisions_total{decision="deny",layer="network",reason="request-'
    assert f'{counted}malformed"}} 1.0' in text


async def test_requests_on_one_connection_are_answered_in_order(front: Front) -> None:
    sidegate, double = await front()
    third = GET.replace(b"/v1/chat", b"/v1/files/c").replace(
        b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"
    )

    reply = await send(
        sidegate.app.ports["gateway"], GET + GET.replace(b"/v1/chat", b"/none") + third
    )

    assert re.findall(rb"HTTP/1.1 (\d+)", reply.data) == [b"200", b"404", b"200"]
    assert [seen.line for seen in double.seen] == [
        "GET /v1/chat HTTP/1.1",
        "GET /v1/files/c HTTP/1.1",
    ]


async def test_every_answer_of_a_route_with_a_rate_says_where_one_stands(start: Start) -> None:
    sidegate = await start({"gateway": {"pair_rate_limit_per_minute": 2}})
    sent = b"POST /pair HTTP/1.1\r\n" + HOST + b"X-Pairing-Code: 1\r\nConnection: close\r\n\r\n"

    replies = [await send(sidegate.app.ports["gateway"], sent) for _ in range(3)]

    assert [reply.status for reply in replies] == [403, 403, 429]
    assert {reply.fields["ratelimit-policy"] for reply in replies} == {'"pair";q=2;w=60'}
    assert [reply.fields["ratelimit"].split(";")[1] for reply in replies] == ["r=1", "r=0", "r=0"]
    assert 0 < int(replies[2].fields["retry-after"]) <= 30
    assert "ratelimit" not in (await send(sidegate.app.ports["gateway"], ALIVE)).fields


async def test_the_agent_hears_from_a_trusted_proxy_who_its_client_is(start: Start) -> None:
    said = (
        b"X-Forwarded-For: 1.1.1.1, 198.51.100.7\r\nX-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: agent.example\r\nConnection: close\r\n\r\n"
    )
    async with agent() as double:
        sidegate = await start(
            {
                "upstream": {"url": double.url, "routes": ROUTES},
                "gateway": {
                    "require_pairing": False,
                    "trust_forwarded_headers": True,
                    "trusted_proxies": ["127.0.0.0/8"],
                    "public_url": "https://agent.example",
                },
            }
        )
        reply = await send(sidegate.app.ports["gateway"], GET[:-2] + said)

        (seen,) = double.seen
    assert reply.fields["strict-transport-security"] == "max-age=31536000"
    assert seen.all("x-forwarded-for") == ["198.51.100.7"]
    assert seen.all("x-forwarded-proto") == ["https"]
    assert seen.all("x-forwarded-host") == ["agent.example"]


async def test_connections_are_held_to_what_is_configured(start: Start) -> None:
    sidegate = await start({"gateway": {"header_timeout_secs": 0.2, "request_timeout_secs": 0.2}})
    token, port = await sidegate.pair(), sidegate.app.ports["gateway"]
    known = f"Authorization: Bearer {token}"
    typed = "Content-Type: application/json"

    head = await send(port, b"GET /", once=True)
    body = await send(
        port, post(b"", known, typed, "Content-Length: 9", path="/webhook"), once=True
    )

    assert [reply.json()["code"] for reply in (head, body)] == ["request-late", "body-late"]
    assert (head.status, body.status) == (408, 408)


async def test_a_flood_at_the_gateway_leaves_the_operator_in(start: Start) -> None:
    sidegate = await start({"gateway": {"max_connections": 20, "max_connections_per_peer": 10}})
    flood = [
        await asyncio.open_connection("127.0.0.1", sidegate.app.ports["gateway"])
        for _ in range(100)
    ]

    for listener in ("admin", "metrics"):
        assert (await send(sidegate.app.ports[listener], ALIVE)).status == 200
    for _, writer in flood:
        writer.close()


# The agent's answers, through all layers


async def test_a_binary_answer_comes_byte_for_byte(front: Front) -> None:
    sidegate, double = await front()
    data = bytes(range(256)) * 300
    head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(data)}\r\n\r\n"
    double.answer = (head.encode(), data)

    async with sidegate.http.get(sidegate.url("/v1/files/a.png")) as answer:
        assert await answer.read() == data


async def test_what_goes_up_comes_as_it_was_sent(front: Front) -> None:
    sidegate, double = await front()
    data = bytes(range(256)) * 300

    await send(
        sidegate.app.ports["gateway"],
        closing(post(b"", f"Content-Length: {len(data)}", path="/v1/chat?a=1&b=%20c&d=[e]")) + data,
    )

    (seen,) = double.seen
    assert seen.line == "POST /v1/chat?a=1&b=%20c&d=[e] HTTP/1.1"
    assert seen.body == data


async def test_an_answer_that_breaks_off_does_not_look_whole(front: Front) -> None:
    sidegate, double = await front()
    double.answer = (b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", b"the beginning\n")

    reply = await send(sidegate.app.ports["gateway"], GET, seconds=5)

    assert b"0\r\n\r\n" not in reply.data
    await until(lambda: b"outcome" in (sidegate.folder / "audit.jsonl").read_bytes())
    last = (sidegate.folder / "audit.jsonl").read_bytes().splitlines()[-1]
    assert json.loads(last)["cancelled"] == "broken-off"


async def test_words_come_as_the_agent_says_them(front: Front) -> None:
    sidegate, double = await front()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    double.answer = (head, b"data: 1\n\n", 0.4, b"data: 2\n\n", 0.4, b"data: 3\n\n")

    async with sidegate.http.get(sidegate.url("/v1/chat")) as answer:
        pieces = [(data, time.monotonic()) async for data in answer.content.iter_any()]

    assert b"".join(data for data, _ in pieces) == b"data: 1\n\ndata: 2\n\ndata: 3\n\n"
    assert pieces[-1][1] - pieces[0][1] > 0.6


async def test_a_client_that_leaves_ends_the_request_to_the_agent(front: Front) -> None:
    sidegate, double = await front()
    double.answer = (b"HTTP/1.1 200 OK\r\n\r\n", b"line\n", 30.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", sidegate.app.ports["gateway"])
    writer.write(GET)
    await reader.readuntil(b"line\n")

    writer.transport.abort()

    await until(lambda: double.left == 1)
    await until(lambda: len(sidegate.app.server.running) == 0)


async def test_our_own_fields_are_sent_once(front: Front) -> None:
    sidegate, double = await front()
    own = b"X-Content-Type-Options: nosniff\r\nServer: theirs\r\nX-Request-ID: theirs\r\n"
    double.answer = (b"HTTP/1.1 200 OK\r\n" + own + b"Content-Length: 0\r\n\r\n",)

    reply = await send(sidegate.app.ports["gateway"], closing(GET))

    names = [name.split(b":")[0].lower() for name in reply.head.split(b"\r\n")[1:]]
    assert [name for name in names if names.count(name) > 1] == []
    assert b"theirs" not in reply.head


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\n", id="without a word"),
        pytest.param(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            id="to a websocket",
        ),
    ],
)
async def test_an_agent_cannot_switch_protocols_unasked(front: Front, head: bytes) -> None:
    """The client would speak on in a protocol that nobody here reads."""
    sidegate, double = await front()
    double.answer = (head + b"\r\n", 2.0)

    reply = await send(sidegate.app.ports["gateway"], GET, seconds=1)

    assert reply.status == 502


@pytest.mark.parametrize(
    "informed", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early\r\n\r\n"]
)
async def test_an_interim_answer_is_not_the_answer(front: Front, informed: bytes) -> None:
    sidegate, double = await front()
    double.answer = (informed, *double.answer)

    assert (await send(sidegate.app.ports["gateway"], closing(GET))).status == 200


# The sample of labelled requests


Row = dict[str, Any]


def filled(row: Row, port: int, token: str) -> bytes:
    """The bytes of a row, with its marks filled in."""
    raw = base64.b64decode(row["raw_b64"])
    marks = {
        "HOST": f"127.0.0.1:{port}",
        "CID": row["id"],
        "AUTH": f"Authorization: Bearer {token}\r\n",
        "PATH": "/v1/chat",
        "JSONPATH": "/webhook",
    }
    for mark, text in marks.items():
        raw = raw.replace(b"{{%s}}" % mark.encode(), text.encode())
    body = raw.partition(b"\r\n\r\n")[2]
    return raw.replace(b"{{CL}}", b"%d" % len(body))


def complaint(row: Row, reply: Reply, double: Agent, token: str) -> str | None:
    """What is wrong with how a row was answered."""
    statuses = [int(each) for each in re.findall(rb"HTTP/1\.[01] (\d{3}) ", reply.data)]
    reached = [seen for seen in double.seen if row["id"] in seen.all("x-cid")]
    heads = b"".join(seen.head + b"\r\n" for seen in reached)
    if any(status >= 500 and status not in {501, 505} for status in statuses):
        return f"answered {statuses}"
    if token.encode() in heads or any(
        word in heads.lower() for word in (b"proxy-auth", b"forwarded")
    ):
        return "a field that belongs to this connection went up"
    match row["expect"]:
        case "reject" | "confined" | "unauth" | "unauth-strict":
            return "reached the agent" if reached else None
        case "json-reject":
            return "accepted" if reached or statuses[:1] not in ([400], [415]) else None
        case "safe" | "noharm":
            clean = len(reached) <= 1 and not any("SMUGGLED" in seen.line for seen in reached)
            return None if clean else "more than one clean request"
        case "safe2":
            return "more than two requests" if len(reached) > 2 else None
        case _:
            return None


@pytest.fixture
async def answered(start: Start) -> AsyncIterator[Callable[[list[Row]], Awaitable[dict[str, str]]]]:
    """Send rows, each on a connection of its own; what is wrong with the answers, by row."""
    async with AsyncExitStack() as stack:

        async def run(rows: list[Row]) -> dict[str, str]:
            double = await stack.enter_async_context(agent())
            sidegate = await start({"upstream": {"url": double.url, "routes": ROUTES}})
            token, port = await sidegate.pair(), sidegate.app.ports["gateway"]
            gate = asyncio.Semaphore(16)

            async def one(row: Row) -> Reply:
                async with gate:
                    return await send(port, filled(row, port, token), seconds=1.5)

            replies = await asyncio.gather(*map(one, rows))
            assert (await send(port, ALIVE)).status == 200
            assert len(sidegate.app.server.running) == 0
            known = {row["id"] for row in rows}
            assert [seen.head for seen in double.seen if not known & {*seen.all("x-cid")}] == []
            found = {
                f"{row['id']} {row['category']}: {row['name']}": complaint(
                    row, reply, double, token
                )
                for row, reply in zip(rows, replies, strict=True)
            }
            return {name: wrong for name, wrong in found.items() if wrong}

        yield run


@pytest.mark.slow
async def test_labelled_requests_are_answered_as_they_should_be(
    answered: Callable[[list[Row]], Awaitable[dict[str, str]]],
) -> None:
    assert await answered(labelled.rows("http.json.gz")) == {}
