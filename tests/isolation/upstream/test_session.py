"""One request and the head of its answer: in time, in pieces, or not at all."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from raw_agent import FINE, Line, RawAgent, keep, raw_agent, whole
from wire import until

from proxy.actions import Upload
from proxy.decision import Deny, Malformed
from proxy.isolation.upstream.session import Call, Limits, Session
from proxy.reasons import Reason
from proxy.values import Headers

NONE = Headers()
GET = Call("GET", "/", NONE)
POST = Call("POST", "/", NONE, b"x")


async def pieces(*parts: bytes | float | Malformed) -> AsyncIterator[bytes]:
    for part in parts:
        if isinstance(part, Malformed):
            raise part
        if isinstance(part, float):
            await asyncio.sleep(part)
        else:
            yield part


async def ask(session: Session, asked: Call = GET) -> str | Deny:
    answer = await session.send(asked, 5.0)
    if isinstance(answer, Deny):
        return answer
    async with answer:
        return (await answer.read()).decode()


@pytest.fixture
def self_signed(tmp_path: Path) -> ssl.SSLContext:
    """Proof for a server that only it itself gives."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "pem").write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    return context


@pytest.fixture
async def nobody() -> AsyncIterator[Session]:
    """A session with an agent that does not listen."""
    session = Session("http://127.0.0.1:1", Limits())
    yield session
    await session.aclose()


# Whether a call may be sent twice


@pytest.mark.parametrize(
    ("call", "repeatable"),
    [
        *((Call(method, "/", NONE), True) for method in ("GET", "HEAD", "OPTIONS")),
        *((Call(method, "/", NONE), False) for method in ("POST", "PUT", "PATCH", "DELETE")),
        (Call("POST", "/", Headers((("Idempotency-Key", "a"),))), True),
        (Call("POST", "/", Headers((("x-idempotency-key", "a"),))), True),
        (Call("POST", "/", Headers((("Idempotency-Key", " "),))), False),
        (Call("GET", "/", NONE, Upload(None, pieces())), False),
        (Call("GET", "/", NONE, Upload(5, pieces())), False),
        (Call("GET", "/", NONE, Upload(0, pieces())), True),
    ],
)
def test_what_may_be_sent_twice(call: Call, *, repeatable: bool) -> None:
    assert call.repeatable is repeatable


# Time


