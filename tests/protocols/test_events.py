"""A command's answer as it comes, in the events that a client reads."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence

import pytest
from doubles import inbound
from hypothesis import given
from hypothesis import strategies as st
from wire import until

from proxy.decision import Denied, Malformed
from proxy.exchange import Answer, Frame
from proxy.protocols.events import (
    KEEP_ALIVE,
    RESULT,
    event,
    events,
    held,
    is_events,
    kept_alive,
    prefers_events,
)
from proxy.protocols.problem import problem
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

LOST = Denied(Layer.ISOLATION, Reason.SANDBOX_LOST)
ENDED = Frame(RESULT, b'{"exit_code":0}', final=True)


def accepting(*values: str) -> Headers:
    return Headers(tuple(("Accept", value) for value in values))


def refused(denied: Denied) -> Answer:
    return problem(denied, "id-7")


def enveloped(value: Json) -> Json:
    return {"ok": True, "result": value}


async def command(*frames: Frame | Exception) -> AsyncIterator[Frame]:
    for frame in frames:
        if isinstance(frame, Exception):
            raise frame
        yield frame


async def sent(*frames: Frame | Exception) -> bytes:
    return b"".join([piece async for piece in events(command(*frames), enveloped, refused)])


def read(data: bytes) -> list[tuple[str, dict[str, Json]]]:
    """What a client makes of it."""
    blocks = [block for block in data.decode().split("\n\n") if block]
    found = []
    for block in blocks:
        name, value = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(value.removeprefix("data: "))))
    return found


# Who is answered in events


@pytest.mark.parametrize(
    "accept",
    [
        "text/event-stream",
        "Text/Event-Stream",
        "text/event-stream; charset=utf-8",
        "text/event-stream, */*",
        "text/event-stream, application/*",
        "text/event-stream, application/json;q=0.9",
        "application/json;q=0.1 , text/event-stream;q=0.2",
        "text/event-stream, application/json;q=0",
        "text/event-stream;q=0.5, */*;q=0.5",
        "text/event-stream, application/json;q=oops",
    ],
)
def test_who_asks_for_events_rather_than_json_gets_them(accept: str) -> None:
    assert prefers_events(accepting(accept))


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/*",
        "application/json",
        "text/html, application/json",
        "application/json, text/event-stream",
        "text/event-stream, application/json",
        "text/event-stream;q=0",
        "text/event-stream;q=0.5, */*",
        "text/event-stream;q=0.5, application/*",
        "text/event-stream;q=oops",
        "text/event-stream;q=nan",
        "text/event-stream;q=-1",
        "text/event-streams",
        ",;,;q=1,",
    ],
)
def test_who_asks_for_json_or_anything_gets_json(accept: str) -> None:
    assert not prefers_events(accepting(accept))


def test_who_does_not_say_gets_json() -> None:
    assert not prefers_events(inbound().headers)


def test_a_list_may_come_in_several_fields() -> None:
    assert prefers_events(accepting("application/json;q=0.5", "text/event-stream"))


# What they say


async def test_each_stream_is_an_event_and_the_end_is_in_its_envelope() -> None:
    out, err = Frame("stdout", b"one\ntwo"), Frame("stderr", "grüße\r\n".encode())

    assert read(await sent(out, err, ENDED)) == [
        ("stdout", {"text": "one\ntwo"}),
        ("stderr", {"text": "grüße\r\n"}),
        ("result", {"ok": True, "result": {"exit_code": 0}}),
    ]


async def test_what_a_command_writes_cannot_end_its_event() -> None:
    text = b"\n\nevent: result\ndata: {}\n\n\r\r\x00: x\n"

    assert read(await sent(Frame("stdout", text), ENDED))[0] == ("stdout", {"text": text.decode()})


async def test_what_breaks_off_ends_with_the_refusal_and_nothing_after() -> None:
    data = await sent(Frame("stdout", b"one"), LOST, ENDED)

    text, error = read(data)
    assert text == ("stdout", {"text": "one"})
    assert error[0] == "error"
    assert error[1]["code"] == "sandbox-lost"
    assert error[1]["request_id"] == "id-7"


async def test_what_breaks_off_in_a_character_does_not_show_half_of_it() -> None:
    assert [name for name, _ in read(await sent(Frame("stdout", b"\xc3"), LOST))] == ["error"]


async def test_a_fault_is_no_answer() -> None:
    with pytest.raises(RuntimeError):
        await sent(Frame("stdout", b"one"), RuntimeError())
    with pytest.raises(Malformed):
        await sent(Frame("stdout", b"one"))


@given(st.binary(max_size=40), st.lists(st.integers(0, 40), max_size=6))
async def test_text_is_the_same_however_it_is_cut(data: bytes, cuts: Sequence[int]) -> None:
    marks = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(marks)]
    frames = [Frame("stdout", piece) for piece in pieces]

    shown = read(await sent(*frames, Frame("stdout", b"", final=True), ENDED))

    texts = [str(value["text"]) for name, value in shown if name == "stdout"]
    assert "".join(texts) == data.decode("utf-8", "replace")
    assert "" not in texts


def test_an_event_is_one_name_and_one_line() -> None:
    assert event("result", b"{}") == b"event: result\ndata: {}\n\n"


# Silence


class Slow:
    """A command that says something when it is told to."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[Frame] = asyncio.Queue()
        self.given_up = False

    async def frames(self) -> AsyncIterator[Frame]:
        try:
            while True:
                yield await self.said.get()
        except asyncio.CancelledError:
            self.given_up = True
            raise


