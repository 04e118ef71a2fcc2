"""Which values are secrets by their names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.protection.keyed import LABELS, is_opaque, judge
from proxy.protection.likeness import is_reference

RANDOM = "q7Lm" + "X2vT9" + "rKd4w"


def label(key: str, value: str, *, quoted: bool = True) -> str | None:
    return judge(key.encode(), value.encode(), quoted=quoted)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("password", "sunshine", "password"),
        ("password", "wqzrvtkpx", "password"),
        ("password", "wqzrvtk-pxnlgd", "password"),
        ("password", "hunter2", "password"),
        ("password", "123456", "password"),
        ("password", "correct horse battery staple", "password"),
        ("password", "lamp under seven quiet bridges", "password"),
        ("Passwd", "w@qz(rvtk)", "password"),
        ("pwd", "!*482k7wzrv31X60", "password"),
        ("password", "pass1234!", "password"),
        ("token", RANDOM, "token"),
        ("token", "9f86d081-884c-4d65-9a2f-eaa0c55ad015", "token"),
        ("token", "wqzrvtk20417", "token"),
        ("secret", "wqzrvtkpxn", "secret"),
        ("apiKey", RANDOM, "api-key"),
        ("key", RANDOM + RANDOM, "key"),
        ("auth", RANDOM + RANDOM, "credential"),
    ],
)
def test_a_secret_is_known_by_its_name(key: str, value: str, expected: str) -> None:
    assert label(key, value) == expected
    assert expected in LABELS


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("password", "pw"),
        ("password", "password"),
        ("password", "changeme"),
        ("password", "Router password"),
        ("password", "Enter your password"),
        ("password", "The two are too different"),
        ("password", "cache.memory.password"),
        ("password", "********"),
        ("password", "-?!.,*"),
        ("passwordThrough", "sunshine"),
        ("token", "token"),
        ("token", "github-pages"),
        ("token", "12345678"),
        ("token", "This is 1 query parameter"),
        ("token", "0123456789" * 4),
        ("secret", "db-credentials"),
        ("client_secret", "${CLIENT_SECRET}"),
        ("oauth_verifier", "dummy-verifier"),
        ("key", "OrderDate"),
        ("key", "9f86d081-884c-4d65-9a2f-eaa0c55ad015"),
        ("key", "415555019941415555019941"),
        ("session_key", "portal_login_state"),
        ("secret", "/etc/ssl/private/server.pem"),
        ("token", "https://login.example.com/oauth/token"),
        ("note", RANDOM),
        ("", RANDOM),
    ],
)
def test_what_is_made_of_words_or_is_named_otherwise_is_none(key: str, value: str) -> None:
    assert label(key, value) is None


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("hunter2", True),
        ("vulRk731Tt!", True),
        ("Rmw4Kd9z", True),
        ("12345678", True),
        ("wqzrvtkpx", True),
        ("sunshine", False),
        ("self.password2", False),
        ("request.form", False),
        ("1.3.6.1:=", False),
        ("127.0.0.1:5432", False),
    ],
)
def test_a_password_without_quotes_must_not_look_like_code(value: str, *, masked: bool) -> None:
    assert (label("password", value, quoted=False) is not None) is masked


def test_without_quotes_a_token_must_be_mostly_random() -> None:
    assert label("token", RANDOM, quoted=False) == "token"
    assert label("token", "user_" + RANDOM[:5] + "_of_this_module", quoted=False) is None


def test_opaque_is_long_and_random() -> None:
    assert is_opaque(RANDOM.encode() * 2)
    assert not is_opaque(RANDOM.encode())
    assert not is_opaque(b"certificate-authority-data")


@given(st.text(max_size=30), st.binary(max_size=300), st.booleans())
def test_any_name_and_value_get_an_answer(key: str, value: bytes, quoted: bool) -> None:  # noqa: FBT001
    answer = judge(key.encode("utf-8", "surrogatepass"), value, quoted=quoted)

    assert answer is None or answer in LABELS
    assert answer is None or not is_reference(value)
