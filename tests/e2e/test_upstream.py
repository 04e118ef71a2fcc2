"""The agent behind a whole Sidegate: bodies in both directions, and what goes wrong on the way."""

import asyncio
import hashlib
import re
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from conftest import Sidegate, Start
from raw_agent import FINE, Behave, Line, RawAgent, keep, raw_agent
from wire import Reply, send, until, until_done

MEGABYTE = 1 << 20


@dataclass
class Front:
    """A Sidegate before an agent, with a client that is paired."""

    sidegate: Sidegate
    agent: RawAgent
    token: str

    @property
    def port(self) -> int:
        return self.sidegate.app.ports["gateway"]

    def head(self, *fields: str, method: str = "POST") -> bytes:
        lines = (f"{method} /up HTTP/1.1", "Host: localhost", f"Authorization: Bearer {self.token}")
        return "\r\n".join((*lines, "Connection: close", *fields, "", "")).encode()

    async def ask(self, *fields: str, method: str = "POST", body: bytes = b"") -> Reply:
        return await send(self.port, self.head(*fields, method=method) + body, seconds=5)

    async def counted(self) -> dict[str, int]:
        """Requests to the agent by the class of their status."""
        async with self.sidegate.http.get(self.sidegate.url("/metrics", "metrics")) as answer:
            text = await answer.text()
        found = re.findall(r'upstream_requests_total\{status="(\w+)"\} (\d+)', text)
        return {status: int(count) for status, count in found if int(count)}

    async def is_up(self) -> bool:
        """What the gauge says."""
        async with self.sidegate.http.get(self.sidegate.url("/metrics", "metrics")) as answer:
            return "\nsidegate_upstream_up 1.0\n" in await answer.text()


Stand = Callable[..., Awaitable[Front]]


@pytest.fixture
async def stand(start: Start) -> AsyncIterator[Stand]:
    """Stand before an agent that does this."""
    async with AsyncExitStack() as stack:

        async def run(behave: Behave = keep, **gateway: object) -> Front:
            agent = await stack.enter_async_context(raw_agent(behave))
            routes = [{"path": "/up", "methods": ["GET", "POST"]}]
            sections: Mapping[str, object] = {
                "upstream": {"url": agent.url, "routes": routes},
                "gateway": gateway,
            }
            sidegate = await start(sections)
            return Front(sidegate, agent, await sidegate.pair())

        yield run


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)


def said(reply: Reply) -> bytes:
    """The body, out of its chunks, if it is there to its end."""
    body, at, pieces = reply.body, 0, []
    while not body.startswith(b"0\r\n", at):
        begin = body.index(b"\r\n", at) + 2
        end = begin + int(body[at:begin], 16)
        pieces.append(body[begin:end])
        at = end + 2
    return b"".join(pieces)


async def hearing(line: Line) -> None:
    """Take everything until the other side closes."""
    head = await line.head()
    if head is not None:
        head.body = await line.rest()


async def test_requests_of_many_clients_share_connections(stand: Stand) -> None:
    front = await stand()

    for _ in range(4):
        assert said(await front.ask(method="GET")) == b"fine"

    assert len(front.agent.numbers) == 4
    assert len(set(front.agent.numbers)) == 1
    assert await front.counted() == {"2xx": 4}


# Bodies


