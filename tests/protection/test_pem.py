"""The body of a private key, passed over as it comes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protection.pem import LOOK_AHEAD, KeyBody

LINE = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n"


def rest(text: bytes, cuts: tuple[int, ...] = ()) -> bytes:
    """What is left of a text after the body that it begins with."""
    body = KeyBody()
    at, have = 0, b""
    for start, end in itertools.pairwise([0, *sorted(cuts), len(text)]):
        have += text[start:end]
        at, ended = body.swallow(have, at, final=False)
        if ended:
            return have[at:] + text[end:]
    at, _ = body.swallow(have, at, final=True)
    return have[at:]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        # with an end line, whatever is before it
        (b"\n" + LINE * 3 + b"-----END KEY-----\nx", b"-----END KEY-----\nx"),
        (b"\nanything at all, \x00 even this\n-----END", b"-----END"),
        (LINE * 70 + b"-----END", b"-----END"),
        # without one, what looks like Base64
        (b"\n" + LINE * 3 + b"That was it.", b"That was it."),
        (b"\n" + LINE * 3 + b"abcdefgh", b"abcdefgh"),
        (b"\n" + LINE * 3 + LINE.strip(), b""),
        (b"\n" + LINE * 200, b""),
        (
            b"\r\nProc-Type: 4,ENCRYPTED\r\nDEK-Info: AES\r\n\r\n" + LINE + b"end here.",
            b"end here.",
        ),
        (b"\n> " + LINE + b"> " + LINE + b"# the end", b"# the end"),
        (b"\\n" + LINE.replace(b"\n", b"\\n") * 3 + b'", "b": 1}', b'", "b": 1}'),
        (b"\\\\n" + LINE.replace(b"\n", b"\\\\n") * 3 + b'\\"', b'\\"'),
        (b"", b""),
        (b" and no key", b" and no key"),
    ],
)
def test_a_body_goes_as_far_as_it_looks_like_one(text: bytes, left: bytes) -> None:
    assert rest(text) == left


TEXTS = st.lists(
    st.sampled_from(
        [LINE, LINE * 30, LINE * 90, b"\\n", b"\n", b"-----END", b"-----", b"END", b"text. ", b"> "]
    ),
    max_size=8,
).map(b"".join)


@given(TEXTS, st.lists(st.integers(0, 6000), max_size=6))
def test_any_cutting_leaves_the_same(text: bytes, cuts: list[int]) -> None:
    assert rest(text, tuple(min(cut, len(text)) for cut in cuts)) == rest(text)


def test_no_more_is_waited_for_than_the_end_line_may_be_away() -> None:
    assert KeyBody().swallow(LINE, 0, final=False) == (0, False)
    assert KeyBody().swallow(b"\n" + LINE * 80, 0, final=False)[0] > LOOK_AHEAD - 600


def test_a_body_has_an_end() -> None:
    left = rest(b"\n" + LINE * 3000)

    assert 0 < len(left) < len(LINE) * 3000
