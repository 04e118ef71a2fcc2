"""The head of a request: it means one thing, or nothing."""

import pytest
from guarding import attach, call
from hypothesis import given
from hypothesis import strategies as st

from proxy.guard.head import MAX_BODY, MAX_HEAD, Head, cut_head, parse_head
from proxy.guard.refusal import MALFORMED, TOO_LARGE, Refusal

LINES = b"GET /version HTTP/1.1\r\nHost: localhost"


def read(data: bytes) -> Head | Refusal | None:
    cut = cut_head(data)
    return parse_head(cut[0]) if isinstance(cut, tuple) else cut


def test_what_aiodocker_sends_is_understood() -> None:
    assert read(call("GET", "/version")) == Head("GET", "/version", "", json=True)
    assert read(call("POST", "/x?a=b&c=", data=b"{}")) == Head("POST", "/x", "a=b&c=", 2, json=True)
    found = read(attach("a" * 64))
    assert isinstance(found, Head)
    assert found.upgrade


HOSTILE = {
    "another method": b"PUT /version HTTP/1.1\r\nHost: x",
    "a method in lower case": b"get /version HTTP/1.1\r\nHost: x",
    "CONNECT": b"CONNECT x:80 HTTP/1.1\r\nHost: x",
    "HEAD": b"HEAD /_ping HTTP/1.1\r\nHost: x",
    "an absolute target": b"GET http://x/version HTTP/1.1\r\nHost: x",
    "an authority": b"GET x/version HTTP/1.1\r\nHost: x",
    "an asterisk": b"GET * HTTP/1.1\r\nHost: x",
    "HTTP/1.0": b"GET /version HTTP/1.0\r\nHost: x",
    "HTTP/1.2": b"GET /version HTTP/1.2\r\nHost: x",
    "HTTP/0.9": b"GET /version",
    "HTTP/2": b"PRI * HTTP/2.0",
    "http in lower case": b"GET /version http/1.1\r\nHost: x",
    "two blanks": b"GET  /version HTTP/1.1\r\nHost: x",
    "a tab for a blank": b"GET\t/version HTTP/1.1\r\nHost: x",
    "a blank before": b" GET /version HTTP/1.1\r\nHost: x",
    "a blank at the end": b"GET /version HTTP/1.1 \r\nHost: x",
    "a blank in the target": b"GET /ver sion HTTP/1.1\r\nHost: x",
    "an empty line before": b"\r\nGET /version HTTP/1.1\r\nHost: x",
    "a lone line feed": b"GET /version HTTP/1.1\nHost: x",
    "line feeds only": b"GET /version HTTP/1.1\nHost: x\n\n",
    "a lone line feed between fields": LINES + b"\nA: b",
    "a lone carriage return": LINES + b"\rA: b",
    "a carriage return in a value": LINES + b"\r\nA: b\rc",
    "NUL in the target": b"GET /version\0 HTTP/1.1\r\nHost: x",
    "NUL in a value": LINES + b"\r\nA: b\0",
    "NUL in a name": LINES + b"\r\nA\0: b",
    "an escape character": LINES + b"\r\nA: \x1b[0m",
    "delete": LINES + b"\r\nA: \x7f",
    "a high byte": LINES + b"\r\nA: \xff",
    "a high byte in the target": b"GET /versi\xc3\xb6n HTTP/1.1\r\nHost: x",
    "an encoded path": b"GET /%76ersion HTTP/1.1\r\nHost: x",
    "an encoded slash": b"GET /v1.41%2finfo HTTP/1.1\r\nHost: x",
    "a percent sign": b"GET /version% HTTP/1.1\r\nHost: x",
    "an empty query": b"GET /version? HTTP/1.1\r\nHost: x",
    "no host": b"GET /version HTTP/1.1",
    "two hosts": LINES + b"\r\nHost: localhost",
    "two hosts in two cases": LINES + b"\r\nhOST: x",
    "a folded line": LINES + b"\r\nA: b\r\n c",
    "a line folded by a tab": LINES + b"\r\nA: b\r\n\tc",
    "a folded first field": b"GET /version HTTP/1.1\r\n Host: x",
    "a blank before the colon": LINES + b"\r\nA : b",
    "a tab before the colon": LINES + b"\r\nContent-Length\t: 5",
    "no colon": LINES + b"\r\nA",
    "no name": LINES + b"\r\n: b",
    "a name with a blank": LINES + b"\r\nA b: c",
    "a name in quotes": LINES + b'\r\n"A": c',
    "a length on GET": LINES + b"\r\nContent-Length: 0",
    "a body on GET": LINES + b"\r\nContent-Length: 5",
    "two fields of one name": LINES + b"\r\nAccept: a\r\nAccept: b",
    "two fields in two cases": LINES + b"\r\nAccept: a\r\naccept: b",
    "chunks": LINES + b"\r\nTransfer-Encoding: chunked",
    "chunks in another case": LINES + b"\r\ntRANSFER-eNCODING: Chunked",
    "no chunks": LINES + b"\r\nTransfer-Encoding: identity",
    "an encoding without a value": LINES + b"\r\nTransfer-Encoding:",
    "expect": LINES + b"\r\nExpect: 100-continue",
    "trailers": LINES + b"\r\nTrailer: A",
    "TE": LINES + b"\r\nTE: trailers",
    "an encoded body": LINES + b"\r\nContent-Encoding: gzip",
    "upgrade without a connection": LINES + b"\r\nUpgrade: tcp",
    "a connection without upgrade": LINES + b"\r\nConnection: Upgrade",
    "upgrade to HTTP/2": LINES + b"\r\nConnection: Upgrade\r\nUpgrade: h2c",
    "upgrade with settings": LINES
    + b"\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nHTTP2-Settings: x",
    "upgrade to websocket": LINES + b"\r\nConnection: Upgrade\r\nUpgrade: websocket",
    "upgrade to two": LINES + b"\r\nConnection: Upgrade\r\nUpgrade: tcp, h2c",
    "upgrade in another case": LINES + b"\r\nConnection: Upgrade\r\nUpgrade: TCP",
    "a list of connections": LINES + b"\r\nConnection: Upgrade, close\r\nUpgrade: tcp",
    "a field named by connection": LINES + b"\r\nConnection: Host",
}
LENGTHS = ("-1", "+1", "1.0", "0x5", "05", "5 5", "5,5", "1e3", "", "\u0665", "5;", "9" * 40)


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_could_be_read_in_two_ways_is_refused(data: bytes) -> None:
    assert read(data + b"\r\n\r\n") == MALFORMED


