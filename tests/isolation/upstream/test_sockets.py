"""The agent's end of a WebSocket: how it is asked for, and what is made of each answer."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import pytest
from doubles import CLIENT, grant
from duplex import CLOSE, PING, closed, frame, read_frames
from wire import Received, until

from proxy.actions import Relay, Upgrade
from proxy.decision import Allow, Decision, Deny
from proxy.duplex import Closing, Socket, SocketEvent
from proxy.exchange import Content, Frame, Stream
from proxy.isolation.upstream import Upstream
from proxy.isolation.upstream.sockets import offer
from proxy.protocols.handshake import Offer, answered
from proxy.reasons import Reason
from proxy.values import Headers
from proxy.websocket import LOST

OWN = {"Authorization": "Bearer agents-own-secret"}
ASKING = (
    ("Host", "sidegate"),
    ("Authorization", "Bearer zc_clients-own"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade, X-Hop"),
    ("X-Hop", "x"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ("Sec-WebSocket-Extensions", "permessage-deflate"),
    ("Sec-WebSocket-Protocol", "a, b"),
    ("X-Note", "kept"),
)
TOKEN = "zc_" + "7" * 64


@dataclass
class Agent:
    """An agent that answers a handshake, with these fields added or left out, and then says `says`.

    With `answer`, it answers with these bytes instead.
    """

    says: bytes = b""
    answer: bytes | None = None
    changes: dict[str, str | None] = field(default_factory=dict)
    ends: bool = False
    seen: list[Received] = field(default_factory=list)
    heard: bytes = b""
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            received = Received((await reader.readuntil(b"\r\n\r\n"))[:-4])
            self.seen.append(received)
            writer.write(self.head(received) if self.answer is None else self.answer)
            writer.write(self.says)
            await writer.drain()
            while not self.ends and (data := await reader.read(65536)):
                self.heard += data
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        self.gone.set()
        writer.close()

    def head(self, received: Received) -> bytes:
        fields: dict[str, str | None] = dict(answered(Headers(tuple(received.fields))))
        fields |= self.changes
        lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, "", ""]).encode()

    @property
    def frames(self) -> Sequence[tuple[int, bytes]]:
        """What it was sent, with the masks taken off."""
        return [*read_frames(unmasked(self.heard))]


def unmasked(data: bytes) -> bytes:
    """Frames of up to 64 kB without their masks."""
    out = b""
    while data:
        assert data[1] & 0x80, "a client masks"
        length, at = data[1] & 127, 2
        if length == 126:
            length, at = int.from_bytes(data[2:4], "big"), 4
        mask, payload = data[at : at + 4], data[at + 4 : at + 4 + length]
        clear = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        out += bytes((data[0], data[1] & 127)) + data[2:at] + clear
        data = data[at + 4 + length :]
    return out


Reach = Callable[[Agent], Awaitable[Upstream]]


@pytest.fixture
async def reach() -> AsyncIterator[Reach]:
    """A backend that is pointed at this agent."""
    async with AsyncExitStack() as stack:

        async def run(double: Agent) -> Upstream:
            server = await asyncio.start_server(double.serve, "127.0.0.1", 0)
            stack.callback(server.close)
            double.port = server.sockets[0].getsockname()[1]
            backend = Upstream(f"http://127.0.0.1:{double.port}", OWN)
            stack.push_async_callback(backend.aclose)
            return backend

        yield run


PLAN = Relay("GET", "/ws?x=1", Headers(ASKING), b"", upgrade=Upgrade(("a", "b")))


async def ask(backend: Upstream, plan: Relay = PLAN) -> Decision[Content]:
    return await backend.run(plan, grant(plan))


async def socket_of(backend: Upstream, plan: Relay = PLAN) -> Socket:
    done = await ask(backend, plan)
    assert isinstance(done, Allow)
    assert isinstance(done.value, Socket)
    assert done.facts == {"upstream_status": 101}
    return done.value


async def send_all(socket: Socket) -> None:
    """Send until it is no longer taken."""
    while True:
        await socket.send(b"x" * 65536)
        await asyncio.sleep(0)


async def heard(socket: Socket) -> list[SocketEvent]:
    events = [event async for event in socket.events]
    socket.release()
    return events


async def test_the_agent_is_asked_with_a_handshake_of_our_own(reach: Reach) -> None:
    agent = Agent()
    socket = await socket_of(await reach(agent))

    (seen,) = agent.seen
    assert seen.line == "GET /ws?x=1 HTTP/1.1"
    assert seen.all("upgrade") == ["websocket"]
    assert seen.all("connection") == ["Upgrade"]
    assert seen.all("sec-websocket-version") == ["13"]
    assert seen.all("sec-websocket-protocol") == ["a, b"]
    assert seen.all("sec-websocket-extensions") == []
    assert seen.all("sec-websocket-key") not in ([], ["AAAAAAAAAAAAAAAAAAAAAA=="])
    assert seen.all("authorization") == [OWN["Authorization"]]
    assert (seen.all("x-note"), seen.all("x-hop")) == (["kept"], [])
    assert seen.all("x-sidegate-principal") == [CLIENT.id]
    socket.release()


async def test_without_a_wish_the_agent_is_not_asked(reach: Reach) -> None:
    """A plain request stays one, whatever its header says of upgrades."""
    agent = Agent(answer=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ends=True)
    done = await ask(await reach(agent), replace(PLAN, upgrade=None))

    assert isinstance(done, Allow)
    names = {name for name, _ in agent.seen[0].fields}
    assert not {name for name in names if name.startswith("sec-websocket-")} | names & {"upgrade"}


@pytest.mark.parametrize("presented", [TOKEN, "short"])
async def test_a_credential_is_not_offered_to_the_agent(presented: str) -> None:
    offered = Upgrade(("chat", f"bearer.{presented}", presented))

    assert offer(offered, presented).protocols == ("chat",)
    assert offer(offered, None).protocols == offered.protocols


async def test_messages_pass_both_ways(reach: Reach) -> None:
    says = (
        frame(b"one", masked=False)
        + frame(b"\xff", 2, masked=False)
        + closed(4000, b"enough", masked=False)
    )
    agent = Agent(says=says)
    socket = await socket_of(await reach(agent))

    await socket.send("zwei")
    await socket.send(b"\x00" * 300)
    await socket.send("")
    assert await heard(socket) == ["one", b"\xff", Closing(4000, "enough")]
    await agent.gone.wait()
    assert agent.frames == [(1, b"zwei"), (2, b"\x00" * 300), (1, b"")]


async def test_the_agent_is_told_that_it_ends(reach: Reach) -> None:
    agent = Agent(says=closed(1000, masked=False))
    socket = await socket_of(await reach(agent))

    await socket.send(Closing(4001, "bye"))
    socket.release()

    await agent.gone.wait()
    assert agent.frames == [(CLOSE, (4001).to_bytes(2, "big") + b"bye")]


async def test_what_the_agent_chose_is_passed_on_and_its_proof_is_not(reach: Reach) -> None:
    changes: dict[str, str | None] = {
        "Sec-WebSocket-Protocol": "b",
        "Set-Cookie": "a=1",
        "X-Note": "theirs",
        "Server": "theirs",
        "Content-Length": "0",
        "Sec-WebSocket-Version": "13",
    }
    socket = await socket_of(await reach(Agent(changes=changes)))

    assert {name.lower(): value for name, value in socket.headers} == {
        "sec-websocket-protocol": "b",
        "set-cookie": "a=1",
        "x-note": "theirs",
    }
    socket.release()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, id="another proof"),
        pytest.param({"Sec-WebSocket-Accept": None}, id="no proof"),
        pytest.param({"Upgrade": "h2c"}, id="another protocol"),
        pytest.param({"Sec-WebSocket-Protocol": "c"}, id="a subprotocol that nobody offered"),
        pytest.param({"Sec-WebSocket-Extensions": "permessage-deflate"}, id="an extension"),
        pytest.param({"X-Note": "a\x01b"}, id="a header that cannot be passed on"),
    ],
)
async def test_an_acceptance_of_something_else_is_none(
    reach: Reach, changes: dict[str, str | None]
) -> None:
    agent = Agent(changes=changes)

    done = await ask(await reach(agent))

    assert done in (Deny(Reason.UPSTREAM_UNREADABLE), Deny(Reason.UPSTREAM_UNREACHABLE))
    await agent.gone.wait()


@pytest.mark.parametrize(
    "status", ["200 OK", "401 Unauthorized", "403 No", "404 No", "426 Upgrade Required", "503 No"]
)
async def test_what_the_agent_refuses_is_refused_in_its_own_words(
    reach: Reach, status: str
) -> None:
    body = b"not like this"
    answer = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nX-Note: theirs\r\n\r\n"
    done = await ask(await reach(Agent(answer=answer.encode() + body, ends=True)))

    assert isinstance(done, Allow)
    assert isinstance(done.value, Stream)
    assert done.value.status == int(status[:3])
    assert done.value.headers.get("x-note") == "theirs"
    assert [each async for each in done.value.frames] == [Frame("body", body)]
    done.value.release()


async def test_no_redirect_is_followed(reach: Reach) -> None:
    agent = Agent()
    backend = await reach(agent)
    agent.answer = (
        f"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{agent.port}/x\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()

    done = await ask(backend)

    assert isinstance(done, Allow)
    assert done.value.status == 302
    assert len(agent.seen) == 1


async def test_an_agent_that_is_not_there_is_unreachable() -> None:
    backend = Upstream("http://127.0.0.1:1", OWN)

    assert await ask(backend) == Deny(Reason.UPSTREAM_UNREACHABLE)
    await backend.aclose()


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(frame(b"x", masked=True), id="a frame that is masked"),
        pytest.param(frame(b"\xff", masked=False), id="a text that is no UTF-8"),
        pytest.param(frame(b"x", reserved=4, masked=False), id="a compressed frame"),
        pytest.param(frame(b"", length=(4 << 20) + 1, masked=False), id="a message too large"),
        pytest.param(frame(b"x", 7, masked=False), id="a frame of no kind"),
        pytest.param(closed(1006, masked=False), id="a close code that nobody sends"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="something else"),
    ],
)
async def test_an_agent_that_breaks_the_rules_is_lost(reach: Reach, said: bytes) -> None:
    agent = Agent(says=frame(b"before", masked=False) + said + frame(b"after", masked=False))
    socket = await socket_of(await reach(agent))

    assert await heard(socket) == ["before", LOST]
    await agent.gone.wait()
    ((opcode, _),) = agent.frames
    assert opcode == CLOSE


async def test_an_agent_that_breaks_off_is_lost(reach: Reach) -> None:
    agent = Agent(says=frame(b"before", masked=False) + b"\x81\x05ab", ends=True)
    socket = await socket_of(await reach(agent))

    assert await heard(socket) == ["before", LOST]
    with pytest.raises(OSError, match=r"closing|lost"):
        await send_all(socket)


async def test_messages_of_four_mebibytes_pass(reach: Reach) -> None:
    data = os.urandom(1 << 20) * 4
    agent = Agent(says=frame(data, 2, masked=False) + closed(1000, masked=False))
    socket = await socket_of(await reach(agent))

    assert await heard(socket) == [data, Closing(1000)]


async def test_its_pings_are_answered_here(reach: Reach) -> None:
    agent = Agent(says=frame(b"x", PING, masked=False) + closed(1000, masked=False))
    socket = await socket_of(await reach(agent))

    assert await heard(socket) == [Closing(1000)]
    await agent.gone.wait()
    assert agent.frames == [(10, b"x")]


async def test_what_nobody_takes_is_cut_off() -> None:
    """No connection stays open because somebody at its end does not read."""
    stuck = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = Received((await reader.readuntil(b"\r\n\r\n"))[:-4])
        writer.write(Agent().head(received))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await stuck.wait()
        writer.transport.abort()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    backend = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", OWN)
    socket = await socket_of(backend)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(send_all(socket), 0.5)
    before = open_sockets()

    socket.release()
    await until(lambda: open_sockets() == before - 1)

    stuck.set()
    server.close()
    await backend.aclose()


def open_sockets() -> int:
    gc.collect()
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return sum(name.startswith("socket:") for name in names)


def test_each_handshake_has_a_key_of_its_own() -> None:
    assert len({Offer().key for _ in range(10)}) == 10