@contextmanager
def deaf() -> Iterator[int]:
    """The port of a listener that takes no connection: those before it fill its queue."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)  # noqa: FBT003 - the standard library's own
            each.connect_ex(("127.0.0.1", port))
        yield port
        for each in waiting:
            each.close()


async def test_a_connection_that_is_not_made_in_time_is_none() -> None:
    with deaf() as port:
        session = Session(f"http://127.0.0.1:{port}", Limits(connect=0.2))
        began = time.monotonic()

        assert await ask(session) == Deny(Reason.UPSTREAM_UNREACHABLE)

        assert 0.15 < time.monotonic() - began < 2
        await session.aclose()


async def test_five_connections_that_are_not_made_in_time_open_the_breaker() -> None:
    with deaf() as port:
        session = Session(f"http://127.0.0.1:{port}", Limits(connect=0.05))
        answers = [await ask(session) for _ in range(6)]

        assert answers == [Deny(Reason.UPSTREAM_UNREACHABLE)] * 5 + [Deny(Reason.UPSTREAM_DOWN)]
        await session.aclose()


async def test_an_answer_that_does_not_begin_in_time_is_late() -> None:
    async def behave(line: Line) -> None:
        await line.request()
        await line.rest()

    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())

        assert await session.send(GET, 0.1) == Deny(Reason.UPSTREAM_LATE)

        await until(lambda: agent.open == 0)
        await session.aclose()


# The breaker


async def test_what_is_down_is_not_asked_and_says_when_it_will_be(nobody: Session) -> None:
    for _ in range(5):
        assert await ask(nobody) == Deny(Reason.UPSTREAM_UNREACHABLE)

    denied = await ask(nobody)

    assert isinstance(denied, Deny)
    assert denied.reason is Reason.UPSTREAM_DOWN
    assert denied.facts["upstream_status"] == 0
    assert 0 < denied.facts["retry_after"] <= 1


async def test_what_comes_back_is_asked_again() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    session = Session(f"http://127.0.0.1:{port}", Limits())
    for _ in range(5):
        await ask(session)
    async with raw_agent(port=port) as agent:
        before = await ask(session)
        answers: list[str | Deny] = []
        while before not in answers or answers[-1] == before:
            answers.append(await ask(session))
            await asyncio.sleep(0.05)  # the pause itself

        assert before == Deny(Reason.UPSTREAM_DOWN)
        assert answers[-1] == "fine"
        assert await asyncio.gather(*(ask(session) for _ in range(5))) == ["fine"] * 5
        assert agent.connections <= 6
    await session.aclose()


async def test_it_is_not_opened_by_answers_however_bad() -> None:
    async def behave(line: Line) -> None:
        if await line.request():
            line.reset()

    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())
        for _ in range(20):
            assert await ask(session) == Deny(Reason.UPSTREAM_UNREACHABLE)

        assert len(agent.seen) == 20
        await session.aclose()


async def test_it_is_not_opened_by_callers_that_leave() -> None:
    with deaf() as port:
        session = Session(f"http://127.0.0.1:{port}", Limits(connect=5))
        for _ in range(20):
            leaving = asyncio.create_task(ask(session))
            await asyncio.sleep(0.005)  # it is connecting
            leaving.cancel()
            await asyncio.wait({leaving})

        assert session.breaker.wait() == 0
        await session.aclose()


async def test_an_agent_that_speaks_no_tls_is_unreachable() -> None:
    async with raw_agent() as agent:
        session = Session(agent.url.replace("http:", "https:"), Limits(connect=0.2))

        assert await ask(session) == Deny(Reason.UPSTREAM_UNREACHABLE)
        await session.aclose()


async def test_an_agent_that_proves_not_to_be_who_it_is_is_unreachable(
    self_signed: ssl.SSLContext,
) -> None:
    server = await asyncio.start_server(_nothing, "127.0.0.1", 0, ssl=self_signed)
    port = server.sockets[0].getsockname()[1]
    session = Session(f"https://127.0.0.1:{port}", Limits())

    assert await ask(session) == Deny(Reason.UPSTREAM_UNREACHABLE)

    await session.aclose()
    server.close()


async def _nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


# Bodies that are sent as they come


def upload(length: int | None, *parts: bytes | float | Malformed) -> Call:
    return Call("POST", "/", NONE, Upload(length, pieces(*parts)))


async def raw(line: Line) -> None:
    """Take the head and all that follows as it is, and answer once there is a word `end`."""
    head = await line.head()
    if head is None:
        return
    while b"end" not in head.body:
        piece = await line.reader.read(65536)
        if not piece:
            return
        head.body += piece
    await asyncio.sleep(0.05)  # whatever follows the word
    head.body += await _at_hand(line)
    await line.say(FINE)
    await line.rest()


async def _at_hand(line: Line) -> bytes:
    try:
        async with asyncio.timeout(0.01):
            return await line.reader.read(65536)
    except TimeoutError:
        return b""


async def test_a_body_goes_up_with_the_length_that_it_states() -> None:
    async with raw_agent(raw) as agent:
        session = Session(agent.url, Limits())

        assert await ask(session, upload(8, b"hello", 0.05, b"end")) == "fine"

        ((_, seen),) = agent.seen
        assert seen.all("content-length") == ["8"]
        assert seen.all("transfer-encoding") == []
        assert seen.body == b"helloend"
        await session.aclose()


async def test_a_body_of_unknown_length_goes_up_in_chunks() -> None:
    async with raw_agent(raw) as agent:
        session = Session(agent.url, Limits())

        assert await ask(session, upload(None, b"hello", b"end")) == "fine"

        ((_, seen),) = agent.seen
        assert seen.all("content-length") == []
        assert seen.all("transfer-encoding") == ["chunked"]
        assert seen.body == b"5\r\nhello\r\n3\r\nend\r\n0\r\n\r\n"
        await session.aclose()


@pytest.mark.parametrize(("method", "lengths"), [("POST", ["0"]), ("GET", [])])
async def test_an_empty_body_is_none(method: str, lengths: list[str]) -> None:
    async with raw_agent() as agent:
        session = Session(agent.url, Limits())

        assert await ask(session, Call(method, "/", NONE, Upload(0, pieces()))) == "fine"

        ((_, seen),) = agent.seen
        assert seen.all("content-length") == lengths
        assert seen.all("transfer-encoding") == []
        await session.aclose()


async def test_the_agent_receives_a_piece_before_there_is_another() -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def behave(line: Line) -> None:
        await line.head()
        assert await line.reader.readexactly(5) == b"first"
        arrived.set()
        await line.reader.readexactly(6)
        await line.say(FINE)

    async def waiting() -> AsyncIterator[bytes]:
        yield b"first"
        await go.wait()
        yield b"second"

    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())
        call = Call("POST", "/", NONE, Upload(11, waiting()))
        asked = asyncio.create_task(ask(session, call))
        async with asyncio.timeout(5):
            await arrived.wait()
        go.set()

        assert await asked == "fine"
        await session.aclose()


@pytest.mark.parametrize("length", [20, None], ids=["with a length", "in chunks"])
@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (Malformed(Reason.BODY_TOO_LARGE), Reason.BODY_TOO_LARGE),
        (Malformed(Reason.BODY_LATE), Reason.BODY_LATE),
        (Malformed(Reason.BODY_MALFORMED), Reason.BODY_MALFORMED),
    ],
    ids=["too large", "late", "broken off"],
)
async def test_a_body_that_breaks_off_never_looks_whole(
    length: int | None, last: Malformed, reason: Reason
) -> None:
    heard: list[bytes] = []

    async def behave(line: Line) -> None:
        await line.head()
        heard.append(await line.reader.readexactly(5))
        heard.append(await line.rest())

    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())

        denied = await ask(session, upload(length, b"hello", 0.05, last))

        assert denied == Deny(reason)
        assert isinstance(denied, Deny)
        assert denied.facts == {"upstream_status": 0}
        await until(lambda: len(heard) == 2)
        assert not b"".join(heard).endswith(b"0\r\n\r\n")
        assert agent.open == 0
        await session.aclose()


@pytest.mark.parametrize(
    ("length", "parts"),
    [(6, (b"hello",)), (4, (b"hello",)), (5, (b"hello", b"x"))],
    ids=["shorter", "longer at once", "longer by a piece"],
)
async def test_a_body_of_another_length_than_it_states_is_not_sent_whole(
    length: int, parts: tuple[bytes, ...]
) -> None:
    heard: list[bytes] = []

    async def behave(line: Line) -> None:
        await line.head()
        heard.append(await line.rest())

    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())

        assert await ask(session, upload(length, *parts)) == Deny(Reason.BODY_MALFORMED)

        await until(lambda: agent.open == 0)
        assert len(b"".join(heard)) <= length
        await session.aclose()


async def test_an_answer_that_has_begun_breaks_off_with_the_body() -> None:
    async def behave(line: Line) -> None:
        await line.head()
        await line.say(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
        await line.rest()

    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())
        call = upload(9, b"hello", 0.1, Malformed(Reason.BODY_TOO_LARGE))

        answer = await session.send(call, 5.0)

        assert not isinstance(answer, Deny)
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
        answer.close()
        await until(lambda: agent.open == 0)
        await session.aclose()


async def test_an_early_answer_is_passed_on_and_its_connection_is_not_kept() -> None:
    async def behave(line: Line) -> None:
        await line.head()
        await line.say(whole(b"no", status="401 Unauthorized"))
        await line.rest()

    endless = (b"x" * 1000, 0.01) * 10_000
    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())

        for _ in range(2):
            assert await ask(session, upload(None, *endless)) == "no"

        await until(lambda: agent.open == 0)
        assert agent.numbers == [0, 1]
        await session.aclose()


async def test_a_caller_that_leaves_in_the_middle_of_a_body_leaves_half_of_it() -> None:
    heard: list[bytes] = []

    async def behave(line: Line) -> None:
        await line.head()
        await line.reader.readexactly(5)
        heard.append(await line.rest())

    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())
        asked = asyncio.create_task(ask(session, upload(None, b"hello", 30.0, b"end")))
        await until(lambda: agent.seen)
        await asyncio.sleep(0.05)  # the piece is on its way

        asked.cancel()

        await until(lambda: heard)
        assert not heard[0].endswith(b"0\r\n\r\n")
        await until(lambda: agent.open == 0)
        await session.aclose()


async def test_a_slow_agent_holds_back_who_sends() -> None:
    """Two pieces are at hand, not all of them: memory is bounded by what is under way."""
    gate, taken = asyncio.Event(), 0

    async def behave(line: Line) -> None:
        await line.head()
        await gate.wait()
        await line.reader.readexactly(64 << 20)
        await line.say(FINE)

    async def much() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1024):
            taken += 1 << 16
            yield bytes(1 << 16)

    async with raw_agent(behave) as agent:
        session = Session(agent.url, Limits())
        call = Call("POST", "/", NONE, Upload(64 << 20, much()))
        asked = asyncio.create_task(ask(session, call))
        await until(lambda: agent.seen)
        settled = -1
        while settled != taken:
            settled = taken
            await asyncio.sleep(0.1)  # until nothing moves

        assert settled < 16 << 20  # what the kernel takes on loopback, and little more
        gate.set()
        assert await asked == "fine"
        await session.aclose()


async def test_all_is_given_back_at_the_end() -> None:
    async with raw_agent(keep) as agent:
        session = Session(agent.url, Limits())
        await asyncio.gather(*(ask(session, POST) for _ in range(10)))
        await session.aclose()

        await until(lambda: agent.open == 0)
        assert isinstance(agent, RawAgent)
