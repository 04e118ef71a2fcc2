"""WebSockets through a route, between real clients and a real agent, and some that are neither."""

import asyncio
import gc
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import cast

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from conftest import Sidegate, Start
from duplex import ACCEPT, CLOSE, KEY, PING, TEXT, closed, frame, read_frames
from wire import send, until

SECRET = "zc_" + "ab12" * 16
MASKED = "zc_a*[REDACTED]"
LARGEST = 10_000


@dataclass
class Agent:
    """An agent that says every message back, or does what a message asks for."""

    messages: list[str | bytes] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    over: int = 0
    flooded: int = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        if request.path == "/plain" or "upgrade" not in request.headers:
            return web.json_response({"key": SECRET}, status=418)
        socket = web.WebSocketResponse(protocols=("chat",), autoclose=False, max_msg_size=1 << 30)
        await socket.prepare(request)
        self.sockets.append(socket)
        try:
            async for message in socket:
                self.messages.append(message.data)
                await self.answer(request, socket, message)
            await socket.close(code=socket.close_code or 1000)
        finally:
            self.over += 1
        return socket

    async def answer(
        self, request: web.Request, socket: web.WebSocketResponse, message: aiohttp.WSMessage
    ) -> None:
        match str(message.data).split():
            case ["close", code, *reason]:
                await socket.close(code=int(code), message=" ".join(reason).encode())
            case ["break"]:
                assert request.transport is not None
                request.transport.abort()
            case ["flood"]:
                for _ in range(1000):
                    await socket.send_bytes(b"\xff" * 100_000)
                    self.flooded += 1
            case ["large", size]:
                await socket.send_str("x" * int(size))
            case _ if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            case _:
                await socket.send_bytes(message.data)


@dataclass
class Front:
    """Sidegate before this agent."""

    sidegate: Sidegate
    agent: Agent
    token: str

    @property
    def port(self) -> int:
        return self.sidegate.app.ports["gateway"]

    async def connect(self, *protocols: str, **fields: str) -> aiohttp.ClientWebSocketResponse:
        headers = {"Authorization": f"Bearer {self.token}", **fields}
        return await self.sidegate.http.ws_connect(
            self.sidegate.url("/ws"), headers=headers, protocols=protocols, autoclose=False
        )

    async def refused(self, path: str = "/ws", **fields: str) -> int:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await self.sidegate.http.ws_connect(
                self.sidegate.url(path), headers={"Authorization": f"Bearer {self.token}", **fields}
            )
        return caught.value.status

    def asking(self, changes: Mapping[str, str | None] | None = None, line: str = "") -> bytes:
        fields: dict[str, str | None] = {
            "Host": "localhost",
            "Authorization": f"Bearer {self.token}",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": KEY,
            "Sec-WebSocket-Version": "13",
            **(changes or {}),
        }
        lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return "\r\n".join([line or "GET /ws HTTP/1.1", *lines, "", ""]).encode()

    def rows(self, event: str) -> list[dict[str, object]]:
        """The rows of the audit log about sockets."""
        rows = map(json.loads, (self.sidegate.folder / "audit.jsonl").read_text().splitlines())
        return [row for row in rows if (row["event"], row.get("action")) == (event, "Forward")]

    async def outcome(self) -> dict[str, object]:
        await until(lambda: self.rows("outcome"))
        (row,) = self.rows("outcome")
        return row


Open = Callable[..., Awaitable[Front]]


@pytest.fixture
async def front(start: Start) -> AsyncIterator[Open]:
    """Sidegate with these limits; nothing may go on in it or the agent when the client has left."""
    async with AsyncExitStack() as stack:

        async def run(**gateway: object) -> Front:
            agent = Agent()
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", agent.serve)
            server = await stack.enter_async_context(TestServer(app))
            paths = ("/ws", "/plain")
            routes = [{"path": path, "methods": ["GET", "POST"]} for path in paths]
            upstream = {"url": f"http://127.0.0.1:{server.port}", "routes": routes}
            limits = {"max_body_bytes": LARGEST, **gateway}
            sidegate = await start({"upstream": upstream, "gateway": limits})
            made = Front(sidegate, agent, await sidegate.pair())
            running = sidegate.app.server.running
            stack.push_async_callback(until, lambda: agent.over == len(agent.sockets))
            stack.push_async_callback(until, lambda: len(running) == 0)
            stack.push_async_callback(sidegate.http.close)
            return made

        yield run


