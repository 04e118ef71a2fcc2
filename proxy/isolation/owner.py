"""Whose a sandbox's processes and files are."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose files the sandbox works on, as numeric ids."""

    uid: int
    gid: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Owner":
        """The owner of a file, but never root, and not with root's group either: then `NOBODY`."""
        return cls(status.st_uid, status.st_gid) if status.st_uid and status.st_gid else NOBODY

    @classmethod
    def parse(cls, text: str) -> "Owner":
        """The one that a configuration names as UID:GID."""
        uid, _, gid = text.partition(":")
        return cls(int(uid), int(gid))

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


NOBODY = Owner(65534, 65534)
