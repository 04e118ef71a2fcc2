"""The master key, and what it seals: whatever is kept of a body, and the MACs of short codes.

ChaCha20-Poly1305 (RFC 8439) under a key of its own for each purpose (HKDF, RFC 5869), so that what
was sealed for one purpose is noise to another. A key that does not fit fails loudly; nothing is
ever read as if it had been written in the clear.
"""

import contextlib
import errno
import hashlib
import hmac
import os
import re
import secrets
import stat

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from proxy import durable, enc2

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

    def sign(self, purpose: str, data: bytes) -> bytes:
        """What proves `data` to whoever has the public key: Ed25519 (RFC 8032), 64 bytes."""
        return self._signing_key(purpose).sign(data)

    def public_key(self, purpose: str) -> bytes:
        """The counterpart of `sign`, for everybody to know: 32 bytes."""
        return self._signing_key(purpose).public_key().public_bytes_raw()

    def encrypt(self, text: str) -> str:
        """`text` as an `enc2:` value; raises ValueError for what is no text."""
        return enc2.encrypt(self._key, text)

    def decrypt(self, value: str) -> str:
        """The text of an `enc2:` or `enc:` value, plain ones as they are; raises ValueError."""
        return enc2.decrypt(self._key, value)

    def wrap(self, other: "Seal") -> str:
        """The key of `other` as an `enc2:` value."""
        return self.encrypt(other._key.hex())  # noqa: SLF001 - of the same class

    def unwrap(self, value: str) -> "Seal":
        """The counterpart of `wrap`; raises ValueError."""
        return parse(self.decrypt(value))

    @property
    def fingerprint(self) -> str:
        """What tells that a state was written under this key, and nothing of the key."""
        return self.mac("fingerprint", b"").hex()[:32]

    def _signing_key(self, purpose: str) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self._derived(f"sign {purpose}"))

    def _cipher(self, purpose: str) -> ChaCha20Poly1305:
        return ChaCha20Poly1305(self._derived(f"seal {purpose}"))

    def _derived(self, purpose: str) -> bytes:
        return HKDFExpand(SHA256(), _KEY, f"sidegate {purpose}".encode()).derive(self._key)


def is_signed(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether `signature` was made of `data` by `sign`, under the counterpart of `public_key`."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


def parse(text: str) -> Seal:
    """The key that `text` is; raises ValueError."""
    digits = text.strip()
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{2 * _KEY}}}", digits):
        raise ValueError(f"holds no key: {2 * _KEY} hexadecimal digits")
    return Seal(bytes.fromhex(digits))


def load(path: str, *, mounted: bool = False) -> Seal | None:
    """The key in the file at `path`, None where there is no such file.

    `mounted`: an orchestrator put it there, which does so by links, and for all of a container to
    read. Raises OSError where it cannot be read, ValueError where it is no key, or not ours alone.
    """
    kept = 0 if mounted else os.O_NOFOLLOW
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | kept)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ValueError(f"{path} is a link: name the file of the key itself") from error
        raise
    try:
        _check(path, os.fstat(descriptor), mounted=mounted)
        text = os.read(descriptor, 256)
    finally:
        os.close(descriptor)
    try:
        return parse(text.decode("ascii"))
    except ValueError:
        raise ValueError(f"{path} holds no key: {2 * _KEY} hexadecimal digits") from None


def create(path: str) -> Seal:
    """A new key in a file of mode 0600, on the disk before it is used; raises OSError."""
    scratch = f"{path}.{secrets.token_hex(4)}"
    key = _written(scratch)
    try:
        os.link(scratch, path)  # never over a key that is there
        durable.flush_folder(path)
    finally:
        os.unlink(scratch)
    return key


def prepare(path: str) -> tuple[Seal, str]:
    """A new key in a file beside `path`, and that file, to be renamed to `path`; raises OSError.

    One that an earlier attempt left is replaced: for one process at a time.
    """
    scratch = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(scratch)
    return _written(scratch), scratch


def _check(path: str, status: os.stat_result, *, mounted: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path} holds no key: it is no regular file")
    if status.st_uid not in {0, os.geteuid()}:
        raise ValueError(f"the key in {path} is another user's: chown it")
    if status.st_mode & (0o022 if mounted else 0o077):
        who = "change" if mounted else "read"
        raise ValueError(f"others may {who} the key in {path}: chmod 600 it")


def _written(path: str) -> Seal:
    key = secrets.token_bytes(_KEY)
    durable.create(path, f"{key.hex()}\n".encode())
    return Seal(key)