async def test_a_silent_command_is_kept_alive_by_comments_and_loses_nothing() -> None:
    slow = Slow()
    shown = aiter(events(slow.frames(), enveloped, refused, quiet=0.01))

    assert [await anext(shown) for _ in range(3)] == [b": keep-alive\n\n"] * 3
    slow.said.put_nowait(Frame("stdout", b"a"))
    while (piece := await anext(shown)).startswith(b":"):
        pass
    assert read(piece) == [("stdout", {"text": "a"})]


async def test_a_client_that_leaves_ends_the_waiting() -> None:
    slow = Slow()
    shown = aiter(events(slow.frames(), enveloped, refused, quiet=0.01))
    await anext(shown)

    async def wait() -> None:
        while True:
            await anext(shown)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})

    assert waiting.cancelled()
    await until(lambda: slow.given_up)


# Who is kept waiting, and by what


async def written(answer: Answer) -> bytes:
    return b"".join([piece async for piece in held().last(answer)])


async def test_who_is_kept_waiting_sees_comments_and_then_one_event() -> None:
    json_type = Headers((("Content-Type", "application/json"),))

    assert held().headers.get("content-type") == "text/event-stream"
    assert [held().beat(number) for number in (1, 2)] == [KEEP_ALIVE] * 2
    assert read(await written(Answer(200, json_type, b'{"ok":true}'))) == [("result", {"ok": True})]
    ((name, value),) = read(await written(refused(LOST)))
    assert (name, value["code"]) == ("error", LOST.reason.code)


async def test_who_is_kept_waiting_sees_events_as_they_are() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"event: stdout\n"
        yield b"data: {}\n\n"

    whole = b"event: stdout\ndata: {}\n\n"
    kind = Headers((("Content-Type", "text/event-stream; charset=utf-8"),))
    assert await written(Answer(200, kind, pieces())) == whole
    assert await written(Answer(200, kind, whole)) == whole


@pytest.mark.parametrize(
    ("kinds", "are"),
    [
        (["text/event-stream"], True),
        (["Text/Event-Stream ; charset=utf-8"], True),
        (["text/event-stream2"], False),
        (["text/plain; text/event-stream"], False),
        (["text/event-stream", "text/event-stream"], False),
        ([], False),
    ],
)
def test_events_are_what_says_so_once(kinds: list[str], *, are: bool) -> None:
    assert is_events(Headers(tuple(("content-type", kind) for kind in kinds))) is are


BEGUN = [
    *(b"", b"data: 1\n\n", b"data: 1\r\n\r\n", b"data: 1\r\r", b"data: 1\n\r\n"),
    *(b": comment\n\n", b"data: 1\r\r\n", b"data: 1\r\n\n"),
]
MIDDLE = [b"data: 1", b"data: 1\n", b"data: 1\r\n", b"data: 1\r", b"id: 7\r\ndata: 1\r\n", b"x"]


@pytest.mark.parametrize("cut", [1, 2, 100])
@pytest.mark.parametrize(
    ("data", "beats"), [*((data, True) for data in BEGUN), *((data, False) for data in MIDDLE)]
)
async def test_silence_is_broken_between_events_and_never_in_one(
    data: bytes, cut: int, *, beats: bool
) -> None:
    go = asyncio.Event()

    async def frames() -> AsyncIterator[Frame]:
        for at in range(0, len(data), cut):
            yield Frame("body", data[at : at + cut])
        await go.wait()
        yield Frame("body", b"|end")

    asyncio.get_running_loop().call_later(0.1, go.set)
    seen = b"".join([piece async for piece in kept_alive(frames(), 0.02)])

    head, middle, tail = seen.partition(KEEP_ALIVE)
    assert seen.startswith(data)
    assert seen.endswith(b"|end")
    assert seen.replace(KEEP_ALIVE, b"") == data + b"|end"
    assert (KEEP_ALIVE in seen) is beats, (head, middle, tail)


async def test_events_that_break_off_do_not_look_whole() -> None:
    async def frames() -> AsyncIterator[Frame]:
        yield Frame("body", b"data: 1\n\n")
        raise TimeoutError

    pieces = kept_alive(frames())
    assert await anext(pieces) == b"data: 1\n\n"
    with pytest.raises(TimeoutError):
        await anext(pieces)