async def test_a_large_body_passes_in_little_memory(stand: Stand) -> None:
    """What an agent does not take is not taken from the client."""
    size, gate, digest = 64 * MEGABYTE, asyncio.Event(), hashlib.sha256()

    async def behave(line: Line) -> None:
        await line.head()
        await gate.wait()
        left = size
        while left and (piece := await line.reader.read(65536)):
            left -= len(piece)
            digest.update(piece)
        await line.say(FINE)

    front = await stand(behave, max_body_bytes=size)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    block = bytes(range(256)) * 256
    taken = 0

    async def upload() -> None:
        nonlocal taken
        writer.write(front.head(f"Content-Length: {size}"))
        for _ in range(size // len(block)):
            writer.write(block)
            await writer.drain()
            taken += len(block)

    uploading = asyncio.create_task(upload())
    await until(lambda: front.agent.seen)
    settled = -1
    while settled != taken:
        settled = taken
        await asyncio.sleep(0.2)  # until nothing moves
    gate.set()
    await uploading

    assert (await reader.readuntil(b"fine")).startswith(b"HTTP/1.1 200 ")
    assert settled < size // 2
    assert digest.digest() == hashlib.sha256(block * (size // len(block))).digest()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < 120  # of which the digest above takes 64
    writer.close()


async def test_a_large_answer_waits_for_who_reads_it(stand: Stand) -> None:
    size, written = 64 * MEGABYTE, 0

    async def behave(line: Line) -> None:
        nonlocal written
        await line.request()
        await line.say(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        while written < size:
            await line.say(b"x" * 65536)
            written += 65536

    front = await stand(behave)
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(front.head("Content-Length: 0"))
    answer = await reader.readuntil(b"\r\n\r\n")
    settled = -1
    while settled != written:
        settled = written
        await asyncio.sleep(0.2)  # until nothing moves

    assert settled < size // 2
    assert said(Reply(answer + await reader.read())) == b"x" * size
    writer.close()


async def test_who_expects_to_be_asked_is_asked(stand: Stand) -> None:
    front = await stand()
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(front.head("Content-Length: 5", "Expect: 100-continue"))

    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hello")

    assert (await reader.readuntil(b"fine")).startswith(b"HTTP/1.1 200 ")
    ((_, seen),) = front.agent.seen
    assert (seen.body, seen.all("expect")) == (b"hello", [])
    writer.close()


async def test_nobody_is_asked_for_a_body_that_is_not_wanted(stand: Stand) -> None:
    front = await stand(max_body_bytes=10)

    reply = await send(
        front.port, front.head("Content-Length: 11", "Expect: 100-continue"), seconds=5
    )

    assert reply.status == 413
    assert front.agent.seen == []
    assert await front.counted() == {}


async def test_a_body_that_turns_out_too_large_never_looks_whole(stand: Stand) -> None:
    front = await stand(hearing, max_body_bytes=10)

    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(front.head("Transfer-Encoding: chunked") + chunked(b"123456"))
    await until(lambda: front.agent.seen)
    writer.write(chunked(b"789012"))
    reply = Reply(await reader.read())

    assert reply.status == 413
    assert reply.json()["code"] == "body-too-large"
    writer.close()
    await until(lambda: front.agent.open == 0)
    ((_, seen),) = front.agent.seen
    assert not seen.body.endswith(b"0\r\n\r\n")
    assert await front.counted() == {"none": 1}


@pytest.mark.parametrize(
    ("field", "body"),
    [("Content-Length: 10", b"hello"), ("Transfer-Encoding: chunked", chunked(b"hello"))],
    ids=["with a length", "in chunks"],
)
async def test_a_client_that_leaves_in_the_middle_leaves_half_a_request(
    stand: Stand, field: str, body: bytes
) -> None:
    front = await stand(hearing)
    _, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(front.head(field) + body)
    await until(lambda: front.agent.seen)

    writer.close()

    await until(lambda: front.agent.open == 0)
    ((_, seen),) = front.agent.seen
    assert not seen.body.endswith(b"0\r\n\r\n")
    assert len(seen.body) < 10 or field != "Content-Length: 10"


async def test_a_client_that_dawdles_is_late_and_leaves_half_a_request(stand: Stand) -> None:
    front = await stand(hearing, request_timeout_secs=1.0)

    reply = await send(front.port, front.head("Content-Length: 10") + b"hello", seconds=5)

    assert reply.status == 408
    await until(lambda: front.agent.open == 0)
    assert front.agent.seen[0][1].body == b"hello"
    assert await front.counted() == {"none": 1}


async def test_a_client_is_not_late_because_the_agent_is(stand: Stand) -> None:
    size = 32 * MEGABYTE

    async def behave(line: Line) -> None:
        await line.head()
        await asyncio.sleep(1.5)  # longer than a client has
        await line.reader.readexactly(size)
        await line.say(FINE)

    front = await stand(behave, request_timeout_secs=1.0, max_body_bytes=size)
    head = front.head(f"Content-Length: {size}")

    reply = await send(front.port, head, bytes(size), seconds=10)

    assert said(reply) == b"fine"


async def test_an_answer_that_does_not_wait_for_the_body_is_passed_on(stand: Stand) -> None:
    async def behave(line: Line) -> None:
        await line.head()
        await line.say(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")

    front = await stand(behave)

    reply = await front.ask("Content-Length: 100", body=b"half")

    assert (reply.status, said(reply)) == (401, b"no")
    assert await front.counted() == {"4xx": 1}


async def test_bodies_of_many_clients_do_not_mix(stand: Stand) -> None:
    async def behave(line: Line) -> None:
        while received := await line.request():
            length = f"HTTP/1.1 200 OK\r\nContent-Length: {len(received.body)}\r\n\r\n"
            await line.say(length.encode() + received.body)

    front = await stand(behave)
    bodies = [f"{n}-".encode() * 20_000 for n in range(30)]

    replies = await asyncio.gather(
        *(front.ask(f"Content-Length: {len(body)}", body=body) for body in bodies)
    )

    assert [said(reply) for reply in replies] == bodies


# Faults


async def test_an_answer_that_breaks_off_is_not_passed_on_as_whole(stand: Stand) -> None:
    async def behave(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        await asyncio.sleep(0.1)  # so that it is on its way
        line.reset()

    front = await stand(behave)

    reply = await send(front.port, front.head("Content-Length: 0"), seconds=5)

    assert reply.status == 200
    assert reply.cut or not reply.data.endswith(b"0\r\n\r\n")
    assert await front.counted() == {"2xx": 1}


async def test_an_agent_that_is_gone_is_left_in_peace_for_a_while(start: Start) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    upstream = {"url": f"http://127.0.0.1:{port}", "routes": [{"path": "/up"}]}
    sidegate = await start({"upstream": upstream})
    front = Front(sidegate, RawAgent(keep), await sidegate.pair())

    replies = [await front.ask(method="GET") for _ in range(6)]

    assert [reply.status for reply in replies] == [502] * 5 + [503]
    assert replies[-1].json()["code"] == "upstream-down"
    assert replies[-1].fields["retry-after"] == "1"
    assert await front.counted() == {"none": 6}
    async with raw_agent(port=port):
        await asyncio.sleep(1.1)  # as long as it says
        assert said(await front.ask(method="GET")) == b"fine"
        assert await front.counted() == {"none": 6, "2xx": 1}


async def test_the_gauge_tells_whether_the_agent_is_there(start: Start) -> None:
    async with raw_agent() as agent:
        sidegate = await start({"upstream": {"url": agent.url, "routes": [{"path": "/up"}]}})
        front = Front(sidegate, agent, await sidegate.pair())

        async def up() -> bool:
            return await front.is_up()

        async def down() -> bool:
            return not await front.is_up()

        await until_done(up)  # looked for at the start, and not asked yet
        assert await front.counted() == {}
    for _ in range(3):  # the kept connection may be used, and found to be gone
        await front.ask(method="GET")
    await until_done(down)


async def test_a_client_that_leaves_is_counted_as_one_without_an_answer(stand: Stand) -> None:
    front = await stand(hearing)
    _, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(front.head("Content-Length: 0"))
    await until(lambda: bool(front.agent.seen))
    writer.close()

    async def counted() -> bool:
        return await front.counted() == {"none": 1}

    await until_done(counted)
