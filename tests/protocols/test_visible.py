"""What is shown to whoever decides: nothing hidden, and never the same for two."""

import hashlib
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protocols.strict_json import dumps
from proxy.protocols.visible import MAX_SHOWN, MAX_TEXT, Find, shown, visible
from proxy.values import Json

ESCAPE = re.compile(r"\\u\{([0-9a-f]+)\}")
ODD = st.sampled_from("\\u{}0123abc\u200b\u202e\u00a0\n\t\x00\x1b\u3164\ufe0f\U000e0041ä\U0001f600")
TEXTS = st.one_of(st.text(), st.text(ODD, max_size=12))
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def nothing(text: str, key: str) -> Sequence[tuple[int, int, str]]:  # noqa: ARG001
    return ()


def each(pattern: str) -> Find:
    """Every match is a secret."""
    return lambda text, key: [  # noqa: ARG005
        (*found.span(), "password") for found in re.finditer(pattern, text)
    ]


def seen(value: Json, find: Find = nothing) -> Json:
    return shown(value, find).value


def placeholder(secret: str) -> str:
    digest = hashlib.sha256(secret.encode()).hexdigest()[:8]
    return f"[secret password, {len(secret)} characters, sha256 {digest}]"


def read(text: str) -> str:
    """What was made visible, as it was."""
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # ordinary text is what it is
        ("", ""),
        ("git commit -m 'a b'", "git commit -m 'a b'"),
        ("grep 'a\\.b' \\\\srv\\users", "grep 'a\\.b' \\\\srv\\users"),
        ("Käse 日本語 😀", "Käse 日本語 😀"),
        # invisible
        ("a\u200bb\u200d\ufeff", "a\\u{200b}b\\u{200d}\\u{feff}"),
        ("a\u00adb\u034fc\u2060", "a\\u{ad}b\\u{34f}c\\u{2060}"),
        ("\u115f\u1160\u3164\uffa0\u2800", "\\u{115f}\\u{1160}\\u{3164}\\u{ffa0}\\u{2800}"),
        ("\U000e0072\U000e006d\ufe0f", "\\u{e0072}\\u{e006d}\\u{fe0f}"),
        # turned round
        ("a\u202eb\u2066c\u061c", "a\\u{202e}b\\u{2066}c\\u{61c}"),
        # of the terminal
        ("a\nb\tc\r\x1b[2Kd\x7f\x9b", "a\\u{a}b\\u{9}c\\u{d}\\u{1b}[2Kd\\u{7f}\\u{9b}"),
        # blanks that are no space
        ("a\u00a0b\u2003c\u3000\u2028", "a\\u{a0}b\\u{2003}c\\u{3000}\\u{2028}"),
        # what no encoder takes
        ("a\ud800", "a\\u{d800}"),
        # what would look like an escape
        ("\\u{200b}", "\\u{5c}u{200b}"),
        ("\\\\u{a}", "\\\\u{5c}u{a}"),
        ("\\u\u200b", "\\u\\u{200b}"),
        # what would look like the placeholder of a secret
        ("[secret password, 8 characters]", "\\u{5b}secret password, 8 characters]"),
        ("[secrets] [ secret ]", "[secrets] [ secret ]"),
        # what is written from the right: Hebrew, Arabic, its digits, old scripts
        ("rm \u05d0\u05d1 a", "rm \\u{5d0}\\u{5d1} a"),
        ("\u0627\u0660\u06f0", "\\u{627}\\u{660}\u06f0"),
        ("\U00010800\U0001e900", "\\u{10800}\\u{1e900}"),
    ],
)
def test_what_does_not_show_is_written_out(text: str, expected: str) -> None:
    assert visible(text) == expected


@given(TEXTS)
def test_what_is_visible_can_be_printed_and_read_back(text: str) -> None:
    assert visible(text).isprintable()
    assert read(visible(text)) == text


@given(TEXTS, TEXTS)
def test_two_that_differ_never_look_the_same(one: str, other: str) -> None:
    assert (visible(one) == visible(other)) == (one == other)


