import contextlib
from urllib.parse import parse_qsl, quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Malformed
from proxy.protocols.channels.form import fields
from proxy.reasons import Reason

NAMES = st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a=1", {"a": "1"}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=", {"a": ""}),
        (b"hub.mode=subscribe", {"hub.mode": "subscribe"}),
        (b"a=b+c%20d", {"a": "b c d"}),
        (b"a=%2b%2B%26%3D", {"a": "++&="}),
        (b"a=%c3%a9%F0%9F%98%80", {"a": "\xe9\U0001f600"}),
        (b"a=!'()*._~-", {"a": "!'()*._~-"}),
    ],
)
def test_form_of_one_meaning_is_read(data: bytes, found: dict[str, str]) -> None:
    assert fields(data) == found


@pytest.mark.parametrize(
    "data",
    [
        # a name that comes twice, in any spelling
        *(b"a=1&a=2", b"a=1&a=1", b"a=1&b=2&a=3"),
        # names that readers change into others
        *(b"%61=1", b"a+b=1", b"a%00=1", b"a[]=1", b"a[b]=1", b" a=1", b"=1", b"x" * 65 + b"=1"),
        # separators that some readers know
        *(b"a=1;b=2", b"a=1&&b=2", b"&a=1", b"a=1&", b"a", b"a&b=1", b"a=1=2", b"", b"&"),
        # what should have been encoded, or was encoded wrongly
        *(b"a=%", b"a=%2", b"a=%zz", b"a=%u0041", b"a= ", b"a=\xe9", b"a=\n", b'a="b"', b"a=b/c"),
        # bytes that are no text, and text that ends early for some
        *(b"a=%ff", b"a=%c3", b"a=%ed%a0%80", b"a=%c0%80", b"a=b%00c"),
        # another format altogether
        *(b'{"a":1}', b"<a/>", b"\xff\xfea=1", b"a=1\r\n"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        fields(data)

    assert refusal.value.reason is Reason.BODY_MALFORMED


def test_form_has_a_hundred_fields_at_most() -> None:
    assert len(fields(b"&".join(b"a%d=1" % number for number in range(100)))) == 100
    with pytest.raises(Malformed):
        fields(b"&".join(b"a%d=1" % number for number in range(101)))


@given(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=5))
def test_what_the_usual_encoders_write_is_read(found: dict[str, str]) -> None:
    assert fields(urlencode(found).encode()) == found
    assert fields(urlencode(found, quote_via=quote).replace("/", "%2F").encode()) == found


@given(st.binary() | st.from_regex(rb"[a-c%&=;+0-9f]{0,40}", fullmatch=True))
def test_what_is_read_the_standard_library_reads_alike(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        found = fields(data)

        assert [*found.items()] == parse_qsl(
            data.decode(), keep_blank_values=True, strict_parsing=True, errors="strict"
        )
