"""What a secret looks like: the patterns and the registered values, as spans."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protection.redactor import RULES
from proxy.protection.rules import KEYS, MAX_VALUE, MIN_HELD, TAILS, Expression, compile_rules
from proxy.protection.scrubber import rule_name

PATTERNS = compile_rules()
HELD = ("held-value-1", 'quo"ted\\value', "first line of it\nsecond line of it", "grüße-von-hier")
WITH_HELD = compile_rules(HELD)


def found(text: str, held: tuple[str, ...] = ()) -> dict[str, str]:
    """What the first match and its groups are, by name."""
    data = text.encode()
    spans = compile_rules(held).expression.search(data) or {}
    return {name: data[slice(*span)].decode() for name, span in spans.items()}


def names(text: str) -> set[str]:
    return set(found(text)) - {"", "quote"}


@pytest.mark.parametrize(
    ("text", "groups"),
    [
        ("token=abcdefgh", {"token", "bare"}),
        ("api_key: abcdefgh", {"api_key", "bare"}),
        ('PASSWORD="a b c d"', {"password", "double"}),
        ("secret := 'a b c d'", {"secret", "single"}),
        ('{\\"token\\": \\"abcdef\\"}', {"token", "nested"}),
        ("Bearer abcdefgh", {"bearer"}),
        ("bearer: abcdefgh", {"bearer"}),
        ("zc_" + "0f" * 32, {"own"}),
    ],
)
def test_a_match_names_its_rule_and_the_kind_of_its_value(text: str, groups: set[str]) -> None:
    assert names(text) == groups


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        *(("token", "token"), ("access_token", "token"), ("accessToken", "token")),
        *(("TOKENS", "token"), ("x-auth-token", "token"), ("csrftoken", "token")),
        *(("api_key", "api-key"), ("apikey", "api-key"), ("X-API-Key", "api-key")),
        *(("apiKeys", "api-key"), ("OPENAI_API_KEY", "api-key")),
        *(("password", "password"), ("passwd", "password"), ("DB_PASSWORD", "password")),
        *(("passwords", "password"), ("userPassword", "password")),
        *(("secret", "secret"), ("client_secret", "secret"), ("SECRET_KEY", "secret")),
        *(
            ("secretAccessKey", "secret"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("secrets", "secret"),
        ),
    ],
)
def test_a_key_tells_by_its_end_in_any_case(key: str, rule: str) -> None:
    spans = PATTERNS.expression.search(f"{key}=abcdefgh".encode())
    assert spans is not None
    assert rule_name(spans) == rule

    told = PATTERNS.key.search(key.encode())
    assert told is not None
    assert rule_name(told) == rule


@pytest.mark.parametrize(
    "key",
    ["", "name", "key", "tokenizer", "token_count", "passwort", "secretary", "secret_name", "pass"],
)
def test_any_other_key_tells_nothing(key: str) -> None:
    assert PATTERNS.key.search(key.encode()) is None
    assert names(f"{key}=abcdefgh") == set()


def test_the_metrics_know_every_rule() -> None:
    """A label that is not in the closed set would be counted nowhere."""
    fired = {key.replace("_", "-") for key in KEYS} | {"bearer", "held"}

    assert fired == set(RULES)


# Registered values


@pytest.mark.parametrize(
    "text", ["held-value-1", "xheld-value-1y", "token=held-value-1", "\0held-value-1"]
)
def test_a_registered_value_is_found_anywhere(text: str) -> None:
    assert "held-value-1" in found(text, HELD).values()


@pytest.mark.parametrize(
    "text",
    [
        'quo"ted\\value',
        'quo\\"ted\\\\value',
        "first line of it",
        "second line of it",
        "grüße-von-hier",
        "gr\\u00fc\\u00dfe-von-hier",
    ],
)
def test_a_registered_value_is_found_line_by_line_and_as_json_has_it(text: str) -> None:
    assert found(text, HELD).get("held") == text


def test_a_registered_value_is_found_before_any_pattern() -> None:
    assert set(found("token=abcdefgh", ("token=abcdefgh",))) == {"", "held"}


def test_of_two_registered_values_the_longer_is_found() -> None:
    assert found("abcdefgh-1234", ("abcdefgh", "abcdefgh-1234"))["held"] == "abcdefgh-1234"


def test_a_registered_value_is_a_text_and_no_pattern() -> None:
    value = r".*+?[(a|b)]^$\d{3}"

    assert found("anything at all", (value,)) == {}
    assert found(f"<{value}>", (value,))["held"] == value


def test_a_registered_value_is_that_very_value_in_its_case() -> None:
    assert found("HELD-VALUE-1", HELD) == {}


@pytest.mark.parametrize("value", ["", "\n\n", "short", "1234567", "a\nb\nc"])
def test_what_is_too_short_to_be_no_coincidence_is_not_registered(value: str) -> None:
    assert compile_rules([value]).longest == PATTERNS.longest
    assert found(f"say {value}", (value,)) == {}


def test_the_shortest_registered_value_is_found() -> None:
    value = "x" * MIN_HELD

    assert found(value, (value,))["held"] == value


def test_many_registered_values_are_found() -> None:
    values = tuple(f"value-number-{number:04}" for number in range(2000))

    assert found("see value-number-1234 there", values)["held"] == "value-number-1234"


def test_a_long_registered_value_is_found_whole() -> None:
    value = "".join(chr(33 + number % 90) for number in range(5000))

    assert found(f"<{value}>", (value,))["held"] == value
    assert compile_rules([value]).longest > len(value)


# Bounds


@given(
    st.lists(
        st.sampled_from(
            [
                *(b"secret_access_key", b"token", b"s", b"bearer", b"api-key", b"\\" * 8, b"\\"),
                *(
                    b'"',
                    b"'",
                    b"=",
                    b"=>",
                    b":=",
                    b":",
                    b" " * 16,
                    b"\t" * 16,
                    b"x" * 199,
                    b"x" * 9,
                ),
                *(
                    b"\\x" * 99,
                    b"\\x" * 200,
                    b"\xff" * 99,
                    b"-" * 200,
                    b"held-value-1",
                    b"zc_",
                    b",",
                ),
            ]
        ),
        max_size=12,
    ).map(b"".join)
)
def test_no_match_is_longer_than_the_bound_says(text: bytes) -> None:
    """And one byte after it is always in sight."""
    at = 0
    while (spans := WITH_HELD.expression.search(text, at)) is not None:
        start, end = spans[""]
        assert 0 < end - start < WITH_HELD.longest
        at = end


@given(st.binary() | st.text().map(str.encode))
def test_no_match_crosses_a_line_end(text: bytes) -> None:
    for rules in (PATTERNS, WITH_HELD):
        spans = rules.expression.search(text)
        assert spans is None or b"\n" not in text[slice(*spans[""])]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_value_in_the_next_line_is_another_matter(line_end: str) -> None:
    assert names(f"token:{line_end}abcdefgh") == set()
    assert names(f"Bearer{line_end}abcdefgh") == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        b"token ",
        b"token = ",
        b"token='",
        b'token="',
        b"\\" * 8,
        b"secret_access_",
        b"zc_0",
        b"bearer\t",
    ],
)
def test_searching_takes_time_in_proportion_to_the_text(piece: bytes) -> None:
    text = piece * ((2 << 20) // len(piece))
    started = time.process_time()
    at = 0
    while (spans := PATTERNS.expression.search(text, at)) is not None:
        at = max(spans[""][1], at + len(text) // 1000)

    assert time.process_time() - started < 2


@pytest.mark.parametrize("kind", TAILS)
def test_a_tail_goes_on_as_its_kind_of_value_does(kind: str) -> None:
    tail = Expression(TAILS[kind])

    assert tail.match_end(b"x" * (MAX_VALUE + 5) + b"\n", 5) == MAX_VALUE + 5
    assert tail.match_end(b"\nxxx", 0) == 0


def test_an_expression_that_is_none_is_an_error() -> None:
    with pytest.raises(Exception, match=re.compile("paren|parenthesis|missing")):
        Expression("(")
