"""A configuration while it is being read: plain data, where each key stands, what is wrong so far.

The counterpart is `model`: a draft may be anything, a `Config` is valid. Its one law: a problem
names a key and a place, never a value, since any value may be a secret in the wrong place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.config.deferred import Deferred
from proxy.decision import ConfigError

Scalar = None | bool | int | float | str | Deferred
Plain = Scalar | list["Plain"] | dict[str, "Plain"]
KeyPath = tuple[str | int, ...]

MAX_SHOWN = 100
"""Problems that are listed; a file with more is not a configuration."""
_MAX_KEY = 80


@dataclass(frozen=True, slots=True)
class Position:
    """Where a key was given: a line of a file, or (line 0) a source that has no lines."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source

    @property
    def short(self) -> str:
        """The position without its column, as rules are cited."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where. `key` may be empty: the whole file."""

    position: Position
    key: KeyPath
    text: str

    def __str__(self) -> str:
        named = f"{dotted(self.key)}: " if self.key else ""
        return f"{self.position}: {named}{self.text}"


def dotted(key: KeyPath) -> str:
    """`key` as it is written in messages: parts joined by dots, printable, bounded."""
    return ".".join(_shown(str(part)) for part in key)


def _shown(part: str) -> str:
    clean = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in part)
    return clean if len(clean) <= _MAX_KEY else clean[:_MAX_KEY] + "…"


@dataclass(slots=True)
class Draft:
    """What has been read so far, under `name`."""

    name: str
    data: dict[str, Plain] = field(default_factory=dict, repr=False)
    positions: dict[KeyPath, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refused: set[KeyPath] = field(default_factory=set)
    files: dict[KeyPath, str] = field(default_factory=dict)
    """The files that secrets were read from, by the keys that name them."""

    def position(self, key: KeyPath) -> Position:
        """Where `key` stands, or the nearest key around it."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.positions:
                return self.positions[key[:length]]
        return self.positions.get((), Position(self.name, 1, 1))

    def literal(self, key: KeyPath) -> bool:
        """Whether the value came from outside the file, where `${…}` has no meaning."""
        return self.position(key).line == 0

    def complain(self, key: KeyPath, text: str, position: Position | None = None) -> None:
        """Note a problem; what is at `key` is still looked at."""
        self.problems.append(Problem(position or self.position(key), key, text))

    def refuse(self, key: KeyPath, text: str, position: Position | None = None) -> None:
        """Note a problem that leaves no value at `key`, so that nothing more is said about it."""
        self.complain(key, text, position)
        self.refused.add(key)

    def is_refused(self, key: KeyPath) -> bool:
        """Whether `key`, or something around it, has no value to judge."""
        return any(key[:length] in self.refused for length in range(len(key) + 1))

    def move(self, old: KeyPath, new: KeyPath) -> None:
        """Let `new` stand where `old` stood."""
        self.positions[new] = self.positions.pop(old, self.position(old))

    def forget(self, key: KeyPath) -> None:
        """Drop the positions of `key` and of everything beneath it."""
        size = len(key)
        self.positions = {k: v for k, v in self.positions.items() if k[:size] != key}


def children(value: Plain) -> Sequence[tuple[str | int, Plain]]:
    """The keys and values directly inside `value`."""
    match value:
        case dict():
            return list(value.items())
        case list():
            return list(enumerate(value))
        case _:
            return ()


def at(data: Mapping[str, Plain], key: KeyPath) -> Plain:
    """The value at `key`, or None where there is none."""
    value: Plain = dict(data)
    for part in key:
        value = dict(children(value)).get(part)
    return value


def unusable(problems: Sequence[Problem]) -> ConfigError:
    """All of `problems` as one exception: those in the file by line, then the others by name."""

    def order(problem: Problem) -> tuple[bool, int, int, str]:
        position = problem.position
        return position.line == 0, position.line, position.column, position.source

    lines = [str(problem) for problem in sorted(problems, key=order)]
    rest = len(lines) - MAX_SHOWN
    more = [f"and {rest} more problems"] if rest > 0 else []
    return ConfigError([*lines[:MAX_SHOWN], *more])
