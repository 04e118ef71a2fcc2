"""Secrets that prove where a webhook comes from, in the forms that their vendors give them.

The counterparts are `channels`, whose keys hold them, and `authentication.webhooks`, which takes
the key behind a text from here, so that what was checked is what is used. A check raises
ValueError, and its text never repeats the secret.
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from proxy.config.deferred import Checked

_LEAST, _MOST = 8, 1024
# The points of small order of Curve25519, the sign bit cleared: under such a "key", all zeros among
# them, signatures can be made without a private key (Cremers, Jackson: Prime, Order Please, 2019).
_WEAK_KEYS = frozenset(
    {
        b"\x00" * 32,
        b"\x01" + b"\x00" * 31,
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        b"\xec" + b"\xff" * 30 + b"\x7f",
        b"\xed" + b"\xff" * 30 + b"\x7f",
        b"\xee" + b"\xff" * 30 + b"\x7f",
    }
)


def text_key(text: str) -> bytes:
    """The key that is the secret itself."""
    if not _LEAST <= len(text) <= _MOST:
        raise ValueError(f"must be {_LEAST} to {_MOST} characters, blanks around them not counted")
    if not text.isprintable():
        raise ValueError("must hold no control characters")
    return text.encode()


def header_key(text: str) -> bytes:
    """The same for a secret that comes in a header as it is."""
    if not text.isascii():
        raise ValueError("must be printable ASCII, since it comes in a header")
    return text_key(text)


def telegram_key(text: str) -> bytes:
    """A secret_token of Telegram (Bot API, setWebhook)."""
    if not re.fullmatch(rf"[A-Za-z0-9_-]{{{_LEAST},256}}", text):
        raise ValueError(f"must be {_LEAST} to 256 letters, digits, '_' and '-'")
    return text.encode()


def standard_key(text: str) -> bytes:
    """The key in a secret of Standard Webhooks: base64, with or without `whsec_` before it.

    Its specification asks senders for 24 bytes and more; not all of them comply.
    """
    code = text.removeprefix("whsec_").rstrip("=")
    try:
        key = base64.b64decode(code + "=" * (-len(code) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not 16 <= len(key) <= _MOST:
        raise ValueError("must be base64 of at least 16 bytes, as in whsec_…")
    return key


def ed25519_key(text: str) -> bytes:
    """A public key of Ed25519 (RFC 8032) in hex, as Discord shows it."""
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", text):
        raise ValueError("must be the application's public key: 64 hex digits")
    key = bytes.fromhex(text)
    if key[:31] + bytes([key[31] & 0x7F]) in _WEAK_KEYS:
        raise ValueError("must be a public key: under this one anybody can sign")
    return key


def _checked(key: Callable[[str], bytes]) -> Checked:
    def check(value: SecretStr) -> SecretStr:
        text = value.get_secret_value().strip()
        key(text)
        return SecretStr(text)

    return Checked(check)


def _public(text: str) -> str:
    ed25519_key(text.strip())
    return text.strip().lower()


Secret = Annotated[SecretStr, _checked(text_key)]
HeaderSecret = Annotated[SecretStr, _checked(header_key)]
TelegramSecret = Annotated[SecretStr, _checked(telegram_key)]
StandardSecret = Annotated[SecretStr, _checked(standard_key)]
PublicKey = Annotated[str, AfterValidator(_public)]

Secrets = Annotated[tuple[Secret, ...], Field(strict=False)]
HeaderSecrets = Annotated[tuple[HeaderSecret, ...], Field(strict=False)]
TelegramSecrets = Annotated[tuple[TelegramSecret, ...], Field(strict=False)]
StandardSecrets = Annotated[tuple[StandardSecret, ...], Field(strict=False)]
PublicKeys = Annotated[tuple[PublicKey, ...], Field(strict=False)]
