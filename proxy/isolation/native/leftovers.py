"""What is left where the supervisor of a command was killed itself: processes, and folders.

A supervisor outlives Sidegate by as long as it takes to kill all that it started, so there is
something to find only where it was killed too, as by hand or for want of memory. Processes are
known by the mark in their environment, which the kernel shows to root and to the same user.
"""

import contextlib
import os
import signal
import stat
import tempfile
from collections.abc import Collection, Iterator

from proxy import process
from proxy.isolation.native.order import MARK

_SECONDS = 20.0
_ROUNDS = 10  # what is forked while processes are listed is found in the next one


def kill_marked(prefix: str, serving: Collection[str]) -> int:
    """Kill what is marked with such a name, of one that does not serve; how many processes."""
    found = set[int]()
    for _ in range(_ROUNDS):
        marked = {pid for pid in _processes() if _kill_if_marked(pid, prefix, serving)}
        if marked <= found:
            break
        found |= marked
    return len(found)


async def remove_folders(prefix: str, serving: Collection[str]) -> int:
    """Remove the folders of such names, of those that do not serve; how many there were."""
    place = tempfile.gettempdir()
    found = [
        os.path.join(place, name)
        for name in os.listdir(place)
        if name.startswith(prefix) and name not in serving
    ]
    # A link that somebody else puts there is not to be followed. Root needs no rights to remove.
    closed = [path for path in found if os.geteuid() and _is_own(path)]
    for start, paths in ((("/bin/chmod", "-R", "u+rwx"), closed), (("/bin/rm", "-rf"), found)):
        if paths:
            await process.run((*start, "--", *paths), b"", limit=0, seconds=_SECONDS)
    return len(found)


def _is_own(path: str) -> bool:
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    return False


def _processes() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _kill_if_marked(pid: int, prefix: str, serving: Collection[str]) -> bool:
    """By a descriptor, so that the process that is killed is the one that was looked at."""
    with contextlib.suppress(OSError):
        descriptor = os.pidfd_open(pid)
        try:
            name = _mark(pid)
            if name is not None and name.startswith(prefix) and name not in serving:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                return True
        finally:
            os.close(descriptor)
    return False


def _mark(pid: int) -> str | None:
    with open(f"/proc/{pid}/environ", "rb") as file:
        for variable in file.read().split(b"\0"):
            name, _, value = variable.partition(b"=")
            if name == MARK.encode():
                return os.fsdecode(value)
    return None
