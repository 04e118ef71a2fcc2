"""What values are like: words, fillers, references, or nothing of that."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protection.likeness import counted, is_filler, is_reference, strange, unusual_rest, usual

WORDS = (
    b"allow answer backend certificate connection database development encoding favorite "
    b"generate handler identity javascript kubernetes language middleware notebook overview "
    b"password postgres quantity request sunshine template upstream validation window yesterday"
).split()


def test_words_are_usual() -> None:
    assert all(usual(word) for word in WORDS)
    assert all(usual(word.title()) for word in WORDS)


def test_random_letters_are_rarely_usual() -> None:
    chance = random.Random(7)
    made = ["".join(chance.choices(string.ascii_lowercase, k=9)) for _ in range(2000)]

    assert sum(usual(word.encode()) for word in made) < 0.2 * len(made)


@pytest.mark.parametrize(
    "value",
    [
        *("billing_webhook", "cache.memory.password", "plans/eu-west3/plan2", "OrderDate"),
        *("EC_P384", "sha256sum", "RegOpenKeyEx", "win32api", "us-east-1", "v1.2.3", "2026-08-21"),
    ],
)
def test_names_are_hardly_strange(value: str) -> None:
    assert strange(value.encode()) * 3 < len(value)


@pytest.mark.parametrize(
    "value",
    [
        "q7LmX2vT9rKd4w",
        "5d415d410be7a719f3c28d6e",
        "KTbwQZZnrgkvxLFuHRDms7PqCJ",
        "wqzrvtkpxn",
        "415555019941",
        "Rw4-hK61_bNq3.Vs9d",
        "wqzrvtk20417",
    ],
)
def test_random_values_are_strange(value: str) -> None:
    assert strange(value.encode()) * 3 >= 2 * len(value)


def test_words_that_say_what_a_value_is_do_not_count() -> None:
    assert unusual_rest(b"your-api-key-here") == 0
    assert unusual_rest(b"test-q7LmX2vT9rKd4w") >= 8


@pytest.mark.parametrize(
    "value",
    [
        *(
            "${X}",
            "$(cat x)",
            "{{ x }}",
            "<%= x %>",
            "%(x)s",
            "#{x}",
            "$TOKEN",
            "<YOUR_KEY>",
            "{x}",
        ),
        *("%s", "@token@", "[password]", "process.env.X", 'os.environ["X"]', "arn:aws:x", "!vault"),
        *("https://h/x", "AKIAIOSFODNN7EXAMPLE", "[REDACTED]", "vault:secret/x"),
    ],
)
def test_what_stands_for_another_value_is_a_reference(value: str) -> None:
    assert is_reference(value.encode())


@pytest.mark.parametrize("value", ["q7LmX2vT9rKd4w", "$2y$10$abcdef", "a{b", "x%y", "pa$$word"])
def test_signs_alone_make_no_reference(value: str) -> None:
    assert not is_reference(value.encode())


@pytest.mark.parametrize(
    ("value", "filler"),
    [
        ("", True),
        ("****************", True),
        ("xxxxxxxxxxxxxxxx", True),
        ("glc_111111111111111111", True),
        ("0123456789012345678901234567890123456789", True),
        ("abcdefghijklmnopqrstuvwxyz", True),
        ("q7LmX2vT9rKd4w", False),
        ("8347887838483726167513613412", False),
    ],
)
def test_a_repeated_or_counted_up_character_is_a_filler(value: str, *, filler: bool) -> None:
    assert is_filler(value.encode()) is filler


@given(st.binary(max_size=200))
def test_no_value_is_too_strange_for_it(value: bytes) -> None:
    assert 0 <= strange(value) <= len(value)
    assert 0 <= counted(value) <= len(value)
    assert isinstance(is_filler(value), bool)
    assert isinstance(is_reference(value), bool)
