"""The secrets of the operator, by name: stored encrypted, put into the configuration, masked.

The counterparts are `state.secrets_file`, which is how they lie on the disk, and the redactor,
which masks what `values` returns. The command line may write while a Sidegate serves: each write is
whole, under a lock, and `changed` tells of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy import enc2
from proxy.config.deferred import is_name
from proxy.decision import ConfigError
from proxy.seal import Seal
from proxy.state import secrets_file
from proxy.state.secrets_file import Contents, Entry

MAX_BYTES = 65_536
SHORTEST_MASKED = 8
"""Characters from which on a value is masked in answers: shorter ones occur by chance."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What may be told of a secret: its name, and when it was set, in seconds."""

    name: str
    set: int


class SecretStore:
    """The secrets in the state folder `folder`, under its master key."""

    def __init__(
        self, folder: str, key: Seal, clock: Callable[[], float], *, encrypt: bool = True
    ) -> None:
        self._folder = folder
        self._key = key
        self._clock = clock
        self._encrypt = encrypt
        self._mark: secrets_file.Mark | None = None

    def values(self) -> Mapping[str, str]:
        """Every secret by its name, as it is now; raises OSError, and ConfigError."""
        contents = self._read()
        values, problems = {}, []
        for name, entry in contents.secrets.items():
            try:
                values[name] = entry.open(self._key, name)
            except ValueError as error:
                problems.append(f"the secret {name} {error}: sidegate secrets set {name}")
        if problems:
            raise ConfigError(problems)
        return values

    def changed(self) -> bool:
        """Whether another process wrote since they were last read here; raises OSError."""
        return secrets_file.mark(self._folder, self._key) != self._mark

    def listed(self) -> Sequence[Stored]:
        """What there is, by name; raises OSError and ConfigError."""
        entries = sorted(self._read().secrets.items())
        return [Stored(name, entry.set) for name, entry in entries]

    def lookup(self, text: str) -> str:
        """The secret of a name, or what an `enc2:` value holds.

        Raises LookupError where there is none, ValueError where it cannot be read, OSError, and
        ConfigError where nothing can.
        """
        if text.startswith(enc2.PREFIX):
            return self._key.decrypt(text)
        entry = self._read().secrets.get(text)
        if entry is None:
            raise LookupError(text)
        return entry.open(self._key, text)

    def set(self, values: Mapping[str, str]) -> None:
        """Store all of `values` by name, or none; raises ValueError, OSError and ConfigError."""
        for name, text in values.items():
            check(name, text)
        moment = int(self._clock())
        with secrets_file.locked(self._folder):
            contents = self._read()
            fresh = {name: self._entry(name, text, moment) for name, text in values.items()}
            self._write(contents, {**self._kept(contents), **fresh})

    def remove(self, name: str) -> None:
        """Forget a secret, readable or not; raises LookupError, OSError and ConfigError."""
        with secrets_file.locked(self._folder):
            contents = self._read()
            if name not in contents.secrets:
                raise LookupError(name)
            kept = self._kept(contents)
            self._write(contents, {other: kept[other] for other in kept if other != name})

    def _read(self) -> Contents:
        contents, self._mark = secrets_file.read(self._folder, self._key)
        return contents

    def _entry(self, name: str, text: str, moment: int) -> Entry:
        return Entry.of(self._key, name, text, plain=not self._encrypt, moment=moment)

    def _kept(self, contents: Contents) -> Mapping[str, Entry]:
        """What is there already, in the form that is configured now, as far as it is readable."""
        return {name: self._converted(name, entry) for name, entry in contents.secrets.items()}

    def _converted(self, name: str, entry: Entry) -> Entry:
        if entry.plain != self._encrypt:
            return entry
        try:
            return self._entry(name, entry.open(self._key, name), entry.set)
        except ValueError:
            return entry  # told when it is asked for

    def _write(self, contents: Contents, entries: Mapping[str, Entry]) -> None:
        anew = contents.model_copy(update={"secrets": dict(entries)})
        secrets_file.write(self._folder, self._key, anew)
        secrets_file.tidy(self._folder, self._key, contents)


def check(name: str, text: str) -> None:
    """Raise ValueError for what cannot be stored; no message repeats the secret."""
    if not is_name(name):
        raise ValueError(
            "a name has letters, digits, '_', '.' and '-', 64 at most, a letter or '_' first"
        )
    if not text:
        raise ValueError(f"the secret {name} is empty")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise ValueError(f"the secret {name} is not text") from None
    if size > MAX_BYTES:
        raise ValueError(f"the secret {name} is larger than {MAX_BYTES >> 10} KiB")
