"""Rules as automata."""

import pytest
from scanning import MIXED, OURS

from proxy.decision import ConfigError
from proxy.protection.compiled import NONE, Rules, start
from proxy.protection.rule import Rule, shipped

WORDS = Rules(
    (
        Rule("first", "(?i)secret=([a-z]+)", keywords=("secret",), spans=True),
        Rule("second", "key_[0-9]{36}", keywords=("key_",)),
        Rule("third", "(?:secret|key)[=_].*", keywords=("secret", "key"), own=False, spans=True),
    )
)


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ConfigError, match="no check 'guess'"):
        Rules((Rule("a", "x", check="guess"),))


def test_the_checks_of_the_rules_that_are_shipped_are_known() -> None:
    assert Rules(shipped()).groups


@pytest.mark.parametrize(
    ("at", "limit", "expected"), [(0, 99, 2), (2, 99, 2), (3, 99, 13), (0, 2, 2), (3, 12, 12)]
)
def test_where_the_first_match_of_any_may_begin_is_told(at: int, limit: int, expected: int) -> None:
    text = b"a SECRET=abc key_" + b"1" * 36

    assert min(start(group, text, at, limit) for group in WORDS.groups) == expected
    assert WORDS.find(text)
    assert not WORDS.find(b"a secret, a key")


@pytest.mark.parametrize("before", [0, 7000, 7167, 7168, 7169, 8190, 8192, 50_000])
def test_a_match_is_found_however_far_away_it_is(before: int) -> None:
    text = b"x" * before + b"key_" + b"1" * 36

    assert min(start(group, text, 0, len(text)) for group in WORDS.groups) == before


def test_the_rules_that_may_match_at_a_place_come_in_their_order() -> None:
    text = b"a key_" + b"1" * 36

    assert [each.rule.id for each in WORDS.at(text, 2)] == ["second", "third"]
    assert [each.rule.id for each in WORDS.formats(text, 2)] == ["second"]


def test_no_rules_find_nothing() -> None:
    assert not NONE.find(b"token=kQ7vLm4Tr8wZ")
    assert NONE.opening.start(b"token=") == -1
    assert NONE.telling.start(b"token=") == -1
    assert not NONE.by_lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a token ", 2),
        (b"a TOKEN = ", 2),
        (b"a token of mine: x ", 2),
        (b"a token:\n", 2),
        (b"a token =\r\n", 2),
        (b'a token: "\n', 2),
        (b"a token\n", -1),
        (b"a token.\nb ", -1),
        (b"a token\nb token\nc token ", 18),
        (b"a '", -1),
        (b"a ' ", 2),
        (b"a ' | ", 2),
        (b"words and words ", -1),
    ],
)
def test_where_a_match_that_holds_white_space_may_have_begun_is_told(
    text: bytes, expected: int
) -> None:
    assert OURS.opening.start(text) == expected


def test_only_rules_of_others_are_told_by_lines() -> None:
    assert MIXED.by_lines
    assert not OURS.by_lines


def test_a_word_that_tells_is_found_in_any_case_and_before_anything() -> None:
    assert WORDS.telling.start(b"my Secret") == 3
    assert WORDS.telling.start(b"see") == -1