@pytest.mark.parametrize("length", LENGTHS)
def test_a_length_is_a_number(length: str) -> None:
    head = f"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"

    assert read(head.encode()) == MALFORMED


def test_two_lengths_are_refused_even_where_they_agree() -> None:
    field = b"\r\nContent-Length: 5"

    assert read(b"POST /x HTTP/1.1\r\nHost: x" + field + field + b"\r\n\r\n") == MALFORMED


def test_a_body_is_bounded() -> None:
    most = f"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY}\r\n\r\n"
    more = f"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: {MAX_BODY + 1}\r\n\r\n"

    assert isinstance(read(most.encode()), Head)
    assert read(more.encode()) == TOO_LARGE


def test_a_head_is_bounded_whether_it_ends_or_not() -> None:
    field = b"\r\nA: " + b"x" * MAX_HEAD

    assert read(LINES + field) == TOO_LARGE
    assert read(LINES + field + b"\r\n\r\n") == TOO_LARGE


def test_a_head_is_waited_for_until_it_ends() -> None:
    data = LINES + b"\r\n\r\n"

    assert [cut_head(data[:end]) for end in range(len(data))] == [None] * len(data)
    assert cut_head(data + b"rest\0\n") == (LINES, b"rest\0\n")


def test_a_head_that_can_never_be_right_is_not_waited_for() -> None:
    assert cut_head(b"GET /version HTTP/1.1\n") == MALFORMED
    assert cut_head(b"\x16\x03\x01") == MALFORMED


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_a_refusal(data: bytes) -> None:
    assert isinstance(read(data + b"\r\n\r\n"), Head | Refusal)


_TOKEN = st.text("abcXYZ019-_.!~", min_size=1, max_size=12)
_VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)


@given(st.dictionaries(_TOKEN.map(lambda name: f"X{name}".lower()), _VALUE, max_size=8))
def test_a_field_of_no_meaning_changes_nothing(fields: dict[str, str]) -> None:
    lines = "".join(f"\r\n{name}: {value}" for name, value in fields.items())

    assert read(LINES + lines.encode() + b"\r\n\r\n") == Head("GET", "/version", "")


@given(st.sampled_from(sorted(HOSTILE)), st.data())
def test_what_is_hostile_stays_so_with_more_around_it(name: str, data: st.DataObject) -> None:
    more = data.draw(st.lists(st.tuples(_TOKEN, _VALUE), max_size=3))
    lines = "".join(f"\r\nX-{key}-{number}: {value}" for number, (key, value) in enumerate(more))

    assert read(HOSTILE[name] + lines.encode() + b"\r\n\r\n") == MALFORMED


@given(st.binary(min_size=1, max_size=3), st.integers(0, len(LINES)))
def test_bytes_put_in_anywhere_never_add_a_second_meaning(more: bytes, place: int) -> None:
    """What is still a request has one line feed after each carriage return, and none beside."""
    data = LINES[:place] + more + LINES[place:]
    found = read(data + b"\r\n\r\n")

    if isinstance(found, Head):
        head = data.partition(b"\r\n\r\n")[0]
        assert head.count(b"\r\n") == head.count(b"\n") == head.count(b"\r")
        assert b"\0" not in head
        assert found.length == 0
