"""Paths that are never opened, whatever else allows them.

The fourteen system folders guard the machine where tools may leave the workspace; beneath the
workspace, which the operator chose, they do not apply. The four key folders and the configured
paths apply everywhere.
"""

import os
import posixpath
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


@dataclass(frozen=True)
class Forbidden:
    """What no tool opens. All paths are absolute and, as far as they exist, resolved."""

    workspace: str
    system: frozenset[str]
    configured: frozenset[str]

    @classmethod
    def build(cls, workspace: str, configured: Iterable[str]) -> "Forbidden":
        """The rules for the workspace at this real path; entries may be relative or `~/x`."""
        absolute = (posixpath.join(workspace, os.path.expanduser(entry)) for entry in configured)
        return cls(workspace, _spellings(SYSTEM), _spellings(absolute))

    def covers(self, path: str) -> bool:
        """Whether an absolute, normal path is forbidden."""
        ancestors = _ancestors(path)
        if ancestors & self.configured:
            return True
        inside = self.workspace in ancestors
        if not inside and ancestors & self.system:
            return True
        rest = path[len(self.workspace) :] if inside else path
        return any(f"/{key}/" in f"{rest}/" for key in KEYS)


def _spellings(paths: Iterable[str]) -> frozenset[str]:
    """Each path as written and as resolved: /lib is /usr/lib on a merged system."""
    both = [(posixpath.normpath(path), os.path.realpath(path)) for path in paths]
    return frozenset(path for pair in both for path in pair)


def _ancestors(path: str) -> set[str]:
    """The path itself and every folder above it."""
    parts = path.rstrip("/").split("/")
    return {"/".join(parts[:count]) or "/" for count in range(1, len(parts) + 1)}
