"""Files of our own that are whole, and on the disk before they count. They are of mode 0600."""

import contextlib
import os


def create(path: str, data: bytes) -> None:
    """A new file with `data`, on the disk; raises OSError, FileExistsError where there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(path)
        raise


def replace(path: str, data: bytes) -> None:
    """`data` in the place of what `path` had, if anything: whole or not at all; raises OSError.

    It is written beside it first, where one that was interrupted left its own: for one process.
    """
    scratch = f"{path}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(scratch)
    create(scratch, data)
    try:
        os.replace(scratch, path)
    except BaseException:
        os.unlink(scratch)
        raise
    flush_folder(path)


def flush_folder(path: str) -> None:
    """See to it that the name `path` is on the disk; raises OSError."""
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
