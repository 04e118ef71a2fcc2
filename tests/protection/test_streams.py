"""Answers that come in pieces: what each kind of them is."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from doubles import frames
from scanning import KNOWN, OURS

from proxy.duplex import Closing, SocketEvent
from proxy.exchange import Frame, Stream
from proxy.protection.cleaner import Cleaner
from proxy.protection.compiled import NONE
from proxy.protection.detector import Detector
from proxy.protection.masks import Masks
from proxy.protection.streams import messages, scrubbed
from proxy.values import Headers

M = "*[REDACTED]"
TEXT = b"token=kQ7vLm4Tr8wZ held-value-1"


def cleaners() -> tuple[Cleaner, Cleaner]:
    """One for all, and one for what is held."""
    return (
        Cleaner(Detector(OURS, KNOWN), Masks()),
        Cleaner(Detector(NONE, KNOWN), Masks()),
    )


async def shown(kind: str, *pieces: bytes) -> bytes:
    stream = Stream(200, Headers((("Content-Type", kind),)), frames(*pieces))
    return b"".join([frame.data async for frame in scrubbed(stream, *cleaners())])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        *((kind, f"token={M} {M}") for kind in ("text/plain", "image/svg+xml", "", "x/y")),
        *((kind, f"token={M} {M}") for kind in ("image/png", "AUDIO/ogg; a=b", "video/mp4")),
        *((kind, f"token={M} {M}") for kind in ("application/pdf", "application/zip")),
    ],
)
async def test_each_kind_is_scrubbed_as_what_it_is(kind: str, expected: str) -> None:
    assert await shown(kind, TEXT) == expected.encode()
    assert await shown(kind, *[bytes([byte]) for byte in TEXT]) == expected.encode()


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        *(("image/png", b"\x89PNG\r\n\x1a\n"), ("Image/JPEG; a=b", b"\xff\xd8\xff\xe0")),
        *(("video/mp4", b"\0\0\0\x18ftypmp42"), ("image/bmp", b"BM\x36\0")),
        *(("application/zip", b"PK\3\4"), ("application/pdf", b"%PDF-1.7\n")),
        *(("application/octet-stream", b"\x7fELF\0"), ("application/octet-stream", b"\xff\xfe")),
    ],
)
async def test_of_what_is_no_text_only_what_is_held_is_masked(kind: str, begins: bytes) -> None:
    data = begins + TEXT
    expected = begins + f"token=kQ7vLm4Tr8wZ {M}".encode()

    assert await shown(kind, data) == expected
    assert await shown(kind, *[bytes([byte]) for byte in data]) == expected
    assert (
        await shown(kind, begins + bytes(200), TEXT)
        == begins + bytes(200) + expected[len(begins) :]
    )


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        *(("image/png", b"\x89PNG\r\n\x1a\n"), ("image/jpeg", b"\xff\xd8\xff\xe0")),
        *(("application/zip", b"PK\3\4"), ("application/gzip", b"\x1f\x8b\x08")),
        *(("application/pdf", b"%PDF-1.7\n"), ("application/octet-stream", b"\x7fELF\0")),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 100, 128, 70_000])
async def test_a_binary_without_what_is_held_stays_byte_for_byte(
    kind: str, begins: bytes, size: int
) -> None:
    data = begins + random.Random(size).randbytes(size) + b" token=kQ7vLm4Tr8wZ \xff"

    assert await shown(kind, data) == data
    assert await shown(kind, *[data[at : at + 999] for at in range(0, len(data), 999)]) == data


async def test_a_long_text_that_calls_itself_an_image_is_scrubbed() -> None:
    assert await shown("image/png", b"words " * 99, TEXT) == b"words " * 99 + (
        f"token={M} {M}".encode()
    )


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text/event-stream", b'data: {"a": "held\\u002dvalue-1"}\n\n'),
        ("application/x-ndjson", b'{"a": "held\\u002dvalue-1"}\n{"b": 1}\n'),
        ("application/jsonl; charset=utf-8", b'{"a": "held\\u002dvalue-1"}\n'),
    ],
)
async def test_events_and_lines_are_read_as_json(kind: str, text: bytes) -> None:
    found = await shown(kind, text)

    assert M.encode() in found
    assert b"value-1" not in found


async def test_a_channel_that_ends_brings_its_rest() -> None:
    async def channels() -> AsyncIterator[Frame]:
        yield Frame("stdout", b"held-va")
        yield Frame("stderr", b"lue-1", final=True)
        yield Frame("stdout", b"lue-1", final=True)
        yield Frame("stdout", b"held-va")

    stream = Stream(200, Headers(), channels())

    assert [frame async for frame in scrubbed(stream, *cleaners())] == [
        Frame("stderr", b"lue-1", final=True),
        Frame("stdout", M.encode(), final=True),
        Frame("stdout", b"held-va"),
    ]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"token=kQ7vLm4Tr8wZ\n" * 3000], f"token={M}\n".encode() * 3000),
        ([b"nothing to be seen here\n" * 40] * 3000, b"nothing to be seen here\n" * 120_000),
    ],
    ids=["full of secrets", "in pieces that each are quickly done"],
)
async def test_a_long_text_lets_others_have_their_turn(
    pieces: list[bytes], expected: bytes
) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    serving = asyncio.create_task(others())
    found = await shown("text/plain", *pieces)
    serving.cancel()

    assert found == expected
    assert turns > 1


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("say held-value-1", f"say {M}"),
        ('{"a": "held\\u002dvalue-1"}', f'{{"a": "{M}"}}'),
        (b"say held-value-1", f"say {M}".encode()),
        (b"\xff held-value-1", b"\xff " + M.encode()),
        (Closing(4000, "held-value-1"), Closing(4000, M)),
        ("word " * 20_000 + "held-value-1", "word " * 20_000 + M),
    ],
)
async def test_every_event_of_a_socket_is_scrubbed(event: SocketEvent, expected: object) -> None:
    async def events() -> AsyncIterator[SocketEvent]:
        yield event

    assert [each async for each in messages(events(), cleaners()[0])] == [expected]
