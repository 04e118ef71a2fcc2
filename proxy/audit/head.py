"""The head: which row was the last that is surely on the disk, in a small file beside the log.

A chain cannot tell that its end was cut off; the head can. It is written over after each commit and
never before, so that it is behind the log at times, after a crash, and never ahead of it. A MAC
under the master key tells it from one that somebody else wrote.
"""

import hashlib
import hmac
import os
import re

from proxy import durable
from proxy.audit.chain import Link
from proxy.seal import Seal

PURPOSE = "audit head"
_RECORD = re.compile(rb"(\d{20}) ([0-9a-f]{64}) ([0-9a-f]{64})\n")


def name_of(path: str) -> str:
    """The head's file, beside the log's."""
    return f"{path}.head"


def read(path: str, seal: Seal | None) -> Link | None:
    """What the head at `path` says, None where there is none.

    Without a key it is taken at its word. Raises OSError, and ValueError where it is not ours.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        data = os.read(descriptor, 256)
    finally:
        os.close(descriptor)
    match = _RECORD.fullmatch(data)
    if match is None:
        raise ValueError(f"{path} is no head of an audit log")
    seq, sha256, mac = match.groups()
    if seal is not None and not hmac.compare_digest(mac, _mac(_key(seal), seq, sha256)):
        raise ValueError(f"{path} was not written under this master key")
    return Link(int(seq), sha256.decode())


class Head:
    """The head of one log, being written."""

    def __init__(self, path: str, seal: Seal) -> None:
        self._path = path
        self._key = _key(seal)
        self._descriptor: int | None = None

    def write(self, link: Link) -> None:
        """Say that `link` is on the disk; raises OSError.

        One that was there is written over in place: a crash leaves the old one or the new.
        """
        seq, sha256 = b"%020d" % link.seq, link.sha256.encode()
        record = b" ".join((seq, sha256, _mac(self._key, seq, sha256))) + b"\n"
        if self._descriptor is None:
            self._descriptor = self._opened(record)
        if os.pwrite(self._descriptor, record, 0) != len(record):
            raise OSError("short write")

    def _opened(self, record: bytes) -> int:
        """Its file, which is never there without a record."""
        durable.replace(self._path, record)
        return os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give the file back."""
        if self._descriptor is not None:
            os.close(self._descriptor)


def _key(seal: Seal) -> bytes:
    """What the MACs are made with, derived once: a head is written with every commit."""
    return seal.mac(PURPOSE, b"")


def _mac(key: bytes, seq: bytes, sha256: bytes) -> bytes:
    return hmac.digest(key, seq + b" " + sha256, hashlib.sha256).hex().encode()
