"""Open what a tool names, beneath the workspace and nowhere else.

The workspace is opened once, at start. From then on a path is decided by opening it: the descriptor
that passed goes into the grant and is the one that is read, listed or written to. Where only a
command will open the path, in a container that has nothing but the workspace, it is examined the
same way, and the container is what holds against a race.
"""

import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from proxy.actions import MOUNT, OpenPath
from proxy.authorization.paths.arguments import candidates
from proxy.authorization.paths.bounds import Bounds
from proxy.authorization.paths.forbidden import Forbidden
from proxy.authorization.paths.globs import expand
from proxy.authorization.paths.ignored import Ignored
from proxy.authorization.paths.roots import Absent, Found, Root
from proxy.beneath import Opening, open_beneath
from proxy.decision import Allow, Decision, Deny
from proxy.reasons import Reason

_NOWHERE = Deny(Reason.PATH_OUTSIDE_WORKSPACE)


@dataclass(frozen=True)
class Workspace:
    """The folder that tools work in, and the others that they may reach.

    `main` is the workspace itself; `roots` are those of `allowed_roots` and, where tools may leave
    the workspace, the root of the machine, which is the last.
    """

    main: Root
    roots: tuple[Root, ...]
    bounds: Bounds

    @classmethod
    def open(  # noqa: PLR0913 - what the configuration says of paths, each by its name
        cls,
        spelling: str,
        forbidden: Iterable[str],
        *,
        only: bool,
        around: Iterable[str] = (),
        allowed: Iterable[tuple[str, bool]] = (),
        ignore: Iterable[str] = (),
        opening: Opening = open_beneath,
    ) -> "Workspace":
        """The workspace at `spelling`; raises OSError where there is no such folder.

        `allowed`: other folders, and whether they may be written; one that is not there is left
        out. `only`: whether there is nothing beside these. `around`: folders that may hold the
        workspace, and hold nothing else that may be opened.
        """
        main = Root.open(spelling, opening)
        others = list(_existing(allowed, opening))
        rules = Forbidden.build(main.folder, forbidden, around)
        bounds = Bounds.build(rules, Ignored.build(ignore), (main, *others))
        if not only:
            others.append(Root.open("/", opening))
        return cls(main, tuple(others), bounds)

    @property
    def folder(self) -> str:
        """The real path of the workspace, when it was opened."""
        return self.main.folder

    @property
    def spelling(self) -> str:
        """The configured path of the workspace."""
        return self.main.spelling

    @property
    def descriptor(self) -> int:
        """The workspace itself."""
        return self.main.descriptor

    def close(self) -> None:
        """Give the descriptors back."""
        for root in (self.main, *self.roots):
            root.close()

    def file(self, path: str) -> Decision[OpenPath]:
        """A regular file with one name, open for reading."""
        found = self._reopen(path, _is_one_file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        return found if isinstance(found, Deny) else Allow(OpenPath(found.value.descriptor))

    def listing(self, path: str) -> Decision[OpenPath]:
        """A folder, open for listing; it does not show what may not be reached."""
        found = self._reopen(path, _is_folder, os.O_RDONLY | os.O_DIRECTORY)
        if isinstance(found, Deny):
            return found
        folder, bounds = found.value.path, self.bounds

        def hides(name: str) -> bool:
            return bounds.refuses(posixpath.join(folder, name)) is not None

        return Allow(OpenPath(found.value.descriptor, hides=hides))

    def place(self, path: str) -> Decision[OpenPath]:
        """A folder and a name in it, for a file to be put there.

        An existing file is named by where it really is, so that a link within the workspace is
        written through, and never replaced by what a name on the way has come to mean.
        """
        found = self._locate(path, writes=True)
        if isinstance(found, Allow):
            path = found.value.path
            found.value.close()
        elif found.reason is not Reason.PATH_NOT_FOUND:
            return found
        parent, leaf = posixpath.split(path)
        if leaf in {"", ".", ".."}:
            return Deny(Reason.PATH_UNUSABLE)
        folder = self._locate(parent or ".", writes=True)
        if isinstance(folder, Deny):
            return folder
        reason = self._unwritable(folder.value, leaf)
        if reason is not None:
            folder.value.close()
            return Deny(reason)
        return Allow(OpenPath(folder.value.descriptor, leaf))

    def check(self, path: str, *, writes: bool = False) -> Reason | None:
        """Why a path that somebody else will open may not be passed on; None where it may.

        `writes`: it is known to be there for writing.
        """
        found = self._locate(path, writes=writes)
        if isinstance(found, Allow):
            found.value.close()
            return None
        return None if found.reason is Reason.PATH_NOT_FOUND else found.reason

    def within(self, path: str, folder: str) -> bool:
        """Whether `path` really lies in `folder`, or would: where links lead, not what is spelled.

        False also where either is outside of all that may be reached.
        """
        place, base = self._real(path), self._real(folder)
        return place is not None and base is not None and _lies_in(place, base)

    def check_argument(
        self, word: str, *, mounted: bool = True, folder: str = ".", writes: bool = False
    ) -> Reason | None:
        """Why an argument of a command may not be passed; None where it may.

        `mounted`: the command will run in a sandbox, which has the workspace at MOUNT. `folder`:
        where its relative paths begin. `writes`: what they name may be changed.
        """
        found = candidates(word)
        if found is None:
            return Reason.PATH_UNUSABLE
        for candidate in found:
            home = candidate.startswith("~")  # a careless reader would not look in the folder
            place = candidate if home or folder == "." else posixpath.join(folder, candidate)
            path = self.placed(place) if mounted else place
            reason = self.check(path, writes=writes)
            # A sentence may end like an ignored name ("renew server.key"); names have no blanks.
            if reason is Reason.PATH_IGNORED and " " in path and not self._exists(path):
                continue
            if reason is not None:
                return reason
        return None

    def placed(self, path: str) -> str:
        """A path inside the sandbox as the path that is mounted there."""
        inside = path == MOUNT or path.startswith(f"{MOUNT}/")
        return self.folder + path[len(MOUNT) :] if inside else path

    def matches(self, pattern: str, most: int = 1000) -> list[str] | None:
        """The names that a shell in the workspace would put in the place of `pattern`.

        They exist, are relative as the pattern is, and sorted by their bytes. None: they cannot be
        known, as they are more than `most`, or the pattern leads out or is read differently by
        different shells. Whether they may be reached is not asked here.
        """
        return expand(self.main, pattern, most)

    def intact(self) -> bool:
        """Whether the configured path still names the folder that was opened."""
        try:
            return os.path.samestat(os.stat(self.folder), os.fstat(self.descriptor))
        except OSError:
            return False

    def _locate(self, path: str, *, writes: bool = False) -> Decision[Found]:
        """What `path` names, inside the bounds and not refused by a rule.

        `PATH_NOT_FOUND` says that nothing is there, and that the place keeps to the bounds too.
        """
        found = self._find(path)
        if isinstance(found, Deny):
            return found
        reason = self.bounds.refuses(found.path, writes=writes)
        if isinstance(found, Absent):
            return Deny(reason or Reason.PATH_NOT_FOUND)
        if reason is not None:
            found.close()
            return Deny(reason)
        return Allow(found)

    def _find(self, path: str) -> Found | Absent | Deny:
        if path.startswith("~"):  # a shell or a careless reader would make somebody's home of it
            return _NOWHERE
        if not path.startswith("/"):
            return self.main.find(path)
        for root in (self.main, *self.roots):
            rest = root.rest(path)
            if rest is not None:
                return root.find(rest)
        return _NOWHERE

    def _real(self, path: str) -> str | None:
        """Where `path` is, or would be, without links."""
        found = self._find(path)
        if isinstance(found, Deny):
            return None
        if isinstance(found, Found):
            found.close()
        return found.path

    def _exists(self, path: str) -> bool:
        found = self._find(path)
        if not isinstance(found, Found):
            return False
        found.close()
        return True

    def _reopen(
        self, path: str, kind: Callable[[os.stat_result], bool], flags: int
    ) -> Decision[Found]:
        """Open for use the very file that `_locate` judged, by its descriptor."""
        found = self._locate(path)
        if isinstance(found, Deny):
            return found
        try:
            status = os.fstat(found.value.descriptor)
            if not kind(status):
                return Deny(Reason.PATH_UNUSABLE)
            name = f"/proc/self/fd/{found.value.descriptor}"
            return Allow(Found(found.value.path, os.open(name, flags | os.O_CLOEXEC)))
        except OSError as error:
            return Deny(Reason.PATH_UNUSABLE, evidence=str(error.errno))
        finally:
            found.value.close()

    def _unwritable(self, folder: Found, leaf: str) -> Reason | None:
        reason = self.bounds.refuses(posixpath.join(folder.path, leaf), writes=True)
        if reason is not None:
            return reason
        if not stat.S_ISDIR(os.fstat(folder.descriptor).st_mode):
            return Reason.PATH_UNUSABLE
        try:
            status = os.stat(leaf, dir_fd=folder.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError:
            return Reason.PATH_UNUSABLE
        return None if _is_one_file(status) else Reason.PATH_UNUSABLE


def _existing(allowed: Iterable[tuple[str, bool]], opening: Opening) -> Iterator[Root]:
    for spelling, writable in allowed:
        with suppress(OSError):
            yield Root.open(spelling, opening, writable=writable)


def _lies_in(path: str, folder: str) -> bool:
    return posixpath.commonpath((path, folder)) == folder


def _is_one_file(status: os.stat_result) -> bool:
    """A second name of a file may lie anywhere, and only one of the two was judged."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _is_folder(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode)
