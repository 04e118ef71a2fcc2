import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError
from standardwebhooks.webhooks import Webhook

from proxy.config.signing import (
    HeaderSecret,
    PublicKey,
    Secret,
    StandardSecret,
    TelegramSecret,
    ed25519_key,
    header_key,
    standard_key,
    telegram_key,
    text_key,
)

# RFC 8032, section 7.1, test 1.
PUBLIC = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
SIXTEEN = base64.b64encode(b"sixteen bytes ok").decode()
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def order_divides_eight(y: int) -> bool:
    """Whether the points of Ed25519 with this y become the neutral one when doubled three times."""
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    for _ in range(3):
        # Doubling in y and x² alone (Bernstein, Birkner, Joye, Lange, Peters, 2008).
        product = D * x2 * y * y % P
        total = (y * y + x2) % P
        x2 = 4 * x2 * y * y * pow(1 + product, -2, P) % P
        y = total * pow(1 - product, -1, P) % P
    return (x2, y) == (0, 1)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Secret, "12345678"),
        (Secret, "It's a Secret to Everybody"),
        (Secret, "geheimnis-äöü"),
        (HeaderSecret, "secret-value"),
        (TelegramSecret, "A-Z_a-z_0-9"),
        (TelegramSecret, "x" * 256),
        (StandardSecret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        (StandardSecret, SIXTEEN),
        (StandardSecret, SIXTEEN.rstrip("=")),
    ],
)
def test_secret_is_taken_without_the_blanks_around_it(kind: type[SecretStr], text: str) -> None:
    for given_text in (text, f" {text}\t", f"{text}\n"):
        secret: SecretStr = TypeAdapter(kind).validate_python(given_text)

        assert secret.get_secret_value() == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        # blank, short, long
        *((kind, "") for kind in (Secret, HeaderSecret, TelegramSecret, StandardSecret)),
        *((kind, " \t\n") for kind in (Secret, HeaderSecret, TelegramSecret, StandardSecret)),
        *((kind, " 1234567 ") for kind in (Secret, HeaderSecret, TelegramSecret, StandardSecret)),
        *((kind, "x" * 1500) for kind in (Secret, HeaderSecret, TelegramSecret, StandardSecret)),
        # not of the scheme
        *((kind, "secret\nsecret") for kind in (Secret, HeaderSecret, TelegramSecret)),
        *((kind, "secret\ud800secret") for kind in (Secret, HeaderSecret, TelegramSecret)),
        (HeaderSecret, "geheimnis-ä"),
        *((TelegramSecret, text) for text in ("x" * 257, "with blank", "with.dot", "with=sign")),
        (StandardSecret, "whsec_"),
        (StandardSecret, "whsec_" + base64.b64encode(b"fifteen bytes..").decode()),
        (StandardSecret, "whsec_not!base64!but!long!enough"),
        (StandardSecret, "whpk_" + SIXTEEN),
        (StandardSecret, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-"),
        (StandardSecret, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaä="),
        (StandardSecret, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaL"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(kind: type[SecretStr], text: str) -> None:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(kind).validate_python(text)

    (detail,) = error.value.errors()
    assert text.strip() in {"", "whsec_"} or text.strip() not in detail["msg"]


def test_public_key_has_one_spelling() -> None:
    assert TypeAdapter(PublicKey).validate_python(f" {PUBLIC.upper()}\n") == PUBLIC
    assert ed25519_key(PUBLIC) == bytes.fromhex(PUBLIC)


@pytest.mark.parametrize("text", ["", PUBLIC[:-1], PUBLIC + "0", PUBLIC[:-1] + "g", "0x" + PUBLIC])
def test_public_key_is_64_hex_digits(text: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        ed25519_key(text)


WEAK = [0, 1, P - 1, P, P + 1]
EIGHT = [
    int.from_bytes(bytes.fromhex(text), "little")
    for text in (
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    )
]


@pytest.mark.parametrize("y", WEAK + EIGHT)
@pytest.mark.parametrize("sign", [0, 0x80])
def test_public_key_of_small_order_is_refused(y: int, sign: int) -> None:
    """Under all zeros, the placeholder that a form shows, one signature in four is valid."""
    key = bytearray(y.to_bytes(32, "little"))
    key[31] |= sign

    assert order_divides_eight(y % P)
    with pytest.raises(ValueError, match="anybody can sign"):
        ed25519_key(key.hex())


def test_the_engine_itself_would_take_signatures_under_a_key_of_zeros() -> None:
    """Why the check above is there: nobody's key, and a signature that needs none."""
    weak = Ed25519PublicKey.from_public_bytes(bytes(32))
    identity = b"\x01" + bytes(31)
    taken = 0
    for number in range(64):
        try:
            weak.verify(identity + bytes(32), b"%d" % number)
        except Exception:  # noqa: BLE001 - any refusal counts alike
            continue
        taken += 1

    assert taken > 0


@given(st.binary(min_size=16, max_size=200), st.sampled_from(["", "whsec_"]))
@pytest.mark.parametrize("padding", ["=", ""])
def test_standard_key_is_the_one_of_the_reference_library(
    padding: str, key: bytes, prefix: str
) -> None:
    code = base64.b64encode(key).decode()
    text = prefix + (code if padding else code.rstrip("="))

    assert standard_key(text) == key == Webhook(text)._whsecret


@given(st.text())
def test_any_text_is_a_key_or_a_value_error(text: str) -> None:
    for key in (text_key, header_key, telegram_key, standard_key, ed25519_key):
        try:
            assert len(key(text)) >= 8
        except ValueError as error:
            assert len(text) < 8 or text not in str(error)  # noqa: PT017


def test_key_of_a_plain_secret_is_its_text_in_utf8() -> None:
    assert text_key("geheimnis-ä") == "geheimnis-ä".encode()
    assert hashlib.sha256(header_key("secret-value")).hexdigest().startswith("31160254")
