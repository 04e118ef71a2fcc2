"""Secrets as ZeroClaw writes them, so that its values and its key are of use here.

    enc2:  nonce (12 bytes), ciphertext and tag (16), in hex: ChaCha20-Poly1305 (RFC 8439) under
           the master key itself, with no associated data
    enc:   the form of before: XOR with the key, repeated, in hex; read, and never written

Nothing in a value tells what it belongs to: whoever stores several has to bind each to its name.
No message repeats a value, and one that cannot be read is never handed on as it is.
"""

import re
import secrets
from itertools import cycle

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

PREFIX = "enc2:"
LEGACY = "enc:"
_NONCE, _TAG = 12, 16


def encrypt(key: bytes, text: str) -> str:
    """`text` as an `enc2:` value, another one each time; what is empty stays empty.

    `key`: 32 bytes. Raises ValueError for text that UTF-8 cannot hold.
    """
    if not text:
        return ""
    nonce = secrets.token_bytes(_NONCE)
    return PREFIX + (nonce + ChaCha20Poly1305(key).encrypt(nonce, text.encode(), None)).hex()


def decrypt(key: bytes, value: str) -> str:
    """The text of an `enc2:` or `enc:` value; any other is plain, and returned as it is.

    Raises ValueError where the value is damaged, or was written under another key.
    """
    if value.startswith(PREFIX):
        return _text(_opened(key, _sealed(value)))
    if value.startswith(LEGACY):
        data = _bytes(value.removeprefix(LEGACY))
        return _text(bytes(a ^ b for a, b in zip(data, cycle(key), strict=False)))
    return value


def is_encrypted(value: str) -> bool:
    """Whether it is of either form, well or badly."""
    return value.startswith((PREFIX, LEGACY))


def check(value: str) -> None:
    """Raise ValueError for an `enc2:` value that no key could open."""
    _sealed(value)


def _sealed(value: str) -> bytes:
    data = _bytes(value.removeprefix(PREFIX))
    if len(data) < _NONCE + _TAG:
        raise ValueError("is cut off: an enc2: value has at least 56 hexadecimal digits")
    return data


def _bytes(digits: str) -> bytes:
    # bytes.fromhex alone would skip white space.
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2})*", digits):
        raise ValueError("is damaged: not hexadecimal, or an odd number of digits")
    return bytes.fromhex(digits)


def _opened(key: bytes, data: bytes) -> bytes:
    try:
        return ChaCha20Poly1305(key).decrypt(data[:_NONCE], data[_NONCE:], None)
    except InvalidTag:
        message = "cannot be decrypted: the master key is another, or it was changed since"
        raise ValueError(message) from None


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        message = "cannot be decrypted: what comes of it is not text, so the key is another"
        raise ValueError(message) from None