@given(VALUES)
def test_a_value_keeps_its_shape(value: Json) -> None:
    def back(found: Json) -> Json:
        if isinstance(found, str):
            return read(found)
        if isinstance(found, dict):
            return {read(key): back(member) for key, member in found.items()}
        return [back(item) for item in found] if isinstance(found, list) else found

    assert back(seen(value)) == value


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (2**53, 2**53),
        (2**53 + 1, "9007199254740993"),
        (-(2**53) - 1, "-9007199254740993"),
        (True, True),
        (1e300, 1e300),
    ],
)
def test_a_number_that_not_every_reader_shows_as_it_is_is_text(
    number: Json, expected: Json
) -> None:
    assert seen({"n": [number]}) == {"n": [expected]}


def test_what_is_too_long_ends_in_a_mark_that_no_text_can_hold() -> None:
    text = "x" * MAX_TEXT + "rm -rf /"
    mark = f"\\u{{+8 characters, sha256 of all {hashlib.sha256(text.encode()).hexdigest()}}}"

    assert seen({"a": "x" * MAX_TEXT}) == {"a": "x" * MAX_TEXT}
    assert seen({"a": text}) == {"a": "x" * MAX_TEXT + mark}
    assert mark not in visible("x" + mark)


def test_a_secret_where_the_text_is_cut_is_masked_whole() -> None:
    text = "x" * (MAX_TEXT - 4) + "hunter2" * 10 + "y" * 100

    found = seen(text, each("(hunter2)+"))

    assert isinstance(found, str)
    assert "hunt" not in found
    assert f"{placeholder('hunter2' * 10)}\\u{{+100 characters" in found


@pytest.mark.parametrize(
    "value",
    [
        {str(number): "x" * 1000 for number in range(1000)},
        ["x" * 1000] * 1000,
        [0] * 100_000,
        [[[0] * 1000] * 10] * 10,
        {"x" * 100_000: 1, "y": "\u200b" * 100_000},
        [{"a": number} for number in range(10_000)],
        ["\U000e0001" * 6000] * 12,
        ['"' * 10_000] * 12,
        ["hunter2 " * 2000] * 12,
        {f"hunter2 {number}": number for number in range(10_000)},
    ],
    ids=[
        *("members", "items", "numbers", "nested", "odd", "objects"),
        *("escapes", "quotes", "secrets", "keys"),
    ],
)
def test_however_much_there_is_what_is_shown_is_bounded(value: Json) -> None:
    found = dumps(seen(value, each("hunter2")))

    assert len(found) < 1.1 * MAX_SHOWN
    assert b"sha256 of all" in found


def test_a_secret_is_shown_as_what_it_is_and_what_stands_beside_it_stays() -> None:
    found = shown({"a": 'x "hunter2"; y', "hunter2": ["hunter2\u200b"]}, each("hunter2"))

    masked = placeholder("hunter2")
    assert found.value == {"a": f'x "{masked}"; y', masked: [masked + "\\u{200b}"]}
    assert found.masked == 3


def test_the_key_of_a_member_is_told_with_its_value() -> None:
    asked: list[tuple[str, str]] = []

    def find(text: str, key: str) -> Sequence[tuple[int, int, str]]:
        asked.append((text, key))
        return ()

    shown({"a": ["x", {"b": "y"}], "n": 12345678}, find)

    members = [("x", "a"), ("b", ""), ("y", "b"), ("n", ""), ("12345678", "n")]
    assert asked == [("a", ""), *members]


def test_a_number_that_is_a_secret_is_masked() -> None:
    assert seen({"a": 12345678, "b": 1.5}, each("12345678")) == {
        "a": placeholder("12345678"),
        "b": 1.5,
    }


def test_two_members_that_are_masked_alike_are_still_two() -> None:
    """There are such: eight digits of a digest are few."""
    one, other = "value-003015", "value-064027"
    masked = placeholder(one)
    assert masked == placeholder(other)

    found = seen({one: 1, other: 2, f"{masked}#2": 3}, each(r"value-\d+"))

    assert found == {masked: 1, f"{masked}#2": 2, f"\\u{{5b}}{masked[1:]}#2": 3}
