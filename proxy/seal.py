"""The master key, and what it seals: whatever is kept of a body, and the MACs of short codes.

ChaCha20-Poly1305 (RFC 8439) under a key of its own for each purpose (HKDF, RFC 5869), so that what
was sealed for one purpose is noise to another. A key that does not fit fails loudly; nothing is
ever read as if it had been written in the clear.
"""

import hashlib
import hmac
import os
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_KEY = 32
_NONCE = 12


class Seal:
    """What one master key can do. `key`: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY:
            raise ValueError("a master key has 32 bytes")
        self._key = key

    def seal(self, purpose: str, about: str, data: bytes) -> bytes:
        """`data`, to be read again only for this `purpose` and `about` the same thing."""
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher(purpose).encrypt(nonce, data, about.encode())

    def unseal(self, purpose: str, about: str, sealed: bytes) -> bytes:
        """What was sealed; raises ValueError where anything about it is another."""
        try:
            return self._cipher(purpose).decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
        except InvalidTag as error:
            raise ValueError("sealed with another key, or changed since") from error

    def mac(self, purpose: str, data: bytes) -> bytes:
        """What proves `data` to whoever has the key, and tells it to nobody else: 32 bytes."""
        return hmac.digest(self._derived(f"mac {purpose}"), data, hashlib.sha256)

    @property
    def fingerprint(self) -> str:
        """What tells that a state was written under this key, and nothing of the key."""
        return self.mac("fingerprint", b"").hex()[:32]

    def _cipher(self, purpose: str) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(self._derived(f"seal {purpose}"))

    def _derived(self, purpose: str) -> bytes:
        return HKDFExpand(SHA256(), _KEY, f"sidegate {purpose}".encode()).derive(self._key)


def load(path: str) -> Seal | None:
    """The key in the file at `path`, None where there is no such file; raises OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        if os.fstat(descriptor).st_mode & 0o077:
            raise OSError(f"others may read the key in {path}: chmod 600 it")
        text = os.read(descriptor, 256)
    finally:
        os.close(descriptor)
    try:
        return Seal(bytes.fromhex(text.decode("ascii").strip()))
    except ValueError:
        raise OSError(f"{path} holds no key: 64 hexadecimal digits") from None


def create(path: str) -> Seal:
    """A new key in a file of mode 0600, on the disk before it is used; raises OSError."""
    key = secrets.token_bytes(_KEY)
    scratch = f"{path}.{secrets.token_hex(4)}"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(key.hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(scratch, path)  # never over a key that is there
        _flush_folder(path)
    finally:
        os.unlink(scratch)
    return Seal(key)


def _flush_folder(path: str) -> None:
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
