"""Events of a server: whole or not at all, however the bytes were cut."""

import itertools
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Denied
from proxy.isolation.mcp.decoder import MAX_EVENT, Decoder, encoded
from proxy.isolation.mcp.link import Event
from proxy.jsonrpc import Message, Notification, Request, Response
from proxy.reasons import Reason
from proxy.values import Json

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
ASKED = Event(Request(1, "ping"))

texts = st.text(st.characters(codec="utf-8"), max_size=20)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, values, max_size=3)
ids = st.integers(-(2**53) + 1, 2**53 - 1) | texts
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Request, ids, st.just("ping"), objects),
    st.builds(Notification, st.just("notifications/progress"), objects),
    st.builds(Response, ids, objects),
)
event_ids = st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)
events = st.builds(Event, messages, event_ids, st.none() | st.integers(0, 10**9 - 1))


def decoded(*pieces: bytes) -> list[Event]:
    decoder = Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    ends = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(ends)]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"data: " + PING + b"\n\n", [ASKED]),
        (b"data:" + PING + b"\r\n\r\n", [ASKED]),
        (b"data:" + PING + b"\r\r", [ASKED]),
        (b"\xef\xbb\xbfdata: " + PING + b"\n\n", [ASKED]),
        (b"event: message\ndata: " + PING + b"\n\n", [ASKED]),
        (b'data: {"jsonrpc":"2.0",\ndata: "id":1,"method":"ping"}\n\n', [ASKED]),
        (b": hello\n\ndata: " + PING + b"\n\n: more\n\n", [ASKED]),
        (b"id: 7\nretry: 500\ndata: " + PING + b"\n\n", [Event(ASKED.message, "7", 500)]),
        (b"other: x\nnothing\ndata: " + PING + b"\n\n", [ASKED]),
        # Where the server says only where it stands
        (b"id: 0\ndata:\n\n", [Event(None, "0")]),
        (b"id: 0\n\n", [Event(None, "0")]),
        (b"retry: 10\n\n", [Event(None, None, 10)]),
        # What is not for us, and what was never said
        (b"event: endpoint\ndata: /messages\n\n", []),
        (b"data: " + PING + b"\n", []),
        (b"data: " + PING, []),
        (b"\n\n\n", []),
        (b"data:\n\n", []),
        # Places that cannot be named in a header
        (b"id: a\0b\ndata: " + PING + b"\n\n", [ASKED]),
        ("id: ä\ndata: ".encode() + PING + b"\n\n", [ASKED]),
        (b"id: " + b"a" * 257 + b"\ndata: " + PING + b"\n\n", [ASKED]),
        (b"retry: 1e3\nretry: -1\nretry: 1234567890\ndata: " + PING + b"\n\n", [ASKED]),
    ],
)
def test_what_is_said_is_read(data: bytes, found: list[Event]) -> None:
    assert decoded(data) == found


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{", id="no JSON"),
        pytest.param(b'"text"', id="no object"),
        pytest.param(b"[" + PING + b"]", id="a batch"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', id="two ids"),
        pytest.param(b'{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}', id="two kinds"),
        pytest.param(b'{"jsonrpc":"2.0","id":null,"method":"ping"}', id="no id"),
        pytest.param(b'{"jsonrpc":"2.0","method":"\xff"}', id="no UTF-8"),
        pytest.param(PING + b"\ndata: " + PING, id="two messages"),
    ],
)
def test_what_is_no_message_breaks_the_stream_off_after_what_went_before(data: bytes) -> None:
    said = b"data: " + PING + b"\n\n"
    found: list[Event] = []

    with pytest.raises(Denied) as refused:
        found.extend(Decoder().feed(said + said + b"data: " + data + b"\n\n" + said))

    assert refused.value.reason is Reason.MCP_UNREADABLE
    assert found == [ASKED, ASKED]


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        pytest.param(b"data: ", b"a" * 65536, id="one line without end"),
        pytest.param(b": ", b"a" * 65536, id="a comment without end"),
        pytest.param(b"", (b"x" * 1023 + b"\n") * 65, id="fields without end"),
        pytest.param(b"", (b"data: " + b"x" * 1017 + b"\n") * 65, id="data without end"),
    ],
)
def test_an_event_is_bounded(begin: bytes, more: bytes) -> None:
    pieces = [begin, *[more] * (MAX_EVENT // 65536 - 1)]
    decoder = Decoder()
    assert not [event for piece in pieces for event in decoder.feed(piece)]

    with pytest.raises(Denied) as refused:
        list(decoder.feed(more * 2))

    assert refused.value.reason is Reason.MCP_UNREADABLE


def test_events_and_comments_do_not_add_up() -> None:
    decoder = Decoder()
    whole = b": " + b"a" * 65536 + b"\ndata: " + PING + b"\n\n"

    assert all(list(decoder.feed(whole)) == [ASKED] for _ in range(MAX_EVENT // 65536 + 2))


@given(st.lists(events, max_size=4), st.lists(st.integers(0, 10**6), max_size=8))
def test_what_is_encoded_comes_back_however_it_is_cut(said: list[Event], places: list[int]) -> None:
    data = b"".join(map(encoded, said))

    assert decoded(*cut(data, places)) == said


@given(
    st.lists(
        st.sampled_from(
            [b"\r", b"\n", b"\r\n", b"data:", b"id:1", b":x", b"retry:2", b"data: " + PING, b"e"]
        ),
        max_size=24,
    ),
    st.lists(st.integers(0, 10**6), max_size=8),
)
def test_any_cutting_means_the_same(pieces: list[bytes], places: list[int]) -> None:
    data = b"".join(pieces)
    try:
        whole = decoded(data)
    except Denied:
        with pytest.raises(Denied):
            decoded(*cut(data, places))
        return
    assert decoded(*cut(data, places)) == whole
    assert decoded(*(data[at : at + 1] for at in range(len(data)))) == whole


@given(texts)
def test_no_string_ends_a_line_for_any_reader(text: str) -> None:
    """Some split events as Python splits text: there, a string must not begin another event."""
    hidden = f"\u2028data: {text}\u2029\x85\x0b\x0c\x1c\x1d\x1e\r\n"
    data = encoded(Event(Notification("notifications/message", {"data": hidden}), "1")).decode()

    assert len(data.splitlines()) == len(data.split("\n")) - 1
    line = data.split("\n")[2]
    assert json.loads(line.removeprefix("data: "))["params"]["data"] == hidden


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (Event(None, "7"), b"id: 7\ndata: \n\n"),
        (Event(None, "7", 10), b"id: 7\nretry: 10\ndata: \n\n"),
        (Event(None, None, 10), b"retry: 10\n\n"),
        (ASKED, b"event: message\ndata: " + PING + b"\n\n"),
    ],
)
def test_an_event_is_sent_in_one_form(event: Event, data: bytes) -> None:
    assert encoded(event) == data
