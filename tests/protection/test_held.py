"""The very values that Sidegate holds, however they are written."""

import base64
import html
import itertools
import json
import random
import re
import string
import time
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scanning import KNOWN, TEXTS

from proxy.protection.held import MIN_HELD, REACH, Held, forms

VALUE = 'held/välue "1" & <C:\\new>+x'
PLAIN = "Held-value-1/x=y"


def units(value: str) -> str:
    return "".join(f"\\u{ord(char):04x}" for char in value)


def mixed(digits: str) -> str:
    """Every other hexadecimal digit that is a letter in capitals."""
    number = itertools.count()
    return re.sub("[a-f]", lambda found: found[0].upper() if next(number) % 2 else found[0], digits)


def octets(value: str, mark: str) -> str:
    return mark.join(f"{byte:02x}" for byte in value.encode())


def shifted(value: str, offset: int) -> str:
    return base64.b64encode(b"abc"[:offset] + value.encode() + b"-end").decode()


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "backwards": lambda value: value[::-1],
    "JSON": lambda value: json.dumps(value)[1:-1],
    "JSON with characters": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "JSON with slashes escaped": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "code units": units,
    "code units in capitals": lambda value: units(value).upper().replace("\\U", "\\u"),
    "HTML": html.escape,
    "HTML text": lambda value: html.escape(value, quote=False),
    "percent": lambda value: urllib.parse.quote(value, safe=""),
    "percent of a path": urllib.parse.quote,
    "percent of a form": urllib.parse.quote_plus,
    "percent throughout": lambda value: "%" + octets(value, "%"),
    "hexadecimal": lambda value: octets(value, ""),
    "hexadecimal in capitals": lambda value: octets(value, "").upper(),
    "hexadecimal in any case": lambda value: mixed(octets(value, "")),
    "hexadecimal in any case with colons": lambda value: mixed(octets(value, ":")),
    "code units in any case": lambda value: mixed(units(value)),
    "hexadecimal with colons": lambda value: octets(value, ":"),
    "hexadecimal with hyphens": lambda value: octets(value, "-"),
    "hexadecimal escapes": lambda value: "\\x" + octets(value, "\\x"),
    "Base64": lambda value: shifted(value, 0),
    "Base64, one byte on": lambda value: shifted(value, 1),
    "Base64, two bytes on": lambda value: shifted(value, 2),
    "Base64 for addresses": lambda value: base64.urlsafe_b64encode(value.encode()).decode(),
}


@pytest.mark.parametrize(
    "value", [VALUE, PLAIN, "grüße-von-hier", "🦀🦀-crab-🦀🦀", "C:\\new-dir\\tx"]
)
@pytest.mark.parametrize("name", FORMS)
def test_a_value_is_found_in_every_form(name: str, value: str) -> None:
    text = b"<<" + FORMS[name](value).encode() + b">>"
    span = Held([value]).search(text, 0)

    assert span is not None
    left = text[: span[0]] + text[span[1] :]
    assert len(left) <= len(b"<<>>") + (12 if "Base64" in name else 0), left


@pytest.mark.parametrize(
    "gap", [" ", "\n", "\r\n", "\t", "\v", "\f", "\\n", "\\r\\n", " \n\t ", " " * 60]
)
@pytest.mark.parametrize("name", ["as it is", "Base64", "hexadecimal", "percent", "backwards"])
def test_white_space_anywhere_hides_nothing(name: str, gap: str) -> None:
    form = FORMS[name](PLAIN)
    held = Held([PLAIN])

    for at in range(2, len(form) - 8):
        text = f"<{form[:at]}{gap}{form[at:]}>".encode()
        span = held.search(text, 0)
        assert span is not None, at
        assert len(text) - (span[1] - span[0]) <= 2 + 8


def test_white_space_between_all_characters_hides_nothing() -> None:
    text = b" ".join(bytes([byte]) for byte in PLAIN.encode())

    assert Held([PLAIN]).search(text, 0) == (0, len(text))


@pytest.mark.parametrize("value", ["", "\n\n", "short", "1234567", "a\nb\nc", "       x"])
def test_what_is_too_short_to_be_no_coincidence_is_not_held(value: str) -> None:
    held = Held([value])

    assert not held or value.strip() != value
    assert held.search(f"say {value}!".encode(), 0) is None
    assert held.opened(b"say") == 3


def test_the_shortest_value_is_held() -> None:
    value = "abcdefghijk"[:MIN_HELD]

    assert Held([value]).search(value.encode(), 0) == (0, MIN_HELD)


