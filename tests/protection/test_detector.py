"""Where the next secret of a text is, whoever knows it."""

import pytest
from scanning import KNOWN, MIXED, OURS

from proxy.protection.compiled import NONE, SPAN, Rules
from proxy.protection.detector import Cursor, Detector
from proxy.protection.held import REACH, Held
from proxy.protection.rule import Rule

NOBODY = Held(())
ALL = Detector(OURS, KNOWN)


def found(detector: Detector, text: str, limit: int | None = None) -> list[tuple[str, str]]:
    """What is found, and as what."""
    data = text.encode()
    cursor = Cursor(detector, data, len(data) if limit is None else limit)
    at, all_found = 0, []
    while (each := cursor.next(at)) is not None:
        all_found.append((data[each.start : each.end].decode(), each.label))
        at = each.end
    return all_found


def test_secrets_come_in_their_order() -> None:
    text = "held-value-1 token=kQ7vLm4Tr8wZ, ://me:pw12@host held-value-1"

    assert found(ALL, text) == [
        ("held-value-1", "held"),
        ("kQ7vLm4Tr8wZ", "bare"),
        ("pw12", "url"),
        ("held-value-1", "held"),
    ]


def test_the_first_rule_of_those_that_find_something_has_it() -> None:
    rules = (Rule("a", "x(y)", entropy=1), Rule("b", "xy"), Rule("c", "xyz"))

    assert found(Detector(Rules(rules), NOBODY), "xyz") == [("xy", "b")]


def test_what_no_rule_takes_may_hold_a_secret_further_on() -> None:
    rules = (Rule("a", "x+(y+)z", entropy=1), Rule("b", "yz"))

    assert found(Detector(Rules(rules), NOBODY), "xxyz") == [("yz", "b")]


def test_a_value_that_a_key_tells_of_has_the_name_of_its_own_format() -> None:
    secret = "ghp_" + "aB3" * 12

    assert found(ALL, f"token={secret}") == [(secret, "pat")]
    assert found(ALL, f"token={secret[:9]}") == [(secret[:9], "bare")]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("token=abcheld-value-1", "abcheld-value-1"),
        ("token=held-value-1abc", "held-value-1abc"),
        ("token=abcdefgheld-value-1,", "abcdefgheld-value-1"),
        ("token=abcdefgx token: qrst ghp_,", "abcdefgx token: qrst ghp_"),
        ("token=ababababababab;", "ababababababab"),
    ],
)
def test_what_is_held_in_a_match_is_masked_with_it(text: str, secret: str) -> None:
    assert found(ALL, text) == [(secret, "bare")]


def test_what_is_held_before_a_match_is_a_finding_of_its_own() -> None:
    assert found(ALL, "held-value-1token=kQ7vLm4Tr8wZ") == [
        ("held-value-1", "held"),
        ("kQ7vLm4Tr8wZ", "bare"),
    ]


def test_a_format_that_begins_in_what_is_held_is_masked_to_its_end() -> None:
    text = "x token: qrst ghp_" + "aB3" * 12

    assert found(ALL, text) == [(text, "pat")]


def test_without_rules_only_what_is_held_is_found() -> None:
    detector = Detector(NONE, KNOWN)

    assert found(detector, "token=kQ7vLm4Tr8wZ held-value-1") == [("held-value-1", "held")]
    assert detector.member("password", "xK9mQ2vL7zT4wB8n") is None


def test_a_member_is_told_by_its_key() -> None:
    assert ALL.member("password", "xK9mQ2vL7zT4wB8n") == "password"
    assert ALL.member("name", "xK9mQ2vL7zT4wB8n") is None
    assert ALL.member("pass\ud800word", "\ud800") is None


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("words and more words", True),
        ('{"id": 1, "name": "me"}', True),
        ("a token", False),
        ("an escape \\u0061", False),
        ("ghp_" + "aB3" * 12, False),
        ("held-value-1", False),
    ],
)
def test_a_text_is_clean_where_surely_nothing_is_in_it(text: str, *, clean: bool) -> None:
    assert ALL.clean(text.encode()) is clean


@pytest.mark.parametrize(
    ("detector", "text", "boundary"),
    [
        (ALL, "", 0),
        (ALL, "word", 0),
        (ALL, "word, ", 6),
        (ALL, "one two", 4),
        (ALL, "one\ttwo\rthree\nfour", 14),
        (ALL, "my token = ", 3),
        (Detector(OURS, NOBODY), "my token = kQ7vLm4Tr8wZ\n", 24),
        (ALL, "my token =\n", 3),
        (ALL, "say held- ", 4),
        (ALL, "say held-value-1. ", 18),
        (ALL, "a token " + "x" * SPAN + " y", 8 + SPAN + 1),
        (Detector(MIXED, NOBODY), "one two\nthree four", 8),
        (Detector(NONE, NOBODY), "my token = ", 11),
    ],
)
def test_no_text_to_come_changes_what_is_before_a_boundary(
    detector: Detector, text: str, boundary: int
) -> None:
    assert detector.boundary(text.encode()) == boundary


@pytest.mark.parametrize("detector", [ALL, Detector(MIXED, KNOWN)])
def test_a_boundary_moves_on_in_a_word_without_end(detector: Detector) -> None:
    assert len("x" * 9000) - detector.boundary(b"x" * 9000) <= SPAN + 3 * REACH + 8


def test_a_limit_inside_of_what_is_held_moves_before_it() -> None:
    data = b"a first line of it b"
    cursor = Cursor(ALL, data, 8)

    assert cursor.next(0) is None
    assert cursor.limit == 2
