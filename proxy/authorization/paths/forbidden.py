"""Paths that are never opened, whatever else allows them.

The fourteen system folders guard the machine where tools may leave the workspace; beneath the
workspace, which the operator chose, they do not apply. The four key folders and the configured
paths apply everywhere. Names compare without case: on some mounted disks .SSH is .ssh.
"""

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

SYSTEM = (
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib64",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/sbin",
    "/var/lib",
    "/var/run",
)
KEYS = (".ssh", ".gnupg", ".aws", ".config/gcloud")
_KEY = re.compile(rf"/(?:{'|'.join(map(re.escape, KEYS))})(?:/|\Z)")


@dataclass(frozen=True)
class Forbidden:
    """What no tool opens: patterns of folded paths, absolute and, as far as they exist, resolved.

    Only `workspace`, which is an exception to a rule, is as it is.
    """

    workspace: str
    system: re.Pattern[str]
    configured: re.Pattern[str]

    @classmethod
    def build(
        cls, workspace: str, configured: Iterable[str], around: Iterable[str] = ()
    ) -> "Forbidden":
        """The rules for the workspace at this real path; entries may be relative or `~/x`.

        `around`: folders of which all is forbidden but the workspace in them.
        """
        absolute = (posixpath.join(workspace, os.path.expanduser(entry)) for entry in configured)
        return cls(workspace, _beneath((*SYSTEM, *around)), _beneath(absolute))

    def covers(self, path: str) -> bool:
        """Whether an absolute, normal path is forbidden."""
        whole = folded(path)
        if self.configured.match(whole):
            return True
        inside = path == self.workspace or path.startswith(f"{self.workspace}/")
        if not inside and self.system.match(whole):
            return True
        rest = folded(path[len(self.workspace) :]) if inside else whole
        return _KEY.search(rest) is not None


def folded(path: str) -> str:
    """A path as the most forgiving disk reads it: without case, and accents in one form."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _beneath(paths: Iterable[str]) -> re.Pattern[str]:
    """What is one of the paths, as written or as resolved, or lies in it.

    /lib is /usr/lib on a merged system.
    """
    both = {each for path in paths for each in (posixpath.normpath(path), os.path.realpath(path))}
    names = sorted(re.escape(folded(path).rstrip("/")) for path in both)
    return re.compile(f"(?:{'|'.join(names)})(?:/|\\Z)" if names else r"(?!)")
