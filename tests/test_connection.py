"""One connection, byte by byte: who dawdles is ended in time, and nobody else notices."""

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import pytest
from doubles import CLIENT, PUBLIC, Clock, Spy
from structlog.testing import capture_logs
from wire import Reply, send, until

from proxy.connection import Limits
from proxy.decision import Allow, Decision, Malformed
from proxy.exchange import Clean, Document, Frame, Inbound, Listener, Principal, Route, Stream
from proxy.limits import Share
from proxy.listeners import raise_descriptors
from proxy.metrics import Metrics
from proxy.network.forwarded import TUNNEL
from proxy.pipeline import Pipeline
from proxy.protocols.rest import ForwardCodec
from proxy.reasons import Layer, Reason
from proxy.running import Running
from proxy.server import Door, Server
from proxy.trace import Trace
from proxy.values import Headers

GATEWAY = Listener("gateway", None, None)
HOST = b"Host: localhost\r\n"
GET = b"GET /echo HTTP/1.1\r\n" + HOST + b"\r\n"
TICK = 0.05
SLACK = 3.0  # for a machine that has other things to do
BIG = 24 << 20  # more than both ends of a connection hold
BURST = 120_000


def closing(path: str = "/echo") -> bytes:
    return f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"Connection: close\r\n\r\n"


PAGE = closing("/page")


def post(*fields: bytes) -> bytes:
    return b"POST /body HTTP/1.1\r\n" + HOST + b"\r\n".join(fields) + b"\r\n\r\n"


@dataclass
class Answering:
    """A pipeline whose answer depends on the path."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    seen: list[Inbound] = field(default_factory=list)

    async def handle(self, inbound: Inbound, trace: Trace) -> Clean:
        self.seen.append(inbound)
        match inbound.path:
            case "/known":
                await trace.step(Layer.AUTHENTICATION, known(CLIENT))
            case "/public":
                await trace.step(Layer.AUTHENTICATION, known(PUBLIC))
            case "/known-and-wait":
                await trace.step(Layer.AUTHENTICATION, known(CLIENT))
                await self.go.wait()
            case "/wait":
                await self.go.wait()
            case "/body":
                await trace.step(Layer.AUTHORIZATION, read(inbound))
            case "/big":
                return Clean(Document("x" * BIG))
            case "/page":
                return Clean(Document("x" * 60_000))
            case "/burst":
                return Clean(Stream(200, Headers(), self.burst()))
            case "/stream":
                return Clean(Stream(200, Headers(), pieces()))
        return Clean(Document({"path": inbound.path}))

    async def burst(self) -> AsyncIterator[Frame]:
        yield Frame("body", b"x" * BURST)
        await self.go.wait()
        yield Frame("body", b"the end")


async def known(principal: Principal) -> Decision[Principal]:
    return Allow(principal)


async def read(inbound: Inbound) -> Decision[bytes]:
    return Allow(await inbound.body.read())


async def pieces() -> AsyncIterator[Frame]:
    for _ in range(BIG // 65536):
        yield Frame("body", b"x" * 65536)


@dataclass
class Edge:
    """A server of one listener."""

    answering: Answering
    spy: Spy
    metrics: Metrics
    server: Server
    door: Door
    listening: socket.socket

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    async def ask(self, *sent: bytes) -> Reply:
        return await send(self.port, *sent, seconds=SLACK)

    @property
    def late(self) -> bool:
        counted = b'decision="deny",layer="network",reason="request-late"} 1.0'
        return counted in self.metrics.render()


Serve = Callable[..., Awaitable[Edge]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Serve one listener within limits."""
    async with AsyncExitStack() as stack:

        async def run(
            limits: Limits, listener: Listener = GATEWAY, host: str = "127.0.0.1"
        ) -> Edge:
            answering, spy, metrics = Answering(), Spy(), Metrics("1", ("all", "none"))
            running = Running()
            pipeline, share = cast("Pipeline", answering), Share(3, Clock())
            server = Server(pipeline, (spy, metrics), running, metrics, limits, str, share)
            codec = ForwardCodec()
            door = server.door(listener, (Route("all", frozenset({"GET", "POST"}), "/*", codec),))
            serving = await asyncio.get_running_loop().create_server(door, host, 0)
            stack.push_async_callback(door.aclose)
            stack.callback(serving.close)
            return Edge(answering, spy, metrics, server, door, serving.sockets[0])

        yield run


