"""ZeroClaw's form of an encrypted value, from its own frozen values to every damage."""

import contextlib
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given
from hypothesis import strategies as st
from labelled import rows

from proxy import enc2

KEY = bytes(range(32))
OTHER = bytes(range(1, 33))
TEXT = "a secret of the tests: ünïcödé 🦀"


def vectors() -> list[dict[str, str]]:
    """What ZeroClaw's own tests hold it to; by topic, where other files are lists of rows."""
    topics: dict[str, list[dict[str, str]]] = dict(cast("Any", rows("zeroclaw.json.gz")))
    return topics["secrets"]


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize("name", ["frozen vector", "legacy xor unicode"])
def test_what_zeroclaw_wrote_is_read(name: str) -> None:
    row = next(row for row in vectors() if row["name"] == name)

    assert enc2.decrypt(bytes.fromhex(row["key_hex"]), row["value"]) == row["decrypts_to"]


def test_what_it_calls_damaged_is_damaged() -> None:
    damaged = [row for row in vectors() if row.get("error")]
    values = [row["value"] for row in damaged if "value" in row]

    assert len(values) == 2
    for value in values:
        with pytest.raises(ValueError, match="is damaged"):
            enc2.decrypt(KEY, value)


@given(st.text(min_size=1), st.binary(min_size=32, max_size=32))
def test_what_was_encrypted_is_decrypted(text: str, key: bytes) -> None:
    value = enc2.encrypt(key, text)

    assert enc2.decrypt(key, value) == text
    assert len(value) == len("enc2:") + 2 * (12 + len(text.encode()) + 16)
    enc2.check(value)


def test_what_is_empty_stays_empty() -> None:
    assert enc2.encrypt(KEY, "") == ""
    assert enc2.decrypt(KEY, "") == ""


def test_nothing_inside_is_still_a_value() -> None:
    sealed = ChaCha20Poly1305(KEY).encrypt(bytes(12), b"", None)
    assert enc2.decrypt(KEY, "enc2:" + (bytes(12) + sealed).hex()) == ""


def test_no_two_values_are_alike() -> None:
    assert len({enc2.encrypt(KEY, TEXT) for _ in range(100)}) == 100


@pytest.mark.parametrize("text", ["sk-plain", "ENC2:00", "enc", "xenc2:00", " enc2:00", "enc3:00"])
def test_without_the_prefix_it_is_plain(text: str) -> None:
    assert enc2.decrypt(KEY, text) == text
    assert not enc2.is_encrypted(text)


def test_letters_of_the_digits_may_be_of_either_case() -> None:
    value = enc2.encrypt(KEY, TEXT)

    assert enc2.decrypt(KEY, "enc2:" + value.removeprefix("enc2:").upper()) == TEXT


def test_every_bit_counts() -> None:
    data = bytes.fromhex(enc2.encrypt(KEY, TEXT).removeprefix("enc2:"))
    for position in range(len(data)):
        with pytest.raises(ValueError, match="the master key is another, or it was changed"):
            enc2.decrypt(KEY, "enc2:" + flipped(data, position).hex())


def test_every_length_counts() -> None:
    value = enc2.encrypt(KEY, TEXT)
    for length in range(len("enc2:"), len(value)):
        with pytest.raises(ValueError, match=r"is (damaged|cut off)|cannot be decrypted"):
            enc2.decrypt(KEY, value[:length])
    for more in ("0", "00", " ", "\n", "g"):
        with pytest.raises(ValueError, match=r"is damaged|cannot be decrypted"):
            enc2.decrypt(KEY, value + more)


@pytest.mark.parametrize(
    "digits", ["00 00", " 00", "00\n", "0x00", "\u0660\u0660", "00-00", "0", "_0"]
)
def test_only_hexadecimal_digits_are_digits(digits: str) -> None:
    for prefix in ("enc2:", "enc:"):
        with pytest.raises(ValueError, match="is damaged"):
            enc2.decrypt(KEY, prefix + digits)


def test_another_key_is_told_and_shows_nothing() -> None:
    value = enc2.encrypt(KEY, TEXT)
    with pytest.raises(ValueError, match="the master key is another") as caught:
        enc2.decrypt(OTHER, value)

    assert value[5:21] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("prefix", ["enc2:", "enc:"])
def test_what_is_no_text_is_no_secret(prefix: str) -> None:
    data = bytes(12) + ChaCha20Poly1305(KEY).encrypt(bytes(12), b"\xff\xfe", None)
    if prefix == "enc:":
        data = bytes(a ^ b for a, b in zip(b"\xff\xfe", KEY, strict=False))
    with pytest.raises(ValueError, match="what comes of it is not text"):
        enc2.decrypt(KEY, prefix + data.hex())


def test_text_that_utf8_cannot_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        enc2.encrypt(KEY, "\ud800")


@given(st.text(min_size=1, max_size=80))
def test_the_old_form_is_read_and_becomes_the_new(text: str) -> None:
    data = text.encode()
    old = "enc:" + bytes(byte ^ KEY[n % 32] for n, byte in enumerate(data)).hex()

    assert enc2.decrypt(KEY, old) == text
    assert enc2.encrypt(KEY, enc2.decrypt(KEY, old)).startswith("enc2:")


@pytest.mark.parametrize("value", ["enc2:", "enc2:" + "00" * 27, "enc2:zz", "enc2:" + "0" * 57])
def test_what_no_key_opens_is_told_without_one(value: str) -> None:
    with pytest.raises(ValueError, match=r"is (cut off|damaged)"):
        enc2.check(value)


@given(st.text("0123456789abcdefg \n"), st.sampled_from(["enc2:", "enc:"]))
def test_any_value_is_text_or_an_error(digits: str, prefix: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(enc2.decrypt(KEY, prefix + digits), str)