def open_sockets() -> int:
    gc.collect()
    return sum(
        os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
        for number in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{number}")
    )


async def heard(client: aiohttp.ClientWebSocketResponse) -> tuple[list[object], int, str]:
    """What a client hears until it is closed; the code and the reason."""
    messages: list[object] = []
    async with asyncio.timeout(10):
        while True:
            message = await client.receive()
            if message.type is WSMsgType.CLOSE:
                await client.close()
                return messages, message.data, message.extra or ""
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return messages, client.close_code or 0, ""
            messages.append(message.data)


# What passes


async def test_messages_pass_both_ways(front: Open) -> None:
    made = await front()
    client = await made.connect("other", "chat")
    said: list[str | bytes] = ["hällo", b"\x00\xff", "", b"", "x" * LARGEST]

    for message in said:
        await (client.send_str(message) if isinstance(message, str) else client.send_bytes(message))
    answers = [(await client.receive()).data for _ in said]
    await client.close(code=4001, message=b"so long")

    assert client.protocol == "chat"
    assert answers == made.agent.messages == said
    assert made.agent.sockets[0].close_code == client.close_code == 4001
    outcome = await made.outcome()
    assert (len(made.rows("grant")), outcome["status"]) == (1, 101)
    assert "cancelled" not in outcome


async def test_what_reaches_the_agent_is_nobodys_credential(front: Open) -> None:
    made = await front()
    client = await made.connect(
        "chat", f"bearer.{made.token}", Origin="http://localhost", Host="localhost"
    )

    await client.close()
    fields = made.agent.requests[0].headers
    assert made.token not in str(fields)
    assert fields["Sec-WebSocket-Protocol"] == "chat"
    assert "Sec-WebSocket-Extensions" not in fields
    assert fields["X-Sidegate-Principal"]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param(f"key {SECRET} ok", f"key {MASKED} ok", id="in a text"),
        pytest.param(f'{{"a": "{SECRET}"}}', f'{{"a": "{MASKED}"}}', id="in JSON"),
        pytest.param(
            '{"password": "hunter2hunter2", "n": 1.50}',
            '{"password": "*[REDACTED]", "n": 1.50}',
            id="under a name in JSON",
        ),
        pytest.param(
            f'{{"a": "\\u007a{SECRET[1:]}"}}', f'{{"a": "\\u007a{MASKED[1:]}"}}', id="in disguise"
        ),
        pytest.param(
            f'{{"a":1,"a":"{SECRET}"}}', f'{{"a":1,"a":"{MASKED}"}}', id="in JSON of two meanings"
        ),
        pytest.param('{"n": 1.50}', '{"n": 1.50}', id="nowhere"),
        pytest.param(f"key {SECRET}".encode(), f"key {MASKED}".encode(), id="in bytes"),
        pytest.param(
            b"\xff" + SECRET.encode(), b"\xff" + MASKED.encode(), id="in bytes that are no text"
        ),
    ],
)
async def test_no_secret_passes_in_a_message(
    front: Open, said: str | bytes, shown: str | bytes
) -> None:
    made = await front()
    client = await made.connect()

    await (client.send_str(said) if isinstance(said, str) else client.send_bytes(said))

    assert (await client.receive()).data == shown
    await client.close()
    assert made.agent.messages == [said]
    outcome = await made.outcome()
    assert ("redactions" in outcome) is ("REDACTED" in str(shown))


async def test_no_secret_passes_in_the_reason_of_a_close(front: Open) -> None:
    made = await front()
    client = await made.connect()

    await client.send_str(f"close 4000 it was {SECRET}")

    assert await heard(client) == ([], 4000, f"it was {MASKED}")


