"""The files of one log: the one that is written, and older ones beside it, `.1` the youngest."""

import contextlib
import ctypes
import errno
import os
import re
from contextlib import ExitStack
from typing import BinaryIO

from proxy.audit.chain import LONGEST, Link, row_of

_RETRIES = 100
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE of fallocate(2)
_LEAST_FREE = 4  # of what is free, no more than a quarter is reserved
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def numbers(path: str) -> list[int]:
    """The numbers of the older files, the youngest first; raises OSError."""
    folder, base = os.path.split(path)
    form = re.compile(re.escape(base) + r"\.([1-9][0-9]{0,8})")
    names = os.listdir(folder or ".")
    return sorted(int(found.group(1)) for found in map(form.fullmatch, names) if found)


def older(path: str) -> list[str]:
    """The older files, the oldest first; raises OSError."""
    return [f"{path}.{number}" for number in reversed(numbers(path))]


def opened(path: str, stack: ExitStack) -> list[tuple[str, BinaryIO]]:
    """All files, the oldest first, opened while none was renamed, to be closed with `stack`.

    Raises OSError, FileNotFoundError where there is none.
    """
    for _ in range(_RETRIES):
        with ExitStack() as attempt:
            names = _names(path)
            found: list[tuple[str, BinaryIO]] = []
            try:
                found += [(name, attempt.enter_context(open(name, "rb"))) for name in names]
                whole = all(_is_at(name, file) for name, file in found) and names == _names(path)
            except FileNotFoundError:  # one was just renamed
                continue
            if found and whole:
                stack.push(attempt.pop_all())
                return found
    if not names:
        raise FileNotFoundError(errno.ENOENT, "there is no audit log", path)
    raise OSError(f"{path}: its files change too often to be read")


def _names(path: str) -> list[str]:
    return [*older(path), *([path] if os.path.lexists(path) else [])]


def _is_at(name: str, file: BinaryIO) -> bool:
    """Whether the name is still that of the file: a rotation gives it to another."""
    return os.path.samestat(os.fstat(file.fileno()), os.stat(name))


def shift(path: str) -> None:
    """Make `path` free: it becomes `.1`, and what is in the way one more; raises OSError.

    Interrupted, it is to be done again.
    """
    if not os.path.lexists(path):
        return
    taken = set(numbers(path))
    free = next(number for number in range(1, len(taken) + 2) if number not in taken)
    for number in range(free, 1, -1):
        os.rename(f"{path}.{number - 1}", f"{path}.{number}")
    os.rename(path, f"{path}.1")


def last_link(path: str) -> Link | None:
    """The last row of a file that is closed, None where it ends in no row; raises OSError."""
    with open(path, "rb") as file:
        return link_at_end(file)


def link_at_end(file: BinaryIO) -> Link | None:
    """The last row of an open file, which is left at its end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - LONGEST))
    end = file.read()
    row = row_of(end[end.rfind(b"\n", 0, -1) + 1 :])
    return row.link if row else None


def reserve(descriptor: int, size: int, wanted: int) -> int:
    """Reserve room after the first `size` bytes, up to `wanted`: until where it is reserved.

    It is taken from what is free, and does not change how long the file is. Without it, as on file
    systems that cannot do it, a row needs room that is free when it comes.
    """
    with contextlib.suppress(OSError):
        disk = os.fstatvfs(descriptor)
        room = min(wanted, disk.f_bavail * disk.f_frsize // _LEAST_FREE)
        if room > 0 and _libc.fallocate(descriptor, _KEEP_SIZE, size, room) == 0:
            return size + room
    return size
