"""Regular expressions over bytes whose time is linear in the text, whatever the text is (RE2)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import re2
from re2 import _re2

Span = tuple[int, int]

_HERE, _ANYWHERE = _re2.RE2.Anchor.ANCHOR_START, _re2.RE2.Anchor.UNANCHORED
_NOWHERE = (-1, -1)
_NAMED = re.compile(r"\(\?P?<[A-Za-z_]\w*>")
_MEMORY = 64 << 20  # of an automaton, past which RE2 would go on a hundred times slower


class Expression:
    """One expression in RE2's syntax. Text is taken byte by byte, as if it were Latin-1."""

    def __init__(self, pattern: str) -> None:
        """Raises ValueError where RE2 refuses the pattern."""
        self._match = _matching(pattern, captures=True)
        named: list[tuple[bytes, int]] = self._match.__self__.NamedCapturingGroups()
        self._names = {name.decode(): at for name, at in named}
        self.groups = int(self._match.__self__.NumberOfCapturingGroups())
        """How many groups it has."""

    def match(self, text: bytes, start: int, end: int) -> "Match | None":
        """The match that begins at `start` and ends before `end`; what is around it is seen."""
        spans = self._match(_HERE, text, start, min(end, len(text)))
        return None if spans[0] == _NOWHERE else Match(spans, self._names)

    def search(self, text: bytes, start: int = 0) -> "Match | None":
        """The first match at or after `start`."""
        spans = self._match(_ANYWHERE, text, start, len(text))
        return None if spans[0] == _NOWHERE else Match(spans, self._names)

    def match_end(self, text: bytes, start: int) -> int:
        """Where a match that begins at `start` ends; `start` itself without one."""
        spans = self._match(_HERE, text, start, len(text))
        return start if spans[0] == _NOWHERE else int(spans[0][1])

    def finds(self, text: bytes) -> bool:
        """Whether there is a match anywhere."""
        return bool(self._match(_ANYWHERE, text, 0, len(text))[0] != _NOWHERE)


class Match:
    """Where an expression matched, and its groups by number from 1 and by name."""

    __slots__ = ("_names", "_spans")

    def __init__(self, spans: list[Span], names: Mapping[str, int]) -> None:
        self._spans = spans
        self._names = names

    @property
    def span(self) -> Span:
        """All of it."""
        return self._spans[0]

    @property
    def groups(self) -> list[Span]:
        """Its groups; (-1, -1) is one that did not match."""
        return self._spans[1:]

    @property
    def named(self) -> dict[str, Span]:
        """Those of its groups that have a name and matched."""
        return {name: self._spans[at] for name, at in self._names.items() if self._at(at)}

    def get(self, name: str) -> Span | None:
        """The group of a name, where it matched."""
        at = self._names.get(name)
        return self._spans[at] if at is not None and self._at(at) else None

    def _at(self, group: int) -> bool:
        return self._spans[group] != _NOWHERE


class Alternation:
    """Many expressions as one automaton, which says where the first match of any begins."""

    def __init__(self, patterns: Iterable[str]) -> None:
        """Raises ValueError where RE2 refuses them."""
        joined = "|".join(f"(?:{unnamed(pattern)})" for pattern in patterns)
        self._match = _matching(joined or NOTHING, captures=False)

    def start(self, text: bytes, start: int = 0, end: int | None = None) -> int:
        """Where the first match between `start` and `end` begins; -1 without one."""
        size = len(text)
        end = size if end is None or end > size else end
        return int(self._match(_ANYWHERE, text, start, end)[0][0]) if start <= end else -1


class Beginnings:
    """Which of many expressions match at the beginning of a text, by their places in the order."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._set = re2.Set.MatchSet(_options(captures=False))
        for pattern in patterns:
            self._set.Add(pattern.encode())
        self._set.Compile()

    def match(self, text: bytes) -> list[int]:
        """The places, in order. What stands before the text is not seen."""
        return sorted(self._set.Match(text) or ())


NOTHING = r"[^\x00-\xff]"
"""What matches no text."""


_PART = re.compile(
    r"""(?P<flags>\(\?[a-zA-Z-]+\)) | (?P<opens>\((?:\?(?:P?<\w+>|:))?) | (?P<closes>\))
      | \\(?:[xpP]\{\w+\}|(?P<escaped>.)) | \[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]
      | \{(?P<least>\d+)(?:,(?P<most>\d*))?\} | (?P<either>\|) | (?P<literal>[\w/:=~-]) | .""",
    re.DOTALL | re.VERBOSE,
)
_LONG, _ENOUGH = 12, 8


def opening_of(pattern: str) -> str:
    """What every match begins with, in an expression that is quick to find.

    Long bounded repetitions make automata of very many states, which take seconds to compile and
    milliseconds at each hit. The pattern ends at the first one, if some literal characters come
    before, and elsewhere repetitions lose their bounds.
    """
    if r"\Q" in pattern:
        return pattern
    parts = list(_PART.finditer(pattern))
    end = _cut(parts)
    loose = [_loose(part) for part in parts[: len(parts) if end is None else end]]
    return "".join([*loose, *([f"{{{_ENOUGH}}}"] if end is not None else ())])


def _cut(parts: Sequence[re.Match[str]]) -> int | None:
    """Before which part a pattern may end; any bar is taken for one that splits all of it."""
    depth = literals = 0
    for place, part in enumerate(parts):
        depth += bool(part["opens"]) - bool(part["closes"])
        escaped = part["escaped"] or ""
        literals += bool(part["literal"] or (escaped and not escaped.isalnum()))
        literals -= 3 * bool(part["either"])
        if part["either"] and not depth:
            return None
        if part["least"] and int(part["least"]) >= _LONG and not depth:
            bars = any(later["either"] for later in parts[place:])
            return place if literals >= 3 and not bars else None
    return None


def _loose(part: re.Match[str]) -> str:
    """A part of a pattern, a repetition without its upper bound."""
    least, most = part["least"], part["most"]
    if least is None or int(most or least) <= _ENOUGH:
        return part[0]
    return {0: "*", 1: "+"}.get(int(least), f"{{{min(int(least), _ENOUGH)},}}")


def unnamed(pattern: str) -> str:
    """The same without the names of its groups, of which RE2 wants each once."""
    return _NAMED.sub("(", pattern)


def _options(*, captures: bool) -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = not captures
    options.log_errors = False
    options.max_mem = _MEMORY
    return options


def _matching(pattern: str, *, captures: bool) -> Any:
    """What matches a pattern: the binding's own method.

    It is given how to begin, a text, from where and to where, and answers with spans. The module
    around it makes objects of each, which takes longer than the search.
    """
    compiled = _re2.RE2(pattern.encode(), _options(captures=captures))
    if not compiled.ok():
        raise ValueError(_told(compiled.error()))
    return compiled.Match


def _told(error: bytes | str) -> str:
    return error.decode("utf-8", "replace") if isinstance(error, bytes) else error