async def test_a_large_text_is_scrubbed_whole(front: Open) -> None:
    made = await front(max_body_bytes=1 << 20)
    client = await made.connect()
    text = ("word " * 20_000) + SECRET

    await client.send_str(text)

    assert (await client.receive()).data == text.replace(SECRET, MASKED)
    await client.close()


async def test_pings_are_answered_at_each_side(front: Open) -> None:
    made = await front()
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    writer.write(made.asking() + frame(b"early") + frame(b"you?", PING))
    head = await reader.readuntil(b"\r\n\r\n")

    data = await reader.readexactly(2 + 4 + 2 + 5)
    assert f"Sec-WebSocket-Accept: {ACCEPT}\r\n".encode() in head
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"content-length" not in head.lower()
    assert b"transfer-encoding" not in head.lower()
    assert sorted(read_frames(data)) == [(TEXT, b"early"), (10, b"you?")]
    writer.write(closed(1000))
    assert [*read_frames(await reader.read())] == [(CLOSE, b"\x03\xe8")]
    writer.close()


async def test_more_than_a_buffer_passes_before_and_after_the_answer(front: Open) -> None:
    """What is read ahead of an answer is bounded, and must not stop what comes behind it."""
    made = await front()
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    many = frame(b"x" * LARGEST) * 20
    writer.write(made.asking() + many)
    await reader.readuntil(b"\r\n\r\n")
    answers = asyncio.create_task(reader.readexactly(40 * (LARGEST + 4)))
    writer.write(many)

    async with asyncio.timeout(10):
        assert len([*read_frames(await answers)]) == 40
    writer.close()
    await until(lambda: made.agent.over == 1)


async def test_a_socket_may_come_behind_other_requests(front: Open) -> None:
    made = await front()
    plain = made.asking({"Upgrade": None}, "GET /plain HTTP/1.1")

    reply = await send(made.port, plain + made.asking() + frame(b"x") + closed(1000))

    assert reply.data.count(b"HTTP/1.1 ") == 2
    assert b" 418 " in reply.head
    socket = reply.data[reply.data.index(b"HTTP/1.1 101 ") :].partition(b"\r\n\r\n")[2]
    assert [*read_frames(socket)] == [(TEXT, b"x"), (CLOSE, b"\x03\xe8")]


async def test_two_conversations_do_not_mix(front: Open) -> None:
    made = await front()
    clients = [await made.connect() for _ in range(10)]

    for number, client in enumerate(clients):
        await client.send_str(f"{number}")
    answers = [(await client.receive()).data for client in clients]

    assert answers == [f"{number}" for number in range(10)]
    await asyncio.gather(*(client.close() for client in clients))


# Who is let in


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"Authorization": "Bearer zc_" + "0" * 64}, 401),
        ({"Authorization": ""}, 401),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Host": "elsewhere.example"}, 421),
    ],
)
async def test_a_stranger_is_refused_before_the_agent_hears(
    front: Open, fields: dict[str, str], status: int
) -> None:
    made = await front()

    assert await made.refused(**fields) == status
    assert made.agent.requests == []


async def test_a_path_that_is_no_route_does_not_exist(front: Open) -> None:
    made = await front()

    assert await made.refused("/ws/other") == 404
    assert made.agent.requests == []


async def test_what_the_agent_refuses_is_refused_in_its_words(front: Open) -> None:
    made = await front()

    reply = await send(made.port, made.asking(line="GET /plain HTTP/1.1"), seconds=0.5)

    assert reply.status == 418
    assert f'{{"key": "{MASKED}"}}'.encode() in reply.body


async def test_an_agent_that_is_not_there_is_a_refusal(start: Start) -> None:
    routes = [{"path": "/ws", "methods": ["GET"]}]
    sidegate = await start({"upstream": {"url": "http://127.0.0.1:1", "routes": routes}})

    made = Front(sidegate, Agent(), await sidegate.pair())

    assert await made.refused() == 502


