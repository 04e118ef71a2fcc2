"""Replace the master key: all at once, and at every moment either the old one or the new one.

    1  the secrets are written under the new key, in a file of its name
    2  the new key takes the place of the old one: from here on it counts
    3  the secrets under the old key are removed

Whatever ends this in between leaves one key and the file that belongs to it. What the state holds
stays sealed under the key that it was begun with, which goes along in the new file.
"""

import contextlib
import os
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field

from proxy import durable, seal
from proxy.decision import ConfigError
from proxy.seal import Seal
from proxy.state import secrets_file
from proxy.state.secrets_file import ROOT, Contents, Entry


@dataclass(frozen=True, slots=True)
class Rotation:
    """A rotation of the key `old` at `moment`, for the one process that has the state folder."""

    folder: str
    old: Seal
    moment: int

    def in_file(self, key_file: str) -> Generator[str, None, None]:
        """Put a new key into `key_file`, in steps: what was just done is on the disk.

        Raises OSError, and ConfigError where a secret cannot be read; then nothing has changed.
        """
        with secrets_file.locked(self.folder):
            opened = self._open()
            for path in secrets_file.successors(self.folder, self.old):
                os.unlink(path)  # of an attempt whose key never counted, and is lost
            key, scratch = seal.prepare(key_file)
            yield "prepared"
            self._write(opened, key)
            yield "written"
            os.rename(scratch, key_file)
            durable.flush_folder(key_file)
            yield "replaced"
            former = secrets_file.path_of(self.folder, self.old)
            os.unlink(former)
            durable.flush_folder(former)
            yield "removed"

    def beside(self, key_file: str) -> None:
        """Write the secrets under the key in `key_file`, made if need be, beside those of now.

        It counts once the environment names it; raises OSError, and ConfigError.
        """
        with secrets_file.locked(self.folder):
            opened = self._open()
            with _told(""):
                key = seal.load(key_file) or seal.create(key_file)
            if key.fingerprint == self.old.fingerprint:
                raise ConfigError([f"the key in {key_file} is the one in use: name another file"])
            self._write(opened, key)

    def _open(self) -> "_Opened":
        """All that is stored, and a file of it, so that the new one has a counterpart."""
        contents, mark = secrets_file.read(self.folder, self.old)
        if mark is None:
            secrets_file.write(self.folder, self.old, contents)
        secrets_file.tidy(self.folder, self.old, contents)
        with _told("the key of the state "):
            state = contents.state_key(self.old)
        texts = {}
        for name, entry in contents.secrets.items():
            with _told(f"the secret {name} "):
                texts[name] = entry.open(self.old, name)
        return _Opened(contents, state, texts)

    def _write(self, opened: "_Opened", key: Seal) -> None:
        former = opened.contents.secrets
        secrets = {
            name: Entry.of(key, name, text, plain=former[name].plain, moment=former[name].set)
            for name, text in opened.texts.items()
        }
        root = Entry.of(key, ROOT, key.wrap(opened.state), plain=True, moment=self.moment)
        contents = Contents(root=root, replaces=self.old.fingerprint, secrets=secrets)
        secrets_file.write(self.folder, key, contents)


@dataclass(frozen=True, slots=True)
class _Opened:
    contents: Contents
    state: Seal
    texts: Mapping[str, str] = field(repr=False)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigError([f"{what}{error}: nothing was rotated"]) from None
