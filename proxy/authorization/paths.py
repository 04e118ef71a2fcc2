"""Open what a tool names, beneath the workspace and nowhere else.

The workspace is opened once, at start. From then on a path is decided by opening it: the descriptor
that passed goes into the grant and is the one that is read, listed or written to. Where only a
command will open the path, in a container that has nothing but the workspace, it is examined the
same way, and the container is what holds against a race.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Callable
from dataclasses import dataclass

from proxy.actions import MOUNT, OpenPath
from proxy.authorization.arguments import candidates
from proxy.authorization.forbidden import Forbidden
from proxy.beneath import open_beneath, open_folder, real_path
from proxy.decision import Allow, Decision, Deny
from proxy.reasons import Reason

_LONGEST_PATH = 4096  # PATH_MAX of Linux: a longer text is no path
_MOST_PARTS = 256
_MOST_LINKS = 8
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


@dataclass(frozen=True)
class Workspace:
    """The folder that tools work in, and, where they may leave it, the root of the machine.

    `folder` is its real path, `spelling` the configured one; both are prefixes that a caller may
    use.
    """

    spelling: str
    folder: str
    descriptor: int
    root: int | None
    forbidden: Forbidden

    @classmethod
    def open(cls, spelling: str, forbidden: tuple[str, ...], *, only: bool) -> "Workspace":
        """The workspace at `spelling`; raises OSError where there is no such folder."""
        descriptor = open_folder(spelling)
        folder = real_path(descriptor)
        root = None if only else open_folder("/")
        rules = Forbidden.build(folder, forbidden)
        return cls(os.path.abspath(spelling), folder, descriptor, root, rules)

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self.descriptor)
        if self.root is not None:
            os.close(self.root)

    def file(self, path: str) -> Decision[OpenPath]:
        """A regular file with one name, open for reading."""
        return self._reopen(path, stat.S_ISREG, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def listing(self, path: str) -> Decision[OpenPath]:
        """A folder, open for listing."""
        return self._reopen(path, stat.S_ISDIR, os.O_RDONLY | os.O_DIRECTORY)

    def place(self, path: str) -> Decision[OpenPath]:
        """A folder and a name in it, for a file to be put there.

        An existing file is named by where it really is, so that a link within the workspace is
        written through, and never replaced by what a name on the way has come to mean.
        """
        found = self._locate(path)
        if isinstance(found, Allow):
            path = real_path(found.value)
            os.close(found.value)
        elif found.reason is not Reason.PATH_NOT_FOUND:
            return found
        parent, leaf = posixpath.split(path)
        if leaf in {"", ".", ".."}:
            return Deny(Reason.PATH_UNUSABLE)
        folder = self._locate(parent or ".")
        if isinstance(folder, Deny):
            return folder
        reason = self._unwritable(folder.value, leaf)
        if reason is not None:
            os.close(folder.value)
            return Deny(reason)
        return Allow(OpenPath(folder.value, leaf))

    def check(self, path: str) -> Reason | None:
        """Why a path that somebody else will open may not be passed on; None where it may."""
        found = self._locate(path)
        if isinstance(found, Allow):
            os.close(found.value)
            return None
        return None if found.reason is Reason.PATH_NOT_FOUND else found.reason

    def check_argument(self, word: str, *, mounted: bool = True) -> Reason | None:
        """Why an argument of a command may not be passed; None where it may.

        `mounted`: the command will run in a sandbox, which has the workspace at MOUNT.
        """
        found = candidates(word)
        if found is None:
            return Reason.PATH_UNUSABLE
        for candidate in found:
            path = _as_mounted(candidate, self.folder) if mounted else candidate
            reason = self.check(path)
            if reason is not None:
                return reason
        return None

    def intact(self) -> bool:
        """Whether the configured path still names the folder that was opened."""
        try:
            return os.path.samestat(os.stat(self.folder), os.fstat(self.descriptor))
        except OSError:
            return False

    def _locate(self, path: str) -> Decision[int]:
        """A descriptor (O_PATH) of what `path` names, inside the bounds and not forbidden.

        `PATH_NOT_FOUND` says that nothing is there, and that the spelling keeps to the bounds too.
        """
        start, name = self._start(path)
        if start is None:
            return Deny(Reason.PATH_OUTSIDE_WORKSPACE)
        try:
            found = open_beneath(start, name, os.O_PATH)
        except OSError as error:
            return Deny(self._refusal(error.errno, start, name))
        if self.forbidden.covers(real_path(found)):
            os.close(found)
            return Deny(Reason.PATH_FORBIDDEN)
        return Allow(found)

    def _start(self, path: str) -> tuple[int | None, str]:
        """The folder to start from, None where there is none, and the path from there."""
        for prefix in (self.spelling, self.folder):
            if path == prefix or path.startswith(f"{prefix}/"):
                return self.descriptor, path[len(prefix) :].lstrip("/") or "."
        if path.startswith("/"):
            return self.root, path.lstrip("/") or "."
        # A shell or a careless reader would make somebody's home of it.
        return (None if path.startswith("~") else self.descriptor), path

    def _refusal(self, code: int | None, start: int, name: str) -> Reason:
        """What a failed opening means."""
        if code == errno.EXDEV:
            return Reason.PATH_OUTSIDE_WORKSPACE
        if code not in _ABSENT:
            return Reason.PATH_UNUSABLE
        return self._absent(start, name)

    def _absent(self, start: int, name: str, links: int = _MOST_LINKS) -> Reason:
        """What is not there is judged by where it would be: a folder that is, and the rest."""
        parts = name.split("/")
        if len(name) > _LONGEST_PATH or len(parts) > _MOST_PARTS or not links:
            return Reason.PATH_OUTSIDE_WORKSPACE if ".." in parts else Reason.PATH_NOT_FOUND
        for count in range(len(parts) - 1, -1, -1):
            try:
                folder = open_beneath(start, "/".join(parts[:count]) or ".", os.O_PATH)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    return Reason.PATH_OUTSIDE_WORKSPACE
                continue
            target = _link_target(folder, parts[count])
            rest = parts[count:] if target is None else [target, *parts[count + 1 :]]
            place = posixpath.normpath(posixpath.join(real_path(folder), *rest))
            os.close(folder)
            base = self.folder if start == self.descriptor else ""
            if not f"{place}/".startswith(f"{base}/"):
                return Reason.PATH_OUTSIDE_WORKSPACE
            if target is not None:  # a link to what is not there either
                return self._absent(start, place[len(base) :].lstrip("/") or ".", links - 1)
            covered = self.forbidden.covers(place)
            return Reason.PATH_FORBIDDEN if covered else Reason.PATH_NOT_FOUND
        return Reason.PATH_UNUSABLE

    def _reopen(self, path: str, kind: Callable[[int], bool], flags: int) -> Decision[OpenPath]:
        """Open for use the very file that `_locate` judged, by its descriptor."""
        found = self._locate(path)
        if isinstance(found, Deny):
            return found
        try:
            status = os.fstat(found.value)
            # A second name of a file may lie anywhere, and only one of the two was judged.
            if not kind(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink > 1):
                return Deny(Reason.PATH_UNUSABLE)
            return Allow(OpenPath(os.open(f"/proc/self/fd/{found.value}", flags | os.O_CLOEXEC)))
        except OSError as error:
            return Deny(Reason.PATH_UNUSABLE, evidence=str(error.errno))
        finally:
            os.close(found.value)

    def _unwritable(self, folder: int, leaf: str) -> Reason | None:
        if self.forbidden.covers(posixpath.join(real_path(folder), leaf)):
            return Reason.PATH_FORBIDDEN
        if not stat.S_ISDIR(os.fstat(folder).st_mode):
            return Reason.PATH_UNUSABLE
        try:
            status = os.stat(leaf, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError:
            return Reason.PATH_UNUSABLE
        return None if stat.S_ISREG(status.st_mode) else Reason.PATH_UNUSABLE


def _link_target(folder: int, name: str) -> str | None:
    """Where a name leads that is a symbolic link; None where it is none."""
    try:
        return os.readlink(name, dir_fd=folder)
    except (OSError, ValueError):
        return None


def _as_mounted(word: str, folder: str) -> str:
    """A path inside the sandbox as the path that is mounted there."""
    inside = word == MOUNT or word.startswith(f"{MOUNT}/")
    return folder + word[len(MOUNT) :] if inside else word