@dataclass
class Good:
    """A client that asks all the time, and what it got."""

    port: int
    statuses: list[int | None] = field(default_factory=list)
    longest: float = 0.0

    async def run(self) -> None:
        while True:
            started = time.monotonic()
            reply = await send(self.port, closing("/known"), seconds=SLACK)
            self.statuses.append(reply.status)
            self.longest = max(self.longest, time.monotonic() - started)
            await asyncio.sleep(TICK)


@asynccontextmanager
async def served(port: int) -> AsyncIterator[Good]:
    """A good client is served for as long as the block runs."""
    good = Good(port)
    asking = asyncio.create_task(good.run())
    try:
        yield good
        await until(lambda: len(good.statuses) > 2)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    assert set(good.statuses) == {200}
    assert good.longest < 2.0


# Who dawdles


async def received(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """What came until the other side had enough, however it ended."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            data += piece
    writer.transport.abort()
    return data


async def trickle(port: int, first: bytes, drops: bytes) -> bytes:
    """Send a beginning, then a drop at every tick until the other side has had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)

    async def drip() -> None:
        while True:
            for drop in drops:
                await asyncio.sleep(TICK)
                writer.write(bytes([drop]))

    dripping = asyncio.create_task(drip())
    try:
        return await received(reader, writer)
    finally:
        dripping.cancel()


async def stop(port: int, first: bytes) -> bytes:
    """Send a beginning, and nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    return await received(reader, writer)


async def second_head(port: int) -> bytes:
    """Be answered, then drip a second head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    assert b" 200 " in await reader.readuntil(b"}")

    async def drip() -> None:
        for byte in GET * 100:
            await asyncio.sleep(TICK)
            writer.write(bytes([byte]))

    dripping = asyncio.create_task(drip())
    try:
        return await received(reader, writer)
    finally:
        dripping.cancel()