@pytest.mark.parametrize(
    "changes",
    [
        {"Sec-WebSocket-Version": "8"},
        {"Sec-WebSocket-Key": "short"},
        {"Sec-WebSocket-Key": None},
        {"Connection": "keep-alive"},
        {"Upgrade": "h2c, websocket"},
        {"Content-Length": "3"},
        {"Transfer-Encoding": "chunked"},
        {"Sec-WebSocket-Protocol": "a, a"},
    ],
)
async def test_an_ill_formed_handshake_is_refused(
    front: Open, changes: dict[str, str | None]
) -> None:
    made = await front()

    reply = await send(made.port, made.asking(changes), seconds=0.5, once=True)

    assert (reply.status, reply.json()["code"]) == (400, "handshake-malformed")
    assert made.agent.requests == []


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        pytest.param("POST /ws HTTP/1.1", {"Content-Length": "0"}, id="POST"),
        pytest.param("GET /ws HTTP/1.0", {}, id="an old HTTP"),
        pytest.param("GET /ws HTTP/1.1", {"Upgrade": "h2c"}, id="another protocol"),
        pytest.param("GET /ws HTTP/1.1", {"Upgrade": None}, id="none"),
    ],
)
async def test_what_asks_for_no_websocket_goes_up_as_a_plain_request(
    front: Open, line: str, changes: dict[str, str | None]
) -> None:
    made = await front()

    reply = await send(made.port, made.asking(changes, line), once=True)

    assert reply.status == 418
    (request,) = made.agent.requests
    names = {name.lower() for name in request.headers}
    assert not names & {"upgrade", "sec-websocket-key", "sec-websocket-version"}


async def test_behind_a_refused_handshake_nothing_is_smuggled(front: Open) -> None:
    made = await front()
    hidden = b"GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n"

    reply = await send(made.port, made.asking({"Sec-WebSocket-Key": "x"}) + hidden, seconds=0.5)

    assert reply.status == 400
    assert made.agent.requests == []


# How it ends


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(b"x", masked=False), 1002, id="not masked"),
        pytest.param(frame(b"x", reserved=4), 1002, id="compressed"),
        pytest.param(frame(b"x", 3), 1002, id="of no kind"),
        pytest.param(frame(b"x" * 126, PING), 1002, id="a large ping"),
        pytest.param(frame(b"x", 0), 1002, id="the rest of nothing"),
        pytest.param(closed(1005), 1002, id="a code that nobody sends"),
        pytest.param(frame(b"\xff"), 1007, id="no UTF-8"),
        pytest.param(frame(b"x" * (LARGEST + 1)), 1009, id="too large"),
        pytest.param(frame(b"", length=(1 << 63) - 1), 1009, id="far too large"),
        pytest.param(frame(b"", length=1 << 63), 1009, id="larger than can be"),
        pytest.param(
            frame(b"x" * 1000, final=False) + frame(b"x" * 1000, 0, final=False) * 1000,
            1009,
            id="too large in pieces",
        ),
    ],
)
async def test_a_client_that_breaks_the_rules_is_told_and_the_agent_hears_nothing(
    front: Open, sent: bytes, code: int
) -> None:
    made = await front()

    reply = await send(made.port, made.asking() + sent + frame(b"after"), seconds=5)

    assert (reply.cut, reply.status) == (False, 101)
    assert [*read_frames(reply.body)] == [(CLOSE, code.to_bytes(2, "big"))]
    await until(lambda: made.agent.over == 1)
    assert made.agent.messages == []
    assert made.agent.sockets[0].close_code == 1001


async def test_after_a_close_nothing_passes(front: Open) -> None:
    made = await front()

    reply = await send(made.port, made.asking() + closed(3000, b"ok") + frame(b"after"))

    assert [*read_frames(reply.body)] == [(CLOSE, (3000).to_bytes(2, "big") + b"ok")]
    await until(lambda: made.agent.over == 1)
    assert (made.agent.messages, made.agent.sockets[0].close_code) == ([], 3000)


