"""Expressions whose time is linear in the text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protection.expression import (
    NOTHING,
    Alternation,
    Beginnings,
    Expression,
    opening_of,
    unnamed,
)
from proxy.protection.rule import Rule, shipped


def test_a_match_tells_where_it_and_its_groups_are() -> None:
    found = Expression(r"(?P<key>k)=(?P<value>v+)|(?P<other>o)").match(b"..k=vvv..", 2, 9)

    assert found is not None
    assert found.span == (2, 7)
    assert found.groups == [(2, 3), (4, 7), (-1, -1)]
    assert found.named == {"key": (2, 3), "value": (4, 7)}


@pytest.mark.parametrize(
    ("pattern", "start", "end", "span"),
    [
        ("b+", 1, 9, (1, 4)),
        ("b+", 0, 9, None),
        ("b+", 1, 3, (1, 3)),
        (r"\bb", 1, 9, None),
        (r"b{2}\b", 1, 3, None),
        (r"b{2}\z", 1, 3, None),
        (r"b{3}\z", 1, 9, (1, 4)),
        ("^b", 1, 9, None),
    ],
)
def test_a_match_begins_at_its_place_and_what_is_around_it_is_seen(
    pattern: str, start: int, end: int, span: tuple[int, int] | None
) -> None:
    found = Expression(pattern).match(b"abbb", start, end)

    assert (found and found.span) == span


def test_text_is_taken_byte_by_byte() -> None:
    assert Expression(r"\xc3.$").finds("é".encode())
    assert Expression(r"[^\x00-\x7f]{3}").match_end(b"\xff\xfe\x80", 0) == 3


def test_a_match_s_end_is_its_beginning_where_there_is_none() -> None:
    assert Expression("b+").match_end(b"abbb", 1) == 4
    assert Expression("b+").match_end(b"abbb", 0) == 0


@pytest.mark.parametrize(
    "pattern", ["(", "(?=a)", "(?<!a)b", r"(a)\1", "a{2000}", "[z-a]", "(?P<a"]
)
def test_what_takes_more_than_linear_time_or_is_no_expression_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Expression(pattern)
    with pytest.raises(ValueError, match=r"\w"):
        Alternation([pattern])


def test_an_alternation_tells_where_the_first_match_of_any_begins() -> None:
    either = Alternation(["(?P<a>xy)", "(?P<a>y)z", "(?i)Q"])

    assert either.start(b"..xyz.q") == 2
    assert either.start(b"..xyz.q", 3) == 3
    assert either.start(b"..xyz.q", 4) == 6
    assert either.start(b"..xyz.q", 4, 6) == -1
    assert either.start(b"..XY") == -1
    assert Alternation([]).start(b"anything") == -1


def test_beginnings_are_told_in_their_order() -> None:
    which = Beginnings(["a", "b", "ab+", "(?i)A"])

    assert which.match(b"abb") == [0, 2, 3]
    assert which.match(b"xab") == []


@given(st.binary(max_size=20))
def test_nothing_matches_no_text(text: bytes) -> None:
    assert not Expression(NOTHING).finds(text)


def test_names_of_groups_are_taken_off() -> None:
    assert unnamed(r"(?P<a>x)(?<b>y)(?:z)(?i)") == r"(x)(y)(?:z)(?i)"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("abc[0-9]{36}", "abc" + "1" * 36),
        ("abc(?:de){12,}f", "abc" + "de" * 12 + "f"),
        (r"abc_[0-9]{20,40}\.[a-z]{30}", "abc_" + "1" * 20 + "." + "a" * 30),
        ("[a-z]{36}", "a" * 36),
        ("abc[0-9]{36}|x", "x"),
        ("x|abc[0-9]{36}", "x"),
        ("abc(d[0-9]{36}|e)", "abce"),
        (r"abc\x{41}", "abcA"),
        (r"abc\x{20}{12,}", "abc" + " " * 12),
        ("abc[{]{36}", "abc" + "{" * 36),
        ("abc[]{20}]", "abc{"),
        (r"\Qabc{36}\E", "abc{36}"),
        (r"abc\{36}", "abc{36}"),
        ("(?i)ABC[a-f]{40,}?", "aBc" + "F" * 40),
        ("abc(?:[0-9]{12}){2}", "abc" + "1" * 24),
    ],
)
def test_every_match_begins_where_its_opening_does(pattern: str, text: str) -> None:
    data = text.encode()
    assert Expression(pattern).match_end(data, 0) == len(data)

    assert Expression(opening_of(pattern)).match_end(data, 0) > 0


@pytest.mark.parametrize("rule", shipped(), ids=lambda rule: rule.id)
def test_the_opening_of_every_rule_of_ours_is_an_expression(rule: Rule) -> None:
    Expression(opening_of(rule.regex))