def test_a_value_of_many_lines_is_held_line_by_line() -> None:
    held = Held(["first line of it\nsecond line of it\nx"])

    assert held.search(b"a second line of it b", 0) == (2, 19)
    assert held.search(b"firstlineofit", 0) == (0, 13), "it may have lost its blanks"


def test_a_value_is_that_very_value_in_its_case() -> None:
    assert Held(["held-value-1"]).search(b"HELD-VALUE-1", 0) is None
    assert Held([r".*+?[(a|b)]^$\d{3}"]).search(b"anything at all", 0) is None


def test_of_two_values_the_longer_is_found() -> None:
    assert Held(["abcdefgh", "abcdefgh-1234"]).search(b"abcdefgh-1234", 0) == (0, 13)
    assert Held(["abcdefgh", "abcdefgh-1234"]).search(b"abcdefgh-123", 0) == (0, 8)


def test_of_values_that_overlap_both_are_found() -> None:
    assert Held(["abcdefgh", "efgh-1234"]).search(b"abcdefgh-1234.", 0) == (0, 13)


def test_many_values_are_held() -> None:
    held = Held(f"value-number-{number:04}" for number in range(500))

    assert held.search(b"see value-number-0123 there", 0) == (4, 21)


def test_a_long_value_is_held_in_pieces() -> None:
    value = "".join(random.Random(1).choices(string.ascii_letters, k=5 * 256 + 3))
    held, at, left = Held([value]), 0, bytearray()
    text = f"<{value}>".encode()
    while (span := held.search(text, at)) is not None:
        left += text[at : span[0]]
        at = span[1]

    assert bytes(left + text[at:]) == b"<>"


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("nothing.", None),
        ("a PLAIN", None),
        (f"a {PLAIN[:1]}", 2),
        (f"a {PLAIN[:7]}", 2),
        (f"a {PLAIN[:8]}", 2),
        (f"a {PLAIN[:-1]}", 2),
        (f"a {PLAIN[:-1]} \n", 2),
        (f"a {PLAIN[:3]}\\", 2),
        (f"a {PLAIN[:3]}\\n", 2),
        *((f"a {PLAIN[:3]}{gap}", 2) for gap in ("\x1b", "\x1b[", "\x1b[01;3", "\x1b[m", "\0")),
        *((f"a {PLAIN[:9]}{gap}", 2) for gap in ("\x1b", "\x1b[", "\x1b[01;3", "\x1b[m", "\0")),
        *((f"a {PLAIN[:3]}\\{gap}", 2) for gap in ("u", "u00", "u001b", "u001B[", "u001b[01;3")),
        *((f"a {PLAIN[:9]}\\{gap}", 2) for gap in ("u", "u00", "u001b", "u001B[", "u001b[01;3")),
        (f"a {PLAIN}?", None),
        (f"a {PLAIN[:-1]}?", None),
        (f"a {PLAIN[:3]}{' ' * REACH}", None),
    ],
)
def test_what_a_longer_text_could_complete_is_told(text: str, at: int | None) -> None:
    assert Held([PLAIN]).opened(text.encode()) == (len(text) if at is None else at)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 3000))
def test_what_is_found_before_that_stays_found(text: bytes, cut: int) -> None:
    opened = KNOWN.opened(text[:cut])
    first = KNOWN.search(text[:cut], 0)

    if first is not None and first[1] <= opened:
        assert KNOWN.search(text, 0) == first


@given(st.text(min_size=1, max_size=40))
def test_every_form_is_long_enough_and_has_no_white_space(value: str) -> None:
    for form in forms(value):
        assert len(form.data) >= MIN_HELD
        assert form.data == b"".join(form.data.split())


def test_many_values_cost_little_more_than_few() -> None:
    held = Held(f"{random.Random(number).random():.17f}-value" for number in range(400))
    text = b'It is 13 "lazy" dogs;\n\x1b[31mred\x1b[0m ' * 3000
    held.search(text, 0)
    started = time.process_time()

    assert held.search(text, 0) is None
    assert held.opened(text) >= len(text) - 8
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "piece", [b"\\n", b"\x1b[0", b"\\u001b[", b"\0", b"1\0", b"\\u00", b"Held-\0"]
)
def test_gaps_without_end_cost_little(piece: bytes) -> None:
    held = Held([PLAIN, VALUE])
    text = piece * 2000
    held.opened(text)
    started = time.process_time()
    for _ in range(10):
        held.opened(text)

    assert time.process_time() - started < 1