@pytest.mark.parametrize("said", ["close 1000", "close 1011 broken", "close 4999"])
async def test_an_agent_that_closes_is_passed_on(front: Open, said: str) -> None:
    made = await front()
    client = await made.connect()
    _, code, *reason = said.split()

    await client.send_str(said)

    assert await heard(client) == ([], int(code), " ".join(reason))
    assert "cancelled" not in await made.outcome()


async def test_an_agent_that_breaks_off_is_no_end_in_order(front: Open) -> None:
    made = await front()
    client = await made.connect()

    await client.send_str("break")

    assert (await heard(client))[1] == 1011
    assert (await made.outcome())["cancelled"] == "broken-off"


async def test_an_agent_that_says_too_much_is_broken_off(front: Open) -> None:
    made = await front()
    client = await made.connect()

    await client.send_str(f"large {(4 << 20) + 1}")

    assert await heard(client) == ([], 1011, "")
    await until(lambda: made.agent.over == 1)
    assert made.agent.sockets[0].close_code == 1009
    assert (await made.outcome())["cancelled"] == "broken-off"


async def test_a_client_that_is_gone_is_gone_for_the_agent(front: Open) -> None:
    made = await front()
    _, writer = await asyncio.open_connection("127.0.0.1", made.port)
    writer.write(made.asking())
    await until(lambda: made.agent.sockets)

    writer.transport.abort()

    await until(lambda: made.agent.over == 1)
    assert made.agent.sockets[0].close_code == 1001
    assert (await made.outcome())["cancelled"] == "client-left"


async def test_whose_token_is_revoked_is_cut_off(front: Open) -> None:
    made = await front()
    client = await made.connect()
    await client.send_str("x")
    await client.receive()
    (principal,) = made.sidegate.app.server.running.principals()

    made.sidegate.app.server.running.end_principal(principal)

    assert await heard(client) == ([], 1008, "")
    await until(lambda: made.agent.over == 1)
    assert made.agent.sockets[0].close_code == 1001
    assert (await made.outcome())["cancelled"] == "token-revoked"


@pytest.mark.slow
async def test_when_sidegate_ends_both_sides_are_told(front: Open) -> None:
    made = await front()
    client = await made.connect()
    await client.send_str("x")
    await client.receive()

    made.sidegate.app.stopped.set()
    await until(lambda: made.sidegate.app.operations.stopping)
    await client.send_str("not lost")

    assert (await client.receive()).data == "not lost"
    assert await heard(client) == ([], 1001, "")
    await until(lambda: made.agent.over == 1)
    assert made.agent.sockets[0].close_code == 1001
    assert (await made.outcome())["cancelled"] == "stopped"


@pytest.mark.slow
async def test_who_takes_nothing_is_cut_and_the_agent_not_read_meanwhile(front: Open) -> None:
    made = await front(request_timeout_secs=2)
    sent: list[int] = []

    def at_rest() -> bool:
        sent.append(made.agent.flooded)
        return len(sent) > 20 and 0 < sent[-20] == sent[-1]

    _, writer = await asyncio.open_connection("127.0.0.1", made.port)
    cast("asyncio.ReadTransport", writer.transport).pause_reading()
    writer.write(made.asking() + frame(b"flood"))

    await until(at_rest)
    assert sent[-1] < 500, "no more than the buffers of three connections hold"
    await until(lambda: made.agent.over == 1)

    writer.transport.abort()
    assert (await made.outcome())["cancelled"] == "client-left"


@pytest.mark.slow
async def test_a_flood_is_passed_on_at_the_pace_of_who_takes_it(front: Open) -> None:
    made = await front()
    client = await made.connect()

    await client.send_str("flood")
    size = 0
    for _ in range(1000):
        size += len((await client.receive()).data)

    assert size == 100_000_000
    await client.close()


async def test_no_socket_stays_open(front: Open) -> None:
    made = await front()
    before = open_sockets()

    for _ in range(20):
        client = await made.connect()
        await client.send_str("x")
        await client.close()
        await send(made.port, made.asking() + frame(b"x", 3))
        await made.refused("/plain")

    await made.sidegate.http.close()
    await until(lambda: open_sockets() <= before)
