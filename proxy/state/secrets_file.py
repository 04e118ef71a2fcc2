"""The file in which secrets are stored, in the state folder, under the name of its master key.

    secrets-FINGERPRINT.json    of mode 0600, always a whole one, written by one process at a time

The name of the file goes with the key, so that at every moment of a rotation one key and one file
belong together. An entry has a MAC over its name and all else that it says: an `enc2:` value alone
could be moved to another name. `root`, there once the key was rotated, is the key that the state
was begun under, and is sealed under still.
"""

import contextlib
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from proxy import durable
from proxy.decision import ConfigError
from proxy.seal import Seal

MAX_BYTES = 16 << 20
_NAME = re.compile(r"secrets-([0-9a-f]{32})\.json")
_LOCK = "secrets.lock"
_WAIT_SECONDS = 10.0


Mark = tuple[int, int, int]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class Entry(_Part):
    """One secret: its `enc2:` value, or the secret itself, and when it was set, in seconds."""

    value: str
    plain: bool
    set: int
    mac: str

    @classmethod
    def of(cls, key: Seal, name: str, text: str, *, plain: bool, moment: int) -> "Entry":
        """The entry that stores `text` under `name`; raises ValueError for what is no text."""
        value = text if plain else key.encrypt(text)
        return cls(value=value, plain=plain, set=moment, mac=_mac(key, name, value, plain, moment))

    def open(self, key: Seal, name: str) -> str:
        """The secret; raises ValueError where the entry is another's, damaged or changed."""
        if self.mac != _mac(key, name, self.value, self.plain, self.set):
            raise ValueError(
                f"was changed, or moved to this name, by another hand: sidegate secrets set {name}"
            )
        return self.value if self.plain else key.decrypt(self.value)


class Contents(_Part):
    """All that the file holds. `replaces`: the fingerprint of the key before the last rotation."""

    format: Literal[1] = 1
    root: Entry | None = None
    replaces: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    secrets: dict[str, Entry] = {}

    def state_key(self, key: Seal) -> Seal:
        """What the state is sealed under; raises ValueError."""
        return key if self.root is None else key.unwrap(self.root.open(key, ROOT))


ROOT = "\0root"
"""The name that the root's MAC is over; no secret can have it."""


def path_of(folder: str, key: Seal) -> str:
    """Where the secrets under this key lie."""
    return os.path.join(folder, f"secrets-{key.fingerprint}.json")


def files(folder: str) -> list[str]:
    """The files of secrets in `folder`, whatever key they are under."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return [os.path.join(folder, name) for name in sorted(names) if _NAME.fullmatch(name)]


def mark(folder: str, key: Seal) -> Mark | None:
    """What tells the file from what it was before a write; None where there is none."""
    try:
        return _mark(os.stat(path_of(folder, key), follow_symlinks=False))
    except FileNotFoundError:
        return None


def read(folder: str, key: Seal) -> tuple[Contents, Mark | None]:
    """What is stored under this key, and the file's mark; nothing was yet: nothing, and None.

    Raises OSError where it cannot be read, ConfigError where it is none of ours.
    """
    path = path_of(folder, key)
    try:
        data, status = _content(path)
    except FileNotFoundError:
        if elsewhere := files(folder):
            told = f"the secrets in {elsewhere[0]} were written under another master key"
            raise ConfigError([f"secrets.key_file: {told}: put it back"]) from None
        return Contents(), None
    try:
        return Contents.model_validate_json(data), _mark(status)
    except ValidationError:
        told = f"{path} is damaged: put a copy of it back, or move it away and set each anew"
        raise ConfigError([f"secrets: {told}"]) from None


def write(folder: str, key: Seal, contents: Contents) -> None:
    """Store `contents`, whole or not at all; for the holder of the lock. Raises OSError."""
    path = path_of(folder, key)
    data = contents.model_dump_json(exclude_none=True, indent=1).encode() + b"\n"
    if len(data) > MAX_BYTES:
        raise OSError(f"the secrets would take more than {MAX_BYTES >> 20} MiB")
    durable.replace(path, data)


def tidy(folder: str, key: Seal, contents: Contents) -> None:
    """Remove what a rotation that did not end left of the key before; for the lock's holder."""
    if contents.replaces is not None and contents.replaces != key.fingerprint:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, f"secrets-{contents.replaces}.json"))


def successors(folder: str, key: Seal) -> list[str]:
    """The files that were to replace that of `key`."""
    own = path_of(folder, key)
    return [path for path in files(folder) if path != own and _replaces(path, key)]


def _replaces(path: str, key: Seal) -> bool:
    try:
        data, _ = _content(path)
        return Contents.model_validate_json(data).replaces == key.fingerprint
    except (OSError, ValueError, ConfigError):
        return False


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """No other process writes meanwhile; raises OSError where one does for too long."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(os.path.join(folder, _LOCK), flags, 0o600)
    try:
        _wait(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, folder: str) -> None:
    end = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                told = f"the secrets in {folder} are being written by another sidegate"
                raise OSError(told) from None
            time.sleep(0.02)


def _content(path: str) -> tuple[bytes, os.stat_result]:
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_uid not in {0, os.geteuid()}:
            raise ConfigError([f"secrets: {path} is no regular file of ours"])
        if status.st_mode & 0o077:
            raise ConfigError([f"secrets: others may read {path}: chmod 600 it"])
        return file.read(MAX_BYTES + 1), status


def _mark(status: os.stat_result) -> Mark:
    return status.st_ino, status.st_mtime_ns, status.st_size


def _mac(key: Seal, name: str, value: str, plain: bool, moment: int) -> str:  # noqa: FBT001
    return key.mac("secret", json.dumps([name, value, plain, moment]).encode()).hex()
