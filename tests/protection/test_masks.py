"""What is shown in the place of a secret."""

import pytest

from proxy.protection.masks import HELD, MARK, Masks

M = MARK.decode()


@pytest.mark.parametrize(
    ("secret", "public", "shown"),
    [
        ("a" * 8, False, M),
        ("abcd" * 4 + "abc", False, M),
        ("abcd" * 5, False, f"abcd{M}"),
        ("sk-abcdefghijklmnopqrst", False, f"sk-a{M}"),
        ("ghp_abcdefgh", True, f"ghp_{M}"),
        # nothing that could break an escape, a character or a quote
        ("a.bc" * 5, False, M),
        ("a.bc" * 5, True, M),
        ("ünïc" * 5, False, M),
        ("abcé" * 5, False, M),
        ('ab"c' * 5, True, M),
        ("\\u00e9abcdefghijklmnopq", False, M),
        ("", True, M),
    ],
)
def test_four_characters_stay_of_a_long_or_published_plain_beginning_only(
    secret: str, shown: str, *, public: bool
) -> None:
    assert Masks().mask("token", secret.encode(), public=public).decode() == shown


def test_nothing_stays_of_what_is_held() -> None:
    assert Masks().mask(HELD, b"abcd" * 10, public=True) == MARK


def test_the_full_style_tells_what_it_was_and_nothing_of_it() -> None:
    assert (
        Masks("full").mask("github-pat", b"ghp_abcd" * 4, public=True) == b"[REDACTED:github-pat]"
    )


def test_a_label_may_have_a_style_of_its_own() -> None:
    masks = Masks("full", {"token": "prefix"})

    assert masks.mask("token", b"abcd" * 5) == b"abcd" + MARK
    assert masks.mask("password", b"abcd" * 5) == b"[REDACTED:password]"


def test_a_placeholder_stands_for_one_secret() -> None:
    asked = []

    def stand_in(label: str, secret: str) -> str | None:
        asked.append((label, secret))
        return "<placeholder-é>"

    masks = Masks("placeholder", placeholder=stand_in)

    assert masks.mask("token", "sécret".encode()) == "<placeholder-é>".encode()
    assert asked == [("token", "sécret")]


@pytest.mark.parametrize(
    ("secret", "whole"), [(b"known-to-its-end", True), (b"cut off", False), (b"\xff\xfe", True)]
)
def test_what_cannot_be_put_back_is_masked_in_full(secret: bytes, *, whole: bool) -> None:
    keeps = Masks("placeholder", placeholder=lambda _label, _secret: "a stand-in")
    never = Masks("placeholder")

    expected = b"a stand-in" if whole and secret.isascii() else b"[REDACTED:token]"
    assert keeps.mask("token", secret, whole=whole) == expected
    assert never.mask("token", secret, whole=whole) == b"[REDACTED:token]"
