"""A folder that paths may lie in: opened once, and what a path means beneath it.

The counterpart is `paths`, which asks the rules about what was found here.
"""

import errno
import os
import posixpath
from dataclasses import dataclass
from typing import Self

from proxy.beneath import Opening, open_folder, real_path
from proxy.decision import Deny
from proxy.reasons import Reason

_LONGEST_PATH = 4096  # PATH_MAX of Linux: a longer text is no path
_MOST_PARTS = 256
_MOST_LINKS = 8
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


@dataclass(frozen=True, slots=True)
class Found:
    """What a path means: `path` is where it is, absolute and without links.

    `descriptor` may be open for nothing but its name (O_PATH), and must be closed.
    """

    path: str
    descriptor: int

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True)
class Absent:
    """There is nothing, and `path` is where it would be."""

    path: str


@dataclass(frozen=True, slots=True)
class Root:
    """A folder. `folder` is its real path, `spelling` the configured one: both name it."""

    spelling: str
    folder: str
    descriptor: int
    writable: bool
    opening: Opening

    @classmethod
    def open(cls, spelling: str, opening: Opening, *, writable: bool = True) -> Self:
        """The folder at `spelling`; raises OSError where there is none."""
        descriptor = open_folder(spelling)
        spelled = os.path.abspath(spelling)
        return cls(spelled, real_path(descriptor), descriptor, writable, opening)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.descriptor)

    def rest(self, path: str) -> str | None:
        """What is left of an absolute path from here on; None where it is spelled as outside."""
        for prefix in (self.spelling, self.folder):
            if path == prefix or path.startswith(f"{prefix.rstrip('/')}/"):
                return path[len(prefix) :].lstrip("/") or "."
        return None

    def find(self, name: str) -> Found | Absent | Deny:
        """What `name`, relative to this folder, is."""
        if self._lacks(name):
            return Absent(posixpath.join(self.folder, name))
        try:
            descriptor = self.opening(self.descriptor, name, os.O_PATH)
        except OSError as error:
            if error.errno == errno.EXDEV:
                return Deny(Reason.PATH_OUTSIDE_WORKSPACE)
            if error.errno not in _ABSENT:
                return Deny(Reason.PATH_UNUSABLE)
            return self._absent(name)
        path = self._named(descriptor)
        if path is None or _is_removed(descriptor, path):
            os.close(descriptor)
            return Deny(Reason.PATH_OUTSIDE_WORKSPACE if path is None else Reason.PATH_UNUSABLE)
        return Found(path, descriptor)

    def _lacks(self, name: str) -> bool:
        """Whether `name` is plain and nothing has it: most words of a command are no files."""
        if "/" in name or name in {"", ".", ".."}:
            return False
        try:
            os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False
        return False

    def _named(self, descriptor: int) -> str | None:
        """Where an opened file lies, in terms of `folder`; None where it was moved out."""
        path, base = real_path(descriptor), real_path(self.descriptor).rstrip("/")
        if path != base and not path.startswith(f"{base}/"):
            return None
        return posixpath.join(self.folder, path[len(base) :].lstrip("/")).rstrip("/") or "/"

    def _absent(self, name: str, links: int = _MOST_LINKS) -> Absent | Deny:
        """What is not there is judged by where it would be: a folder that is, and the rest."""
        parts = name.split("/")
        if len(name) > _LONGEST_PATH or len(parts) > _MOST_PARTS or not links:
            outside = ".." in parts
            return Deny(Reason.PATH_OUTSIDE_WORKSPACE if outside else Reason.PATH_NOT_FOUND)
        count = self._existing(parts)
        place, target = self._place(parts, count)
        if target is not None and not target.startswith("/"):  # a link to what is not there either
            way = posixpath.join(*parts[:count], target, *parts[count + 1 :])
            return self._absent(way, links - 1)
        if place is None or target is not None or self.rest(place) is None:
            return Deny(Reason.PATH_OUTSIDE_WORKSPACE)
        return Absent(place)

    def _place(self, parts: list[str], count: int) -> tuple[str | None, str | None]:
        """Where the parts would be of which the first `count` are; and what the next links to."""
        if not count:
            base: str | None = self.folder
            target = _link_target(self.descriptor, parts[0])
        else:
            try:
                folder = self.opening(self.descriptor, "/".join(parts[:count]), os.O_PATH)
            except OSError:
                return None, None
            base, target = self._named(folder), _link_target(folder, parts[count])
            os.close(folder)
        rest = posixpath.join(base, *parts[count:]) if base is not None else None
        return posixpath.normpath(rest) if rest is not None else None, target

    def _existing(self, parts: list[str]) -> int:
        """How many of the first components there are, all before the last at most."""
        low, high = 0, len(parts) - 1
        while low < high:
            middle = (low + high + 1) // 2
            try:
                os.close(self.opening(self.descriptor, "/".join(parts[:middle]), os.O_PATH))
                low = middle
            except OSError:
                high = middle - 1
        return low


def _is_removed(descriptor: int, path: str) -> bool:
    """Whether a file was removed since it was opened: no name is left that could be judged."""
    return path.endswith(" (deleted)") and not os.fstat(descriptor).st_nlink


def _link_target(folder: int, name: str) -> str | None:
    """Where a name leads that is a symbolic link; None where it is none."""
    try:
        return os.readlink(name, dir_fd=folder)
    except (OSError, ValueError):
        return None
