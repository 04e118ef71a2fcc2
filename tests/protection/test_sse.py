"""Streams of events and of lines of JSON, as they are on the wire."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from cleaners import SECRET, Double, M, Scrub, event, scrubbed, values
from hypothesis import given
from hypothesis import strategies as st
from labelled import rows

from proxy.decision import Denied
from proxy.protection.cleaner import Cleaner
from proxy.protection.detector import Detector
from proxy.protection.held import Held
from proxy.protection.masks import Masks
from proxy.protection.redactor import shipped_rules
from proxy.protection.sse import MAX_EVENT, scrub_events, scrub_lines
from proxy.reasons import Reason
from proxy.values import Json

TEXT = "the key is zz_12345678, keep it"
CLEAN = f"the key is {M}, keep it"
PIECES = [TEXT[at : at + 4] for at in range(0, len(TEXT), 4)]


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# As it came


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b": keep-alive\n\n",
        b"data: one two three\n\n",
        b'event: message\r\nid: 1\r\nretry: 10\r\ndata: {"a":  1.0}\r\n\r\n',
        b"data: a b c\rdata:\rdata\r\r: x\r\rid\r\r",
        b"\xef\xbb\xbfdata: a b c\n\n",
        b"data: \xff\xfe a b\n\n",
        b'\n\n\r\n\rdata: {"text": "half of it',
        b"event: endpoint\ndata: /messages?session_id=abc\n\n",
        event({"jsonrpc": "2.0", "id": 1, "result": {"content": [{"text": "whole"}]}}, "message"),
        event({"type": "ping"}, "ping"),
    ],
)
async def test_what_holds_no_secret_stays_byte_for_byte(stream: bytes) -> None:
    assert await scrubbed(scrub_events, stream) == stream
    assert await scrubbed(scrub_events, bytewise(stream)) == stream


# As models stream


def openai(text: str) -> bytes:
    return event({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]})


def call(text: str) -> bytes:
    delta: Json = {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}
    return event({"id": "c", "choices": [{"index": 0, "delta": delta}]})


def anthropic(text: str) -> bytes:
    delta = {"type": "text_delta", "text": text}
    kind = "content_block_delta"
    return event({"type": kind, "index": 0, "delta": delta}, kind)


def responses(text: str) -> bytes:
    kind = "response.output_text.delta"
    return event({"type": kind, "item_id": "m", "output_index": 0, "delta": text}, kind)


def gemini(text: str) -> bytes:
    return event({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}}]})


def ollama(text: str) -> bytes:
    return event({"message": {"role": "assistant", "content": text}, "done": False})


def vercel(text: str) -> bytes:
    return event({"type": "text-delta", "id": "0", "delta": text})


def ag_ui(text: str) -> bytes:
    return event({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": text})


ENDS = {
    openai: event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    call: b"data: [DONE]\n\n",
    anthropic: event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
    responses: event({"type": "response.output_text.done", "item_id": "m", "text": TEXT}),
    gemini: b"",
    ollama: event({"message": {"role": "assistant", "content": ""}, "done": True}),
    vercel: event({"type": "text-end", "id": "0"}),
    ag_ui: event({"type": "TEXT_MESSAGE_END", "messageId": "m"}),
}
LEAVES = ("content", "arguments", "text", "delta")


def told(value: object) -> str:
    """All the pieces in an event, joined."""
    if isinstance(value, Mapping):
        if str(value.get("type", "")).endswith(".done"):
            return ""
        found = [m for name, m in value.items() if name in LEAVES and isinstance(m, str)]
        return "".join([*found, *(told(m) for m in value.values() if not isinstance(m, str))])
    return "".join(map(told, value)) if isinstance(value, list) else ""


@pytest.mark.parametrize("make", ENDS)
async def test_a_secret_over_the_events_of_a_model_is_masked(make: Any) -> None:
    stream = b"".join(map(make, PIECES)) + ENDS[make]
    out = await scrubbed(scrub_events, stream)
    found = values(out)

    assert "".join(map(told, found)) == CLEAN
    assert SECRET not in out.decode()
    assert len(PIECES) <= len(found) <= len(PIECES) + 2
    assert await scrubbed(scrub_events, bytewise(stream)) == out
    if make is not ollama:  # whose end is a piece itself
        assert out.endswith(ENDS[make].replace(SECRET.encode(), M.encode()))


@pytest.mark.parametrize("make", ENDS)
async def test_a_text_without_a_secret_is_the_same_text(make: Any) -> None:
    stream = b"".join(make(text) for text in ["a", " word", " or two", ".\n", " end"])
    found = values(await scrubbed(scrub_events, stream + ENDS[make]))

    assert "".join(map(told, found)) == "a word or two.\n end"


async def test_a_message_of_mcp_is_masked_whole() -> None:
    result: Json = {"content": [{"type": "text", "text": TEXT}], "password": "abc def"}
    stream = event({"jsonrpc": "2.0", "id": 1, "result": result}, "message")

    assert await scrubbed(scrub_events, stream) == stream.replace(
        SECRET.encode(), M.encode()
    ).replace(b"abc def", M.encode())


# On the wire


@pytest.mark.parametrize(
    ("stream", "shown"),
    [
        # bare text, over lines and events
        (
            b"event: token\ndata: zz_1234\n\nevent: token\ndata: 5678\n\n",
            f"event: token\ndata: \n\nevent: token\ndata: \n\nevent: token\ndata: {M}\n\n",
        ),
        (b"data: a b c\r\ndata: zz_12345678 d\r\n\r\n", f"data: a b c\r\ndata: {M} d\r\n\r\n"),
        (b"data:a b c\rdata:password=\rdata:d\r\r", None),
        (b'data: {"a":\ndata: "zz_12345678"}\n\n', f'data: {{"a":\ndata: "{M}"}}\n\n'),
        # where no data is
        (b": zz_12345678\n\n", f": {M}\n\n"),
        (b"id: zz_12345678\ndata: a b c\n\n", f"id: {M}\ndata: a b c\n\n"),
        (b"zz_12345678\n\n", f"{M}\n\n"),
        (b"event: zz_12345678\n\n", f"event: {M}\n\n"),
        # without an end
        (b"data: zz_12345678 is it", f"data: {M} is it"),
        (
            b'data: {"delta": "zz_12345678"}',
            f'data: {{"delta": ""}}\n\ndata: {{"delta": "{M}"}}\n\n',
        ),
        (b"zz_12345678", M),
        (b"\xef\xbb", None),
        # the mark of a byte order
        (b"\xef\xbb\xbfdata: zz_12345678 is it\n\n", f"\ufeffdata: {M} is it\n\n"),
    ],
)
async def test_no_part_of_a_stream_shows_a_secret(stream: bytes, shown: str | None) -> None:
    out = await scrubbed(scrub_events, stream)

    assert SECRET.encode() not in out
    assert out == (stream if shown is None else shown.encode())
    assert await scrubbed(scrub_events, bytewise(stream)) == out


async def test_the_name_of_one_more_event_shows_no_secret() -> None:
    out = await scrubbed(scrub_events, event({"delta": "a"}, SECRET))

    assert SECRET.encode() not in out
    assert out.count(f"event: {M}\n".encode()) == 2


async def test_an_event_goes_out_when_it_ends() -> None:
    more = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b': here\n\ndata: {"a": 1}\r\r' + openai("a word") + b"data: n"
        await more.wait()
        yield b"one\n\n"

    shown = aiter(scrub_events(slow(), Double()))
    assert await anext(shown) == b': here\n\ndata: {"a": 1}\r\r' + openai("a ")
    more.set()
    assert (await anext(shown)).startswith(b"data: none\n\n")


@pytest.mark.parametrize("scrub", [scrub_events, scrub_lines])
@pytest.mark.parametrize("size", [1024, MAX_EVENT * 2])
async def test_an_event_that_is_too_large_breaks_the_stream(scrub: Scrub, size: int) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"data: "
        while True:
            yield b"x" * size

    with pytest.raises(Denied) as caught:
        async for _ in scrub(endless(), Double()):
            pass

    assert caught.value.reason is Reason.UPSTREAM_UNREADABLE


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "data",
    [
        *("[" * 100_000, '{"a":' * 100_000, "\\" * 100_000, '"' * 100_000),
        '{"choices":[' + '{"index":0,"finish_reason":"x","delta":{"content":"a"}},' * 9_000 + "1]}",
        "[" * 500 + '"a",' * 100_000 + "1" + "]" * 500,
        '{"delta":"a",' + ",".join(f'"a{at}":{{"delta":"b"}}' for at in range(200)) + "}",
        json.dumps({f"index{at}": at for at in range(40_000)} | {"delta": "a"}),
    ],
)
async def test_hostile_events_take_no_longer(data: str) -> None:
    out = await scrubbed(scrub_events, f"data: {data}\n\ndata: {SECRET} is it\n\n".encode())

    assert out.endswith(f"data: {M} is it\n\n".encode()) or M.encode() in out
    assert SECRET.encode() not in out


async def test_a_broken_stream_shows_nothing_more() -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield openai("zz_1234")
        raise TimeoutError

    shown = aiter(scrub_events(breaking(), Double()))
    assert await anext(shown) == openai("")
    with pytest.raises(TimeoutError):
        await anext(shown)


BLOCKS = st.sampled_from(
    [
        *(b"data: ", b"data:", b"event: message", b"event: token", b": c", b"id: 1", b"", b"\n"),
        *(
            b"\r",
            b"\r\n",
            b"\n\n",
            b"\xef\xbb\xbf",
            b"\xc3",
            b"\xbc",
            b"[DONE]",
            b"zz_1234",
            b"5678",
        ),
        *(SECRET.encode(), b" a b c ", b'{"delta": "zz_1234"}', b'{"delta": "5678 "}', b"{", b'"'),
        *(b'{"a": "zz_12345678"}', b'{"delta": "\\ud83e"}', b'{"type": "x.done"}'),
    ]
)


@given(st.lists(BLOCKS, max_size=14).map(b"".join), st.data())
async def test_any_cutting_gives_the_same(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)) | {0, len(stream)})
    pieces = [stream[one:other] for one, other in itertools.pairwise(cuts)]

    for scrub in (scrub_events, scrub_lines):
        whole = await scrubbed(scrub, stream)
        assert await scrubbed(scrub, pieces) == whole
        assert SECRET.encode() not in whole


WORDS = st.sampled_from(
    [
        *("choices", "candidates", "delta", "content", "parts", "text", "message", "tool_calls"),
        *("arguments", "index", "id", "type", "item_id", "done", "finish_reason", "a", "password"),
    ]
)
LEAVES_OF = st.sampled_from(
    [
        *(None, True, False, 0, 1, -1, 10**30, 1.5, "", "a", "x y", SECRET, "zz_12", "345678"),
        *("text-delta", "message_stop", "\ud83e", '{"delta": "zz_12345678"}', "[DONE]"),
    ]
)
EVENTS = st.recursive(
    LEAVES_OF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(EVENTS, max_size=6))
async def test_any_events_are_read_and_hold_no_secret(found: list[Any]) -> None:
    stream = b"".join(event(value, "chunk" if at % 3 else "") for at, value in enumerate(found))
    out = await scrubbed(scrub_events, stream)

    assert SECRET.encode() not in out
    assert out.count(b"\n\n") >= len(found)
    assert await scrubbed(scrub_events, bytewise(stream)) == out
    assert SECRET.encode() not in await scrubbed(scrub_lines, stream.replace(b"data: ", b""))


# Lines


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (['{"a":  1}', "", "text", '{"b": 2}\r'], None),
        (['{"a": "zz_12345678"}', SECRET], [f'{{"a": "{M}"}}', M]),
        (
            ['{"response":"zz_12","done":false}', '{"response":"345678","done":true}'],
            ['{"response":"","done":false}', f'{{"response":"{M}","done":true}}'],
        ),
        (['{"jsonrpc":"2.0","delta":"zz_12345678"}'], [f'{{"jsonrpc":"2.0","delta":"{M}"}}']),
        (['{"delta":"a"}'], ['{"delta":""}', '{"delta": "a"}']),
    ],
)
async def test_lines_of_json_are_events(lines: Sequence[str], shown: Sequence[str] | None) -> None:
    stream = "".join(f"{line}\n" for line in lines).encode()
    out = await scrubbed(scrub_lines, stream)

    assert out == "".join(f"{line}\n" for line in shown or lines).encode()
    assert await scrubbed(scrub_lines, bytewise(stream)) == out


async def test_the_last_line_needs_no_end() -> None:
    assert await scrubbed(scrub_lines, b'{"a": "zz_12345678"}') == f'{{"a": "{M}"}}'.encode()
    assert await scrubbed(scrub_lines, b'{"delta":"a"}') == b'{"delta":""}\n{"delta": "a"}\n'


# Labelled cases


def joined(stream: bytes) -> str:
    return "".join(map(told, values(stream)))


@pytest.mark.slow
async def test_a_text_that_comes_in_deltas_is_masked_as_one() -> None:
    """Whatever the rules find in a text that comes in one piece, they find in five at a time."""
    rules = shipped_rules()
    for row in rows("secrets.json.gz")[::4]:
        text, held = row["text"], Held(row.get("register") or [])
        pieces = [openai(text[at : at + 5]) for at in range(0, len(text), 5)]
        one, other = (Cleaner(Detector(rules, held), Masks()) for _ in range(2))

        async def stream(pieces: Sequence[bytes] = pieces) -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

        shown = [piece async for piece in scrub_events(stream(), one)]
        assert joined(b"".join(shown)) == other.scrubber().scrub(text.encode(), final=True).decode()
        assert one.tally == other.tally
