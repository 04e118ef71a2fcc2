"""Whether there is room left on the disk that commands write to.

The workspace is a folder of the machine's own, without a quota: one command could fill the disk,
and take from the owner, and from Sidegate's own records, what they need. It is looked at before
each command that writes, and every so often while one runs.
"""

import asyncio
import os
from typing import Protocol

from proxy.decision import Deny
from proxy.reasons import Reason

_LOOK_SECONDS = 0.05  # a fast disk takes a hundred megabytes in that time
_LEAST_INODES = 0.01  # of all that there are
_NOTE = b"\nsidegate: ended, since the workspace's disk is nearly full\n"


class Writer(Protocol):
    """Something that writes, and can be ended."""

    def cut_short(self, note: bytes) -> None:
        """End it now, and leave a note of why where it writes."""
        ...


class Room:
    """The disk of an open folder, of which `least` bytes stay free; None: it is not looked at."""

    def __init__(self, folder: int | None = None, least: int | None = None) -> None:
        self._folder = folder
        self._least = least
        self._runs: list[Writer] = []
        self._watching: asyncio.Task[None] | None = None

    def refused(self) -> Deny | None:
        """Why nothing more may be written; None where there is room."""
        return None if self._is_left() else Deny(Reason.WORKSPACE_FULL)

    def _is_left(self) -> bool:
        if self._folder is None or self._least is None:
            return True
        try:
            disk = os.fstatvfs(self._folder)
        except OSError:
            return False
        free, inodes = disk.f_bavail * disk.f_frsize, disk.f_favail
        return free >= self._least and inodes >= _LEAST_INODES * disk.f_files

    def enter(self, run: Writer) -> None:
        """Look after a command that writes."""
        self._runs.append(run)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch())

    def leave(self, run: Writer) -> None:
        """It is over, or never was."""
        if run in self._runs:
            self._runs.remove(run)

    async def _watch(self) -> None:
        while self._runs:
            await asyncio.sleep(_LOOK_SECONDS)
            if not self._is_left():
                for run in [*self._runs]:
                    run.cut_short(_NOTE)

    async def aclose(self) -> None:
        """Look no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
