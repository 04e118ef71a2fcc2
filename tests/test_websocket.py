"""One end of a WebSocket, against peers that keep to the rules and peers that do not."""

import asyncio

import pytest
from duplex import BINARY, CLOSE, PING, PONG, Wire, closed, frame, pair, raw, read_frames
from wire import until

from proxy.duplex import Closing, SocketEvent
from proxy.websocket import LOST, Terms, may_be_sent

TERMS = Terms(largest=1000, closing=0.2)
HUGE = 1 << 30


async def heard(*pieces: bytes, terms: Terms = TERMS, served: bool = True) -> list[SocketEvent]:
    """What an end hears of these bytes, until it closes."""
    async with raw(terms, served=served) as (wire, _, writer):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        events: list[SocketEvent] = []
        while not events or not isinstance(events[-1], Closing):
            events.append(await wire.end.receive())
        return events


@pytest.mark.parametrize(
    ("sent", "event"),
    [
        pytest.param(frame(b"hello"), "hello", id="a text"),
        pytest.param(frame("größer 🙂".encode()), "größer 🙂", id="a text beyond ASCII"),
        pytest.param(frame(b"\xff\x00", BINARY), b"\xff\x00", id="bytes"),
        pytest.param(frame(b""), "", id="nothing"),
        pytest.param(frame(b"x" * 1000), "x" * 1000, id="as much as there may be"),
        pytest.param(
            frame(b"he", final=False) + frame(b"l", 0, final=False) + frame(b"lo", 0),
            "hello",
            id="a text in pieces",
        ),
        pytest.param(
            frame("ö".encode()[:1], final=False) + frame("ö".encode()[1:], 0),
            "ö",
            id="a character in pieces",
        ),
        pytest.param(
            frame(b"he", final=False) + frame(b"?", PING) + frame(b"llo", 0),
            "hello",
            id="a ping between pieces",
        ),
        pytest.param(frame(b"x", PONG) + frame(b"hello"), "hello", id="a pong that nobody wants"),
    ],
)
async def test_a_message_is_heard_whole_however_it_is_cut(sent: bytes, event: object) -> None:
    events = [event, LOST]

    assert await heard(sent) == events
    assert await heard(*(sent[at : at + 1] for at in range(len(sent)))) == events
    assert await heard(sent[:3], sent[3:]) == events


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(b"hello", masked=False), 1002, id="not masked"),
        pytest.param(frame(b"", PING, masked=False), 1002, id="a ping that is not masked"),
        pytest.param(frame(b"x", reserved=4), 1002, id="a reserved bit: compressed, unasked"),
        pytest.param(frame(b"x", reserved=2), 1002, id="another reserved bit"),
        pytest.param(frame(b"x", 3), 1002, id="a reserved opcode"),
        pytest.param(frame(b"x", 11), 1002, id="a reserved control opcode"),
        pytest.param(frame(b"x" * 126, PING), 1002, id="a large ping"),
        pytest.param(frame(b"x", PING, final=False), 1002, id="a ping in pieces"),
        pytest.param(frame(b"x", 0), 1002, id="the rest of nothing"),
        pytest.param(frame(b"x", final=False) + frame(b"y"), 1002, id="a message within a message"),
        pytest.param(frame(b"x", CLOSE), 1002, id="half a close code"),
        pytest.param(closed(999), 1002, id="no close code"),
        pytest.param(closed(1005), 1002, id="the code of no code"),
        pytest.param(closed(1006), 1002, id="the code of nobody there"),
        pytest.param(closed(1015), 1002, id="the code of another layer"),
        pytest.param(closed(2999), 1002, id="a close code of nobody"),
        pytest.param(closed(5000), 1002, id="a close code beyond all"),
        pytest.param(closed(1000, b"\xff"), 1007, id="a close reason that is no UTF-8"),
        pytest.param(frame(b"\xc3("), 1007, id="a text that is no UTF-8"),
        pytest.param(frame(b"\xed\xa0\x80"), 1007, id="half of a surrogate pair"),
        pytest.param(frame(b"\xff", final=False) + frame(b"", 0), 1007, id="no UTF-8, in pieces"),
        pytest.param(frame(b"x" * 1001), 1009, id="too much"),
        pytest.param(frame(b"", length=HUGE), 1009, id="the announcement of too much"),
        pytest.param(frame(b"", length=(1 << 63) - 1), 1009, id="of all that there can be"),
        pytest.param(frame(b"", length=1 << 63), 1009, id="of more than can be"),
        pytest.param(
            frame(b"x" * 600, final=False) + frame(b"x" * 401, 0), 1009, id="too much, in pieces"
        ),
    ],
)
async def test_who_breaks_the_rules_is_told_so_and_is_not_heard(sent: bytes, code: int) -> None:
    async with raw(TERMS) as (wire, reader, writer):
        writer.write(frame(b"before") + sent + frame(b"after"))

        assert await wire.end.receive() == "before"
        assert await wire.end.receive() == LOST
        assert await wire.end.receive() == LOST
        ((opcode, payload),) = read_frames(await reader.read(1000))
        assert (opcode, payload) == (CLOSE, code.to_bytes(2, "big"))


