"""What a shell makes of an unquoted pattern: the names that exist, found without leaving a folder.

Only what all shells read alike is expanded: `*`, `?`, and `[...]` of plain characters, within one
name each. Whatever else it may be, and what would take too long, is not known.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from errno import EXDEV
from fnmatch import fnmatchcase

from proxy.authorization.paths.roots import Root

_MOST_SEEN = 10_000  # entries looked at for one pattern
_MAGIC = re.compile(r"[*?\[]")
# A bracket that shells or locales read in their own ways: a class, a negation by ^, a wide range.
_PLAIN_BRACKET = re.compile(r"\[!?(?:[0-9]-[0-9]|[a-z]-[a-z]|[A-Z]-[A-Z]|[^\]\[\\^!:.=/-])+\]")


def expand(root: Root, pattern: str, most: int) -> list[str] | None:
    """The names beneath `root` that match, sorted by their bytes, or None: see the module."""
    parts = pattern.split("/")
    if not pattern or "" in parts[:-1] or not all(_is_plain(part) for part in parts):
        return None
    search = _Search(root, most)
    names = [""]
    try:
        for number, part in enumerate(parts):
            names = search.step(names, part, last=number == len(parts) - 1)
    except OverflowError:
        return None
    return sorted(names, key=os.fsencode)


def _is_plain(part: str) -> bool:
    return "\\" not in part and "[" not in _PLAIN_BRACKET.sub("", part)


class _Search:
    """One expansion. OverflowError: it cannot be known."""

    def __init__(self, root: Root, most: int) -> None:
        self._root = root
        self._most = most
        self._left = _MOST_SEEN

    def step(self, folders: list[str], part: str, *, last: bool) -> list[str]:
        """The names that come of one more component beneath each of these folders."""
        found = []
        for folder in folders:
            for name in self._below(folder, part):
                found.append(folder + name if last else f"{folder}{name}/")
                if len(found) > self._most:
                    raise OverflowError
        return found

    def _below(self, folder: str, part: str) -> Iterator[str]:
        if _MAGIC.search(part):
            yield from (name for name in self._entries(folder) if _matches(name, part))
        elif self._has(folder, part):
            yield part

    def _has(self, folder: str, name: str) -> bool:
        descriptor = self._open(folder)
        if descriptor is None:
            return False
        try:
            os.stat(name or ".", dir_fd=descriptor, follow_symlinks=False)
        except (OSError, ValueError):
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def _entries(self, folder: str) -> Iterator[str]:
        """What is in a folder, with the two names that every folder has."""
        descriptor = self._open(folder)
        if descriptor is None:
            return
        yield from (".", "..")
        try:
            with suppress(PermissionError), os.scandir(descriptor) as entries:
                for entry in entries:
                    self._left -= 1
                    if self._left < 0:
                        raise OverflowError
                    yield entry.name
        finally:
            os.close(descriptor)

    def _open(self, folder: str) -> int | None:
        """The folder, to be read; None where there is none."""
        self._left -= 1
        if self._left < 0:
            raise OverflowError
        try:
            return self._root.opening(
                self._root.descriptor, folder or ".", os.O_RDONLY | os.O_DIRECTORY
            )
        except OSError as error:
            if error.errno == EXDEV:
                raise OverflowError from None
            return None


def _matches(name: str, part: str) -> bool:
    """Whether a shell would take `name`; OverflowError where that depends on its character set."""
    if name.startswith(".") and not part.startswith("."):
        return False
    by_characters = fnmatchcase(name, part)
    if name.isascii() or by_characters == fnmatchcase(os.fsencode(name), os.fsencode(part)):
        return by_characters
    raise OverflowError
