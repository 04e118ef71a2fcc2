"""What makes a match a secret, and what around it speaks against it."""

import pytest

from proxy.protection.checks import CHECKS, Candidate
from proxy.protection.rule import Rule

RANDOM = b"q7Lm" + b"X2vT9" + b"rKd4w"
RULE = Rule("some-rule", "x")


def checked(
    check: str,
    secret: bytes,
    key: bytes = b"",
    *,
    before: bytes = b"",
    between: bytes = b"",
    after: bytes = b"",
) -> str | None:
    return CHECKS[check](Candidate(RULE, key, secret, before, between, after))


def test_a_name_goes_back_before_the_match() -> None:
    assert Candidate(RULE, b"Password", b"", b"x = dbUser", b"", b"").name == b"dbUserPassword"
    assert Candidate(RULE, b"key", b"", b"the API ", b"", b"").name == b"api key"
    assert Candidate(RULE, b"key", b"", b"the ", b"", b"").name == b"key"


@pytest.mark.parametrize(
    ("secret", "masked"),
    [
        (b"ghp_" + RANDOM * 3, True),
        (b"ghp_" + b"x" * 36, False),
        (b"glpat-XXXXXXXXXXXXXXXXXXXX", False),
        (b"AKIAIOSFODNN7EXAMPLE", False),
        (b"sk-abcdefghijklmnopqrstuvwxyz0123456789", False),
        (b"xyz_${TOKEN}", False),
    ],
)
def test_a_format_is_known_unless_it_is_an_example(secret: bytes, *, masked: bool) -> None:
    assert checked("random", secret) == ("some-rule" if masked else None)


@pytest.mark.parametrize(
    ("between", "secret", "masked"),
    [
        (b' = "', RANDOM, True),
        (b'": "', RANDOM, True),
        (b': "', b", " + RANDOM, False),  # the quote ends a string in which the key stands
        (b'": "', b", " + RANDOM, True),
        (b'("', RANDOM, True),
        (b'("', b"sunshine", False),
    ],
)
def test_a_quote_may_end_a_string_instead(between: bytes, secret: bytes, *, masked: bool) -> None:
    assert (checked("keyed", secret, b"password", between=between) is not None) is masked


@pytest.mark.parametrize(
    ("after", "masked"),
    [(b"\n", True), (b"", True), (b"&", True), (b"(", False), (b"[0", False), (b"::new", False)],
)
def test_a_call_or_an_index_is_no_value(after: bytes, *, masked: bool) -> None:
    label = checked("keyed-bare", RANDOM, b"token", between=b"=", after=after)

    assert (label is not None) is masked


def test_a_word_is_a_password_in_settings_only() -> None:
    assert checked("keyed-bare", b"swordfish", b"PASSWORD", before=b"DB_", between=b"=")
    assert not checked("keyed-bare", b"swordfish", b"PASSWORD", before=b"DB_", between=b" = ")
    assert not checked("keyed-bare", b"swordfish", b"password", between=b"=")
    assert not checked("keyed-bare", b"swordfish", b"TOKEN", between=b"=")


def test_an_option_begins_with_a_dash() -> None:
    assert checked("keyed-option", RANDOM, b"token", before=b"app -", between=b" ")
    assert checked("keyed-option", RANDOM, b"token", before=b"app --api", between=b" ")
    assert not checked("keyed-option", RANDOM, b"token", before=b"an access", between=b" ")
    assert not checked("keyed-option", b"options", b"password", before=b"-", between=b" ")


def test_an_element_is_opened_before_its_name() -> None:
    assert checked("keyed-element", RANDOM, b"token", before=b"<x><", between=b">")
    assert not checked("keyed-element", RANDOM, b"token", before=b"x ", between=b">")
    assert not checked("keyed-element", b"a word or two", b"password", before=b"<", between=b">")


@pytest.mark.parametrize(
    ("check", "secret", "masked"),
    [
        ("bearer", RANDOM, True),
        ("bearer", b"authentication", False),
        ("bearer", b"token", False),
        ("basic", b"bWU6c3Vuc2hpbmU=", True),
        ("basic", RANDOM, True),
        ("basic", b"authentication", False),
        ("basic", b"user_and_word_withheld", False),
        ("given", b"password", True),
        ("given", b"${PASSWORD}", False),
        ("given", b"{password}", False),
        ("given", b"*****", False),
        ("glued", b"sunshine", True),
        ("glued", b"rotocol", False),
        ("mixed", RANDOM, True),
        ("mixed", b"wqzrvtkpxn", False),
        ("opaque", RANDOM * 2, True),
        ("opaque", b"certificate-authority-data", False),
        ("userinfo", b":Module", False),
    ],
)
def test_a_form_is_known_unless_its_value_is_a_word(
    check: str, secret: bytes, *, masked: bool
) -> None:
    assert (checked(check, secret) is not None) is masked


def test_what_stands_before_decides_about_forms_that_prose_has_too() -> None:
    assert checked("netrc", b"sunshine", before=b"machine h login me ")
    assert not checked("netrc", b"sunshine", before=b"the ")
    assert checked("sql", b"sunshine", before=b"ALTER USER me ")
    assert not checked("sql", b"sunshine", before=b"a thing is ")
    assert checked("pgpass", RANDOM, before=b"\ndb.internal")
    assert not checked("pgpass", RANDOM, before=b"fe80:")
    assert checked("session", RANDOM * 2, b"sid")
    assert not checked("session", RANDOM * 2, b"sign", before=b"de")


def test_bytes_are_a_key_where_they_differ() -> None:
    different = b"0x12, 0x9a, 0xf3, 0x44, 9, 8, 7, 1, 2"

    assert checked("keyed-bytes", different, b"key") == "key"
    assert checked("keyed-bytes", different, b"keyCodes") is None
    assert checked("keyed-bytes", b"0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0", b"key") is None
