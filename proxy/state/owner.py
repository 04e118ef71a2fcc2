"""One process owns the state folder, from start to end.

The lock is on a file of its own, never on the database (closing any descriptor of that would drop
SQLite's own locks), is never unlinked, and goes with the process, kill -9 included.
"""

import fcntl
import os

_LOCK = "sidegate.lock"


class Ownership:
    """Exclusive use of a state folder for as long as this object lives."""

    def __init__(self, folder: str) -> None:
        """Make the folder (0700) where it is missing and take it; raises OSError."""
        prepare(folder)
        self._descriptor = os.open(
            os.path.join(folder, _LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise OSError(
                error.errno, f"the state in {folder} is in use by another sidegate"
            ) from error

    def release(self) -> None:
        """Let another process have the folder."""
        os.close(self._descriptor)


def prepare(folder: str) -> None:
    """Make the state folder (0700) where it is missing; raises OSError where it is not ours.

    Whoever may write here could put a database or a socket of their own in our place.
    """
    os.makedirs(folder, mode=0o700, exist_ok=True)
    status = os.stat(folder)
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
        raise OSError(f"others may write to the state folder {folder}: chown it, and chmod go-w it")