LATE = [
    pytest.param(lambda port: stop(port, b""), Reason.REQUEST_LATE, id="not a byte"),
    pytest.param(
        lambda port: trickle(port, b"", GET[:-2] + b"X: x\r\n" * 1000),
        Reason.REQUEST_LATE,
        id="a byte of the head at a time",
    ),
    pytest.param(
        lambda port: trickle(port, GET[:-2] + b"X-A: ", b"x" * 1000),
        Reason.REQUEST_LATE,
        id="a head without an end",
    ),
    pytest.param(lambda port: stop(port, GET[:-1]), Reason.REQUEST_LATE, id="a head all but done"),
    pytest.param(second_head, Reason.REQUEST_LATE, id="a second head, a byte at a time"),
    pytest.param(
        lambda port: trickle(port, post(b"Content-Length: 9000"), b"x" * 1000),
        Reason.BODY_LATE,
        id="a byte of the body at a time",
    ),
    pytest.param(
        lambda port: stop(port, post(b"Content-Length: 9000") + b"x" * 100),
        Reason.BODY_LATE,
        id="a body that stops",
    ),
    pytest.param(
        lambda port: trickle(port, post(b"Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 1000),
        Reason.BODY_LATE,
        id="a chunk at a time",
    ),
]


@pytest.mark.parametrize(("dawdle", "reason"), LATE)
async def test_who_dawdles_is_told_so_in_time_and_nobody_else_notices(
    serve: Serve, dawdle: Callable[[int], Awaitable[bytes]], reason: Reason
) -> None:
    edge = await serve(Limits(header_seconds=0.4, request_seconds=0.5, keepalive_seconds=5.0))

    async with served(edge.port):
        started = time.monotonic()
        reply = Reply(await dawdle(edge.port))
        took = time.monotonic() - started

    assert (reply.status, reply.json()["code"]) == (408, reason.code)
    assert reply.fields["connection"] == "close"
    assert 0.35 < took < 0.5 + SLACK
    await until(lambda: len(edge.door) == 0)


async def test_a_late_head_is_counted_and_answered_as_a_problem(serve: Serve) -> None:
    edge = await serve(Limits(header_seconds=0.1))

    reply = Reply(await stop(edge.port, b"GET"))

    assert edge.late
    assert edge.answering.seen == []
    assert reply.fields["content-type"] == "application/problem+json"
    assert reply.json()["request_id"] == reply.fields["x-request-id"]
    assert reply.fields["server"] == "sidegate"
    assert reply.whole


async def test_who_is_told_so_has_time_to_hear_it(serve: Serve) -> None:
    """To close while bytes still come would make the kernel take back what was said."""
    edge = await serve(Limits(header_seconds=0.1))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(b"GET /")

    assert Reply(await reader.read()).whole
    for _ in range(5):
        writer.write(b"x")
        await asyncio.sleep(0.02)
    assert not writer.transport.is_closing()

    await until(lambda: len(edge.door) == 0)
    writer.close()


async def refuse_to_read(port: int, path: str, first: int = 0) -> float:
    """Ask for much, take `first` bytes of it and no more; the seconds until one is cut off."""
    ends = socket.socket()
    ends.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    ends.setblocking(False)  # noqa: FBT003 - the socket's own
    loop = asyncio.get_running_loop()
    with ends:
        await loop.sock_connect(ends, ("127.0.0.1", port))
        await loop.sock_sendall(ends, closing(path))
        while first > 0:
            first -= len(await loop.sock_recv(ends, 65536))
        started = time.monotonic()
        await until(lambda: ends.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
        return time.monotonic() - started


@pytest.mark.parametrize("first", [0, 1 << 20], ids=["none of it", "the beginning of it"])
@pytest.mark.parametrize("path", ["/big", "/stream"])
async def test_who_does_not_take_an_answer_is_cut_off(serve: Serve, path: str, first: int) -> None:
    edge = await serve(Limits(request_seconds=0.5))

    async with served(edge.port):
        assert await refuse_to_read(edge.port, path, first) < 2 * 0.5 + SLACK

    await until(lambda: len(edge.door) == 0)
    assert "client-left" in {outcome.cancelled for outcome in edge.spy.outcomes}


@pytest.mark.slow
@pytest.mark.parametrize("path", ["/big", "/stream"])
async def test_who_takes_an_answer_slowly_gets_all_of_it(serve: Serve, path: str) -> None:
    edge = await serve(Limits(request_seconds=0.3))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=65536)
    writer.write(closing(path))

    taken, started = 0, time.monotonic()
    while data := await reader.read(1 << 20):
        taken += len(data)
        await asyncio.sleep(0.02)
    writer.close()

    assert taken > BIG
    assert time.monotonic() - started > 3 * 0.3
    assert [outcome.cancelled for outcome in edge.spy.outcomes] == [""]


async def test_who_has_taken_most_may_take_the_rest_when_there_is_more(serve: Serve) -> None:
    """A stream that is silent waits for nobody, and nobody for its last bytes."""
    edge = await serve(Limits(request_seconds=0.2))
    edge.listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ends = socket.socket()
    ends.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ends.setblocking(False)  # noqa: FBT003 - the socket's own
    loop = asyncio.get_running_loop()
    with ends:
        await loop.sock_connect(ends, ("127.0.0.1", edge.port))
        await loop.sock_sendall(ends, closing("/burst"))
        data = b""
        while len(data) < BURST - 12_000:
            data += await loop.sock_recv(ends, 2000)
        await asyncio.sleep(1.0)

        edge.answering.go.set()
        while piece := await loop.sock_recv(ends, 2000):
            data += piece
    assert data.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("asked", [PAGE, PAGE.replace(b"close", b"keep-alive")])
async def test_the_end_of_an_answer_is_not_waited_for_for_ever(serve: Serve, asked: bytes) -> None:
    """It is all written, as far as we can see, while the client has taken next to nothing."""
    edge = await serve(Limits(request_seconds=0.3, keepalive_seconds=0.3))
    edge.listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    ends = socket.socket()
    ends.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    ends.setblocking(False)  # noqa: FBT003 - the socket's own
    with ends:
        await asyncio.get_running_loop().sock_connect(ends, ("127.0.0.1", edge.port))
        await asyncio.get_running_loop().sock_sendall(ends, asked)
        await until(lambda: edge.spy.outcomes)
        assert len(edge.door) == 1

        await until(lambda: len(edge.door) == 0)


# Who does not


async def test_an_idle_client_is_left_alone_until_its_time_is_over(serve: Serve) -> None:
    edge = await serve(Limits(header_seconds=0.2, keepalive_seconds=1.0))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    for _ in range(2):
        writer.write(GET)
        assert b" 200 " in await reader.readuntil(b"}")
        await asyncio.sleep(0.5)

    started = time.monotonic()
    assert await reader.read() == b""
    assert time.monotonic() - started < SLACK
    writer.close()
    assert not edge.late


async def test_a_client_may_think_while_it_is_answered(serve: Serve) -> None:
    edge = await serve(Limits(header_seconds=0.1, request_seconds=0.1, keepalive_seconds=0.1))
    asking = asyncio.create_task(edge.ask(closing("/wait")))
    await asyncio.sleep(0.5)

    edge.answering.go.set()

    assert (await asking).status == 200


async def test_what_came_while_we_were_busy_is_not_late(serve: Serve) -> None:
    edge = await serve(Limits(header_seconds=0.1))
    _, idle = await asyncio.open_connection("127.0.0.1", edge.port)
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    await asyncio.sleep(0.05)
    writer.write(closing())

    time.sleep(0.2)  # noqa: ASYNC251 - the loop is to stand still

    assert b" 200 " in await reader.read()
    writer.close()
    idle.close()


async def test_without_limits_nobody_is_late(serve: Serve) -> None:
    edge = await serve(Limits(1000, None, None, None, None, None))

    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    await asyncio.sleep(0.3)
    writer.write(GET)
    assert b" 200 " in await reader.readuntil(b"}")
    await asyncio.sleep(0.3)
    writer.write(post(b"Content-Length: 1", b"Connection: close"))
    await asyncio.sleep(0.3)
    writer.write(b"x")

    assert b" 200 " in await reader.read()
    writer.close()


async def test_a_body_is_the_same_however_often_it_is_read(serve: Serve) -> None:
    edge = await serve(Limits(max_body=10, request_seconds=0.2))
    await edge.ask(post(b"Content-Length: 5", b"Connection: close") + b"hello")
    await edge.ask(post(b"Content-Length: 5") + b"he")
    await edge.ask(post(b"Content-Length: 11"))

    whole, late, large = (seen.body for seen in edge.answering.seen)

    assert await whole.read() == b"hello"
    for body, reason in ((late, Reason.BODY_LATE), (large, Reason.BODY_TOO_LARGE)):
        with pytest.raises(Malformed) as raised:
            await body.read()
        assert raised.value.reason is reason


async def test_a_body_that_nobody_waited_for_is_not_read_on(serve: Serve) -> None:
    """What a second reader got would look like the whole."""
    edge = await serve(Limits())
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(b"POST /wait HTTP/1.1\r\n" + HOST + b"Content-Length: 4\r\n\r\nab")
    await until(lambda: edge.answering.seen)
    (seen,) = edge.answering.seen
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await seen.body.read()

    writer.write(b"cd")
    await asyncio.sleep(0.05)

    with pytest.raises(Malformed) as raised:
        await seen.body.read()
    assert raised.value.reason is Reason.BODY_MALFORMED
    edge.answering.go.set()
    assert b" 200 " in await reader.readuntil(b"}")
    writer.close()


# How many


async def opened(port: int, *sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in sent:
        writer.write(piece)
        assert b" 200 " in await reader.readuntil(b"}")
    return reader, writer


async def is_closed(reader: asyncio.StreamReader, seconds: float = 0.2) -> bool:
    """Whether the other side has closed the connection without a word."""
    try:
        async with asyncio.timeout(seconds):
            return await reader.read() == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


async def test_one_address_has_so_many_connections_before_it_is_known(serve: Serve) -> None:
    edge = await serve(Limits(max_per_peer=3))
    connections = [await opened(edge.port) for _ in range(5)]

    assert [await is_closed(reader) for reader, _ in connections] == [True] * 2 + [False] * 3
    assert len(edge.door) == 3
    for _, writer in connections:
        writer.close()


async def test_a_connection_on_which_somebody_is_known_is_not_counted(serve: Serve) -> None:
    edge = await serve(Limits(max_per_peer=2))
    known_ones = [await opened(edge.port, closing("/known")[:-21] + b"\r\n") for _ in range(4)]

    public = [await opened(edge.port, b"GET /public HTTP/1.1\r\n" + HOST + b"\r\n")]
    strangers = [await opened(edge.port) for _ in range(2)]

    closed = [await is_closed(reader) for reader, _ in (*known_ones, *public, *strangers)]
    assert closed == [False] * 4 + [True] + [False] * 2
    for _, writer in (*known_ones, *public, *strangers):
        writer.close()


@pytest.mark.parametrize("path", ["/public", "/echo", "/none-there-is"])
async def test_who_was_known_is_a_stranger_by_the_next_request_without(
    serve: Serve, path: str
) -> None:
    edge = await serve(Limits(max_connections=1))
    friend = b"GET /known HTTP/1.1\r\n" + HOST + b"\r\n"
    reader, writer = await opened(edge.port, friend)
    assert (await edge.ask(closing())).data == b""

    writer.write(f"GET {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
    await reader.readuntil(b"}")

    assert (await edge.ask(closing())).status == 200
    assert await is_closed(reader)
    writer.close()


async def test_who_is_known_is_so_while_being_answered(serve: Serve) -> None:
    edge = await serve(Limits(max_per_peer=1))
    _, writer = await opened(edge.port)
    writer.write(b"GET /known-and-wait HTTP/1.1\r\n" + HOST + b"\r\n")
    await until(lambda: edge.answering.seen)

    assert (await edge.ask(closing())).status == 200
    writer.close()


@pytest.mark.parametrize(
    "listener",
    [
        Listener("gateway", None, None, proxies=(ipaddress.ip_network("127.0.0.0/8"),)),
        Listener(TUNNEL, None, None),
    ],
    ids=["a trusted proxy", "the tunnel"],
)
async def test_who_brings_many_is_not_counted_as_one(serve: Serve, listener: Listener) -> None:
    edge = await serve(Limits(max_per_peer=1), listener)
    connections = [await opened(edge.port, GET) for _ in range(5)]

    assert len(edge.door) == 5
    for _, writer in connections:
        writer.close()


async def test_the_oldest_stranger_makes_room(serve: Serve) -> None:
    edge = await serve(Limits(max_connections=3))
    friend, *strangers = [
        await opened(edge.port, b"GET /known HTTP/1.1\r\n" + HOST + b"\r\n"),
        await opened(edge.port),
        await opened(edge.port),
    ]

    newest = await opened(edge.port, GET)

    closed = [await is_closed(reader) for reader, _ in (friend, *strangers, newest)]
    assert closed == [False, True, False, False]
    assert len(edge.door) == 3
    for _, writer in (friend, *strangers, newest):
        writer.close()


async def test_a_crowd_of_strangers_does_not_lock_the_owner_out(serve: Serve) -> None:
    """Slow connections from more addresses than there is room for."""
    edge = await serve(Limits(max_connections=20, max_per_peer=None))
    strangers: list[asyncio.StreamWriter] = []

    async def crowd() -> None:
        while True:
            with contextlib.suppress(ConnectionError):
                _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
                writer.write(b"GET / HT")
                strangers.append(writer)
            await asyncio.sleep(0.005)

    crowding = asyncio.create_task(crowd())
    await until(lambda: len(strangers) > 100)
    async with served(edge.port):
        await asyncio.sleep(0.5)
    crowding.cancel()
    for writer in strangers:
        writer.transport.abort()


async def test_where_all_are_known_the_new_one_is_refused(serve: Serve) -> None:
    edge = await serve(Limits(max_connections=2))
    friends = [
        await opened(edge.port, b"GET /known HTTP/1.1\r\n" + HOST + b"\r\n") for _ in range(2)
    ]

    with capture_logs() as lines:
        assert (await edge.ask(closing())).data == b""

    assert "connections refused" in [line["event"] for line in lines]
    friends[0][1].close()
    await until(lambda: len(edge.door) == 1)
    assert (await edge.ask(closing())).status == 200
    friends[1][1].close()


@pytest.mark.parametrize("limits", [Limits(max_connections=0), Limits(max_per_peer=0)])
async def test_none_is_none(serve: Serve, limits: Limits) -> None:
    edge = await serve(limits)

    assert (await edge.ask(closing())).data == b""


async def test_a_flood_at_one_listener_leaves_the_others_alone(serve: Serve) -> None:
    flooded = await serve(Limits(max_connections=2))
    quiet = await serve(Limits(max_connections=2))
    flood = [await opened(flooded.port) for _ in range(50)]

    assert (await quiet.ask(closing())).status == 200
    assert (await flooded.ask(closing())).status == 200
    for _, writer in flood:
        writer.close()


@pytest.mark.slow
async def test_nothing_is_left_of_a_thousand_connections(serve: Serve) -> None:
    raise_descriptors()
    edge = await serve(Limits(max_connections=1000, max_per_peer=None, header_seconds=0.5))
    connections = await asyncio.gather(*(opened(edge.port) for _ in range(1200)))

    async with served(edge.port):
        await until(lambda: len(edge.door) < 10)

    for _, writer in connections:
        writer.close()
    await until(lambda: len(edge.door) == 0)


# Many requests at once


async def test_requests_sent_ahead_are_answered_in_order(serve: Serve) -> None:
    edge = await serve(Limits())
    asked = [f"GET /{number} HTTP/1.1\r\n".encode() + HOST + b"\r\n" for number in range(300)]

    reply = await edge.ask(b"".join(asked) + closing("/last"))

    found = [seen.path for seen in edge.answering.seen]
    assert found == [*(f"/{number}" for number in range(300)), "/last"]
    assert reply.data.count(b"HTTP/1.1 200 ") == 301


@pytest.mark.slow
async def test_a_body_that_waited_for_an_earlier_answer_has_its_whole_time(serve: Serve) -> None:
    edge = await serve(Limits(request_seconds=1.5))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
    await until(lambda: edge.answering.seen)
    writer.write(post(b"Content-Length: 1", b"Connection: close"))
    await asyncio.sleep(1.6)
    edge.answering.go.set()
    await asyncio.sleep(1.2)
    writer.write(b"x")

    assert (await reader.read()).count(b"HTTP/1.1 200 ") == 2
    writer.close()


async def test_what_is_sent_ahead_is_not_all_taken_in(serve: Serve) -> None:
    """Or a client could fill the memory while it waits for one answer."""
    edge = await serve(Limits())
    count, pads = 300, (b"X-Pad: " + b"x" * 8000 + b"\r\n") * 7
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(b"GET /wait HTTP/1.1\r\n" + HOST + b"\r\n")
    await until(lambda: edge.answering.seen)
    for _ in range(count):
        writer.write(GET[:-2] + pads + b"\r\n")
    writer.write(closing())

    await asyncio.sleep(0.5)
    held = cast("asyncio.Transport", writer.transport).get_write_buffer_size()
    assert held > count * len(pads) / 2
    edge.answering.go.set()

    assert (await reader.read()).count(b"HTTP/1.1 200 ") == count + 2
    writer.close()


@pytest.mark.parametrize("before", [0, 1], ids=["the first", "the second"])
async def test_a_head_is_no_larger_than_its_fields_may_be_together(
    serve: Serve, before: int
) -> None:
    """Each field is bounded by the parser; strangers could else fill the memory with many."""
    edge = await serve(Limits())
    pad = b"X-Pad: " + b"x" * 8000 + b"\r\n"
    for count, served in ((7, True), (9, False)):
        reader, writer = await opened(edge.port, *[GET] * before)
        writer.write(GET[:-2] + pad * count)
        await asyncio.sleep(0.1)

        assert await is_closed(reader, 0.1) is not served
        writer.close()


async def test_an_answer_is_in_a_version_that_is_spoken_here(serve: Serve) -> None:
    edge = await serve(Limits())

    reply = await edge.ask(closing().replace(b"HTTP/1.1", b"HTTP/2.0"))

    assert reply.data.startswith(b"HTTP/1.1 ")
    assert edge.answering.seen[0].version == (2, 0)
