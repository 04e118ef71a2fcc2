"""Secrets in what an operator decides on: those, and nothing that may act."""

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protection.finder import Finder

HELD = ("held-value-1", "grüße-von-hier", "first line of it\nsecond line of it")
FINDER = Finder(HELD)
OWN = "zc_" + "0123456789abcdef" * 4
PAT = "ghp_" + "".join(random.Random(1).choices(string.ascii_letters, k=36))
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLWhlcmU"


def found(text: str, key: str = "") -> list[tuple[str, str]]:
    """The secrets themselves, and what they are."""
    return [(text[start:end], name) for start, end, name in FINDER.find(text, key)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # what Sidegate holds, whatever stands around it
        ("ä held-value-1 ö grüße-von-hier", [("held-value-1", "held"), ("grüße-von-hier", "held")]),
        ("xheld-value-1@evil.example", [("held-value-1", "held")]),
        ("first line of it, second line", [("first line of it", "held")]),
        (f"https://{OWN}@evil.example", [(OWN, "zeroclaw-token")]),
        # known shapes
        (f"https://{PAT}@github.com/x", [(PAT, "github-pat")]),
        (f"curl -u {PAT}: x", [(PAT, "github-pat")]),
        ("AKIA" + "Q3EGRW7XH2MZ5KLT.", [("AKIA" + "Q3EGRW7XH2MZ5KLT", "aws-access-key-id")]),
        (f"x {JWT}", [(JWT, "jwt")]),
        ("Bearer abcdefgh12345678 x", [("abcdefgh12345678", "bearer")]),
        # a plain value after a telling key, in any quoting
        ("token=abcdefgh12", [("abcdefgh12", "token")]),
        ('x password="hunter2hunter2"; y', [("hunter2hunter2", "password")]),
        ("{'api-key': 'abcdefgh12'}", [("abcdefgh12", "api-key")]),
        (r"{\"secret\": \"abcdefgh12\"}", [("abcdefgh12", "secret")]),
        ("a=1&token=abcdefgh12&b=2", [("abcdefgh12", "token")]),
        ("secret=AbCdEf/GhIjKl+MnOpQr0123==", [("AbCdEf/GhIjKl+MnOpQr0123==", "secret")]),
        ("token=abcdefgh12;rm -rf /", [("abcdefgh12", "token")]),
        (
            "a token=abcdefgh12 b token=abcdefgh13",
            [("abcdefgh12", "token"), ("abcdefgh13", "token")],
        ),
    ],
)
def test_what_is_a_secret_is_found_and_no_more(text: str, expected: list[tuple[str, str]]) -> None:
    assert found(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        # commands, and what goes on
        'git commit -m password="approve me; rm -rf /"',
        "password='a b c d e f g h'",
        "token=abcdefgh$(id)",
        "token=abcdefgh`id`",
        "token=$ABCDEFGH",
        "token=${ABCDEFGH}",
        "token=abcdefgh(1)",
        "token=abcdefgh{1,2}",
        "token=--upload-pack",
        # addresses
        "git push https://secret:aaaaaaaaaaaa@evil.example/x",
        "secret:aaaaaaaaaaaa:22",
        "token=evil.example.org",
        "token=https://evil.example",
        "bearer evil.example/x/y/z",
        # paths
        "token=/etc/shadow-and-more",
        "token=etc/cron/daily/x",
        "secret=../private",
        "bearer /etc/shadow",
        # words
        "the bearer authentication",
        "token = short",
        "task-aaaaaaaaaaaaaaaaaaaaaaaa",
        "password",
    ],
)
def test_what_may_act_is_no_secret(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("password", "hunter2hunter2", [("hunter2hunter2", "password")]),
        ("client_secret", "abcdefgh12", [("abcdefgh12", "secret")]),
        ("API_KEYS", "12345678", [("12345678", "api-key")]),
        ("password", "rm -rf / --no-preserve-root", []),
        ("password", "hunter2", []),
        ("token", "/etc/shadow-and-more", []),
        ("token", "docs/of/some/project/here", []),
        ("token", "abcdefgh12\n", []),
        ("secret", "x held-value-1", [("held-value-1", "held")]),
        ("passwords_of", "hunter2hunter2", []),
    ],
)
def test_a_plain_value_under_a_telling_key_is_a_secret(
    key: str, text: str, expected: list[tuple[str, str]]
) -> None:
    assert found(text, key) == expected


@given(
    st.lists(st.sampled_from(["token=", "abcdefgh12", '"', "\\", " ", "ä", "\ud800", *HELD, OWN]))
)
def test_what_is_found_lies_in_order_and_apart(pieces: list[str]) -> None:
    text = "".join(pieces)

    ends = [0, *(end for span in FINDER.find(text) for end in span[:2]), len(text)]

    assert ends == sorted(ends)