async def test_a_server_does_not_mask_and_is_not_heard_where_it_does() -> None:
    assert await heard(frame(b"x", masked=False), served=False) == ["x", LOST]
    assert await heard(frame(b"x", masked=True), served=False) == [LOST]


async def test_masks_are_not_to_be_foreseen() -> None:
    async with raw(TERMS, served=False) as (wire, reader, _):
        for _ in range(3):
            await wire.end.send("abcd")
        sent = await reader.readexactly(30)

    masks = {sent[at + 2 : at + 6] for at in (0, 10, 20)}
    assert len(masks) == 3
    assert all(sent[at + 1] & 0x80 for at in (0, 10, 20))


async def test_what_one_end_says_the_other_hears() -> None:
    async with pair(TERMS) as (one, other):
        for message in ("text", b"\x00\xff", "", "x" * 1000):
            await one.end.send(message)
            assert await other.end.receive() == message
            await other.end.send(message)
            assert await one.end.receive() == message


async def test_a_ping_is_answered_with_what_it_held() -> None:
    async with raw(TERMS) as (wire, reader, writer):
        listening = asyncio.create_task(wire.end.receive())
        writer.write(frame(b"are you", PING))

        assert [*read_frames(await reader.readexactly(9))] == [(PONG, b"are you")]
        listening.cancel()


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "bye"), (1014, ""), (3000, ""), (4999, "ü" * 61)]
)
async def test_both_ends_close_with_a_code_and_a_reason(code: int, reason: str) -> None:
    async with pair(TERMS) as (one, other):
        closing = asyncio.create_task(one.end.close(Closing(code, reason)))

        assert await other.end.receive() == Closing(code, reason)
        assert not closing.done()
        await other.end.close(Closing(code))
        await closing


async def test_a_close_without_a_code_is_told_as_such() -> None:
    assert await heard(frame(b"", CLOSE)) == [Closing(1005)]


async def test_a_reason_is_cut_to_what_fits_and_at_a_character() -> None:
    async with raw(TERMS) as (wire, reader, _):
        await wire.end.close(Closing(1000, "ü" * 100))

        ((_, payload),) = read_frames(await reader.read(1000))
        assert payload[2:].decode() == "ü" * 61


async def test_after_a_close_nothing_is_heard() -> None:
    async with raw(TERMS) as (wire, _, writer):
        writer.write(closed(1000) + frame(b"after"))

        assert await wire.end.receive() == Closing(1000)
        await wire.end.close(Closing(1000))
        with pytest.raises(OSError, match="closing"):
            await wire.end.send("x")


async def test_who_does_not_close_is_not_waited_for() -> None:
    async with raw(TERMS) as (wire, _, writer):
        writer.write(frame(b"x" * 100) * 3)
        began = asyncio.get_running_loop().time()

        await wire.end.close(Closing(1000))
        await wire.end.close(Closing(1000))

        assert asyncio.get_running_loop().time() - began < 1


async def test_who_is_silent_is_asked_and_then_dead() -> None:
    terms = Terms(largest=10, heartbeat=0.05)
    async with raw(terms) as (wire, reader, _):
        assert await wire.end.receive() == LOST
        assert [*read_frames(await reader.read(100))] == [(PING, b"")]


async def test_who_answers_is_alive_and_so_is_who_sends_slowly() -> None:
    terms = Terms(largest=1000, heartbeat=0.1)
    async with raw(terms) as (wire, reader, writer):
        listening = asyncio.create_task(wire.end.receive())
        for _ in range(3):
            assert [*read_frames(await reader.readexactly(2))] == [(PING, b"")]
            writer.write(frame(b"", PONG))
        for byte in (slow := frame(b"slowly")):
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.04)

        assert len(slow) * 0.04 > 4 * terms.heartbeat
        assert await listening == "slowly"


async def test_who_takes_nothing_is_not_sent_to_for_ever() -> None:
    terms = Terms(largest=10, taking=0.1)
    async with raw(terms) as (wire, _, _):
        with pytest.raises(TimeoutError):
            await _endless(wire)


async def test_nothing_more_is_read_than_somebody_wants() -> None:
    async with raw(Terms(largest=65536)) as (wire, _, writer):
        flood = asyncio.create_task(_flood(writer))
        await until(lambda: wire.transport is not None and not wire.transport.is_reading())

        assert not flood.done()
        for _ in range(200):
            assert len(await wire.end.receive()) == 65536  # type: ignore[arg-type]
        await flood


async def _endless(wire: Wire) -> None:
    while True:
        await wire.end.send(b"x" * 65536)


async def _flood(writer: asyncio.StreamWriter) -> None:
    for _ in range(200):
        writer.write(frame(b"x" * 65536, BINARY))
        await writer.drain()


async def test_the_end_of_the_connection_is_the_end() -> None:
    assert await heard(b"") == [LOST]
    assert await heard(frame(b"x" * 100)[:50]) == [LOST]


def test_codes_that_may_be_sent() -> None:
    sendable = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}

    assert {code for code in range(70000) if may_be_sent(code)} == sendable
