"""What is kept of an answer is the answer, or nothing."""

import json
from collections.abc import AsyncIterator

import pytest
from doubles import frames

from proxy.decision import Allow, Deny
from proxy.exchange import Content, Document, Frame, Stream
from proxy.isolation.kept import MAX_KEPT, Copy, packed, unpacked
from proxy.reasons import Reason
from proxy.values import Headers, Json


async def kept(stream: Stream) -> bytes | None:
    copy = Copy(stream)
    async for frame in stream.frames:
        copy.add(frame)
    return copy.packed()


async def read(content: Content) -> list[Frame]:
    assert isinstance(content, Stream)
    return [frame async for frame in content.frames]


@pytest.mark.parametrize(
    "value",
    [None, True, 0, 1.5, "", "grüße", [], [1, [2]], {}, {"value": {"status": 1}}, "\ud800", "\x00"],
)
@pytest.mark.parametrize("status", [200, 404])
def test_a_document_comes_back_as_it_was(value: Json, status: int) -> None:
    data = packed(Allow(Document(value, status)))

    assert data is not None
    assert unpacked(data) == Document(value, status)


async def test_a_stream_comes_back_as_it_was() -> None:
    headers = Headers((("Content-Type", "text/plain"), ("X-Note", "1"), ("X-Note", "\udcff")))

    data = await kept(Stream(201, headers, frames(b"\x00\xff", b"", "ü".encode())))
    assert data is not None
    content = unpacked(data)

    assert isinstance(content, Stream)
    assert (content.status, content.headers) == (201, headers)
    assert await read(content) == [Frame("body", b"\x00\xff\xc3\xbc")]


async def test_channels_stay_apart_and_in_order() -> None:
    async def two() -> AsyncIterator[Frame]:
        for frame in (Frame("a", b"1"), Frame("a", b"2"), Frame("b", b"3"), Frame("a", b"4")):
            yield frame

    data = await kept(Stream(200, Headers(), two()))

    assert data is not None
    assert await read(unpacked(data)) == [Frame("a", b"12"), Frame("b", b"3"), Frame("a", b"4")]


async def test_an_empty_stream_comes_back_empty() -> None:
    data = await kept(Stream(204, Headers(), frames()))

    assert data is not None
    assert await read(unpacked(data)) == []


@pytest.mark.parametrize("name", ["Set-Cookie", "set-cookie"])
async def test_a_cookie_is_not_kept(name: str) -> None:
    headers = Headers(((name, "session=1"), ("ETag", "e")))

    data = await kept(Stream(200, headers, frames(b"")))

    assert data is not None
    assert b"session" not in data
    content = unpacked(data)
    assert isinstance(content, Stream)
    assert content.headers == Headers((("ETag", "e"),))


@pytest.mark.parametrize(("more", "whole"), [(0, True), (1, False)])
async def test_a_stream_is_kept_whole_or_not_at_all(more: int, *, whole: bool) -> None:
    pieces = [b"x" * (MAX_KEPT - 10), b"y" * (10 + more), b""]

    data = await kept(Stream(200, Headers(), frames(*pieces)))

    assert (data is not None) is whole


@pytest.mark.parametrize(("more", "whole"), [(0, True), (1, False)])
def test_a_document_is_kept_whole_or_not_at_all(more: int, *, whole: bool) -> None:
    frame = len(b'{"status":200,"value":""}')

    data = packed(Allow(Document("x" * (MAX_KEPT - frame + more))))

    assert (data is not None) is whole


async def test_what_is_no_document_is_not_packed_as_one() -> None:
    assert packed(Deny(Reason.SANDBOX_LOST)) is None
    assert packed(Allow(Stream(200, Headers(), frames()))) is None


@pytest.mark.parametrize("data", [b"", b"\xff", b"{"])
def test_what_was_never_kept_does_not_come_back(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        unpacked(data)


def test_the_form_is_plain_json() -> None:
    data = packed(Allow(Document({"a": "ü"})))

    assert data is not None
    assert json.loads(data) == {"status": 200, "value": {"a": "ü"}}
