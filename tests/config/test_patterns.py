"""Which entries speak about a tool, and which of them counts."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.patterns import (
    MAX_NAME,
    any_covers,
    closest_last,
    covers,
    is_name,
    is_pattern,
    joined,
    meet,
)


@pytest.mark.parametrize(
    ("key", "covered", "not_covered"),
    [
        ("a", ["a"], ["", "b", "ab", "A", "a.b"]),
        ("a.*", ["a.b", "a."], ["a", "ab", "b.a.c"[:3], "xa.b"]),
        ("*", ["", "a", "a.b"], []),
        ("*.read_*", ["a.read_b", ".read_", "a.b.read_"], ["read_", "a.read", "a.xread_"]),
        ("a*a", ["aa", "aba"], ["a", "ab"]),
        ("a*b*c", ["abc", "a1b2c", "abbc"], ["ac", "acb", "abcd"]),
        ("*ab*ab", ["abab", "xabyab"], ["ab", "aab"]),
        ("**", ["", "a"], []),
    ],
)
def test_a_star_is_any_characters(key: str, covered: list[str], not_covered: list[str]) -> None:
    assert [name for name in covered if not covers(key, name)] == []
    assert [name for name in not_covered if covers(key, name)] == []


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_patterns_mean_what_they_mean_elsewhere(key: str, name: str) -> None:
    assert covers(key, name) is fnmatch.fnmatchcase(name, key)


@pytest.mark.parametrize(
    ("key", "other", "together"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("", "*", True),
        ("a.*", "*.b", True),
        ("a.*", "b.*", False),
        ("*a", "*b", False),
        ("a*b", "*a*", True),
        ("a*b*c", "ac*bc", True),
        ("a*b*c", "ac*b", False),
    ],
)
def test_patterns_meet_where_a_name_has_both(key: str, other: str, *, together: bool) -> None:
    assert meet(key, other) is meet(other, key) is together


@given(st.text("ab*", max_size=6), st.text("ab", max_size=6))
def test_a_name_meets_what_covers_it(key: str, name: str) -> None:
    assert meet(key, name) is meet(name, key) is covers(key, name)


@given(st.text("ab*", max_size=6), st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_patterns_that_cover_one_name_meet(key: str, other: str, name: str) -> None:
    assert meet(key, other) or not (covers(key, name) and covers(other, name))


def test_long_patterns_meet_or_not_soon() -> None:
    assert not meet("a*" * 500 + "b", "a*" * 500 + "c")


@pytest.mark.parametrize("name", ["a", "a.b", "A-1_x.y", "a.b.c", "a.b/c", "a" * MAX_NAME])
def test_names_are_plain(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a b", "a/b", "a/b.c", "a*", "a\n", "é", "a" * (MAX_NAME + 1)]
)
def test_other_text_is_no_name(name: str) -> None:
    assert not is_name(name)


def test_patterns_have_a_star() -> None:
    assert [is_pattern(key) for key in ("a", "a.*", "*")] == [False, True, True]


def test_the_closest_is_the_name_then_the_longest_beginning_then_what_is_most_fixed() -> None:
    keys = ["a.get_me", "*", "a.*", "a.get_*", "*.get_me", "b.*", "a.*_me", "*me"]

    assert closest_last(keys, "a.get_me") == [
        *("*", "*me", "*.get_me", "a.*", "a.*_me", "a.get_*", "a.get_me"),
    ]


@given(st.permutations(["a*", "*b", "ab", "*", "a*b", "**"]))
def test_the_order_of_the_file_changes_nothing(keys: list[str]) -> None:
    assert closest_last(keys, "ab") == closest_last(sorted(keys), "ab")


def test_fields_come_from_the_closest_that_has_them() -> None:
    entries = {"a.b": {"x": 1}, "a.*": {"x": 2, "y": 2}, "*": {"x": 3, "y": 3, "z": 3}}

    assert joined("a.b", entries) == {"x": 1, "y": 2, "z": 3}
    assert joined("c", entries) == {"x": 3, "y": 3, "z": 3}
    assert joined("c", {"a": {"x": 1}}) == {}


def test_one_of_several_is_enough() -> None:
    assert any_covers(["a", "b.*"], "b.c")
    assert not any_covers(["a", "b.*"], "c")
    assert not any_covers([], "c")
