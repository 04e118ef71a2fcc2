"""Names that no tool reads, lists or writes, wherever they are: `autonomy.ignore`.

The patterns are those of gitignore(5), as far as they are of use here: `*`, `?` and `[...]` within
one name; one with a slash before its end is anchored at the folder that was opened, any other holds
at every depth; `**/` at the start and `/**` at the end; `!` in front takes back. The last pattern
that matches decides, and what lies in an ignored folder is ignored, whatever takes it back. Unlike
there, names compare without case.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase, translate
from typing import Self

from proxy.authorization.paths.forbidden import folded


@dataclass(frozen=True, slots=True)
class _Pattern:
    """`parts`: a pattern for each of the last names of a path."""

    parts: tuple[str, ...]
    anchored: bool
    ignores: bool

    @classmethod
    def read(cls, text: str) -> Self:
        line = folded(text)
        body = line.removeprefix("!").removesuffix("/")
        anywhere = body.startswith("**/")
        body = body.removeprefix("**/")
        names = body.removeprefix("/")
        if names.endswith("/**"):
            names = names.removesuffix("**") + "*"
        return cls(tuple(names.split("/")), not anywhere and "/" in body, not line.startswith("!"))

    def matches(self, names: tuple[str, ...]) -> bool:
        if len(names) < len(self.parts) or (self.anchored and len(names) != len(self.parts)):
            return False
        tail = names[len(names) - len(self.parts) :]
        return all(fnmatchcase(name, part) for name, part in zip(tail, self.parts, strict=True))


@dataclass(frozen=True, slots=True)
class Ignored:
    """The patterns, in order. `likely` matches every name that any of them could end in."""

    patterns: tuple[_Pattern, ...]
    likely: re.Pattern[str]

    @classmethod
    def build(cls, lines: Iterable[str]) -> Self:
        """The rules of these lines, each a pattern."""
        patterns = tuple(_Pattern.read(line) for line in lines)
        last = [translate(pattern.parts[-1]) for pattern in patterns if pattern.ignores]
        return cls(patterns, re.compile("|".join(last) or r"(?!)"))

    def covers(self, path: str) -> bool:
        """Whether a path, relative to the folder that was opened, is ignored."""
        names = tuple(folded(path).split("/"))
        return any(
            self._decides(names[: count + 1])
            for count, name in enumerate(names)
            if self.likely.match(name)
        )

    def _decides(self, names: tuple[str, ...]) -> bool:
        matching = [pattern for pattern in self.patterns if pattern.matches(names)]
        return bool(matching) and matching[-1].ignores
