"""What rules say of a path that was found: forbidden, ignored, or not to be written.

A path is judged where it really is, whatever name led there; of two roots, one within the other,
the inner one says whether it may be written.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from proxy.authorization.paths.forbidden import Forbidden, folded
from proxy.authorization.paths.ignored import Ignored
from proxy.authorization.paths.roots import Root
from proxy.reasons import Reason

_GIT = ".git"  # its hooks and its configuration are programs that the next git command runs


@dataclass(frozen=True, slots=True)
class Bounds:
    """The rules. `roots`: the real paths of the folders that were opened, and if they are writable.

    What lies in none of them may be reached, where `workspace_only` is off, and written.
    """

    forbidden: Forbidden
    ignored: Ignored
    roots: tuple[tuple[str, bool], ...]

    @classmethod
    def build(cls, forbidden: Forbidden, ignored: Ignored, roots: Iterable[Root]) -> "Bounds":
        """The rules over these roots."""
        inner_first = sorted(roots, key=lambda root: len(root.folder), reverse=True)
        return cls(forbidden, ignored, tuple((root.folder, root.writable) for root in inner_first))

    def refuses(self, path: str, *, writes: bool = False) -> Reason | None:
        """Why an absolute, normal path may not be read or, with `writes`, written to."""
        if self.forbidden.covers(path):
            return Reason.PATH_FORBIDDEN
        if any(self.ignored.covers(rest) for rest in self._rests(path)):
            return Reason.PATH_IGNORED
        if not writes:
            return None
        writable = next((may for root, may in self.roots if _is_in(path, root)), True)
        guarded = any(_GIT in folded(rest).split("/") for rest in self._rests(path))
        return None if writable and not guarded else Reason.PATH_READ_ONLY

    def _rests(self, path: str) -> list[str]:
        """The path as seen from each root that it lies in, or else from the root of the machine."""
        found = [path[len(root) :].lstrip("/") for root, _ in self.roots if _is_in(path, root)]
        return [rest for rest in found if rest] if found else [path.lstrip("/")]


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")
