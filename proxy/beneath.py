"""Open paths beneath a folder, decided at the moment of opening.

A check on a name is no check: between it and the open, a name may come to mean another file. So a
path is never compared, only opened, and what follows acts on the descriptor. The kernel does it by
openat2(2):

    RESOLVE_BENEATH        no component, "..", absolute path or link leads out of the folder
    RESOLVE_NO_MAGICLINKS  no /proc/PID/fd or /proc/PID/root link is followed

Where there is none (before Linux 5.6, or hidden by a seccomp filter) the path is walked here, one
component and one descriptor at a time, to the same answers. Hard links and bind mounts are
invisible to both; whoever reads or writes looks at st_nlink.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Opening = Callable[[int, str, int], int]
"""Open a path beneath a folder: (descriptor of the folder, path, flags) to a descriptor."""

_SYS_OPENAT2 = 437  # one number on every architecture since Linux 5.6
_NO_MAGICLINKS, _BENEATH = 0x02, 0x08
_RETRIES = 32  # EAGAIN is part of the contract: a rename raced with a ".." in the path
_MOST_LINKS = 40  # MAXSYMLINKS of Linux
_LONGEST = 4096  # PATH_MAX of Linux, with the NUL at the end
_DEEPEST = 256  # each folder on the way costs the walk a descriptor


class _OpenHow(ctypes.Structure):
    """struct open_how of openat2(2): 24 bytes."""

    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def open_folder(path: str) -> int:
    """A descriptor of the folder itself, to open things beneath; raises OSError."""
    return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def best_opening() -> Opening:
    """The kernel's own, where it has one and this process may use it; else the walk."""
    folder = open_folder("/")
    try:
        os.close(open_beneath(folder, ".", os.O_PATH))
    except OSError:
        return walk_beneath
    finally:
        os.close(folder)
    return open_beneath


def open_beneath(folder: int, path: str, flags: int) -> int:
    """Open `path` beneath the descriptor `folder`.

    Raises OSError: EXDEV where the path leads out, ELOOP for a link that may not be followed,
    EINVAL for a NUL byte, and ENOSYS or EPERM where the kernel has no openat2.
    """
    name = _encoded(path)
    for _ in range(_RETRIES):
        how = _OpenHow(flags | os.O_CLOEXEC, 0, _BENEATH | _NO_MAGICLINKS)
        descriptor, code = _openat2(folder, name, how)
        if descriptor >= 0:
            return descriptor
        if code not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(code, os.strerror(code))


def walk_beneath(folder: int, path: str, flags: int) -> int:
    """As `open_beneath`, without openat2(2).

    Each component is opened without following it; a link is read from its own descriptor and walked
    in its turn. ".." goes back to the folder that was come from, which is still open, so that no
    rename meanwhile can make it another.
    """
    name = _encoded(path)
    if not name:
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    if len(name) >= _LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    with _trail(folder) as trail:
        found = _walked(trail, name)
        if flags == os.O_PATH:
            return os.dup(found)
        return os.open(f"/proc/self/fd/{found}", flags | os.O_CLOEXEC)


def real_path(descriptor: int) -> str:
    """Where the opened file is now, as the kernel names it."""
    return os.readlink(f"/proc/self/fd/{descriptor}")


def _encoded(path: str) -> bytes:
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise OSError(errno.EINVAL, "not encodable as a file name") from error
    if b"\0" in name:
        raise OSError(errno.EINVAL, "NUL in a path")
    return name


def _openat2(folder: int, name: bytes, how: _OpenHow) -> tuple[int, int]:
    descriptor = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(folder),
        ctypes.c_char_p(name),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    return int(descriptor), ctypes.get_errno()


@contextmanager
def _trail(folder: int) -> Iterator[list[int]]:
    """The descriptors from the folder to where the walk is."""
    trail = [os.dup(folder)]
    try:
        yield trail
    finally:
        for descriptor in trail:
            os.close(descriptor)


def _walked(trail: list[int], name: bytes) -> int:
    """Walk on from the end of the trail; the last descriptor of it."""
    rest, links = _parts(name), 0
    while rest:
        part = rest.pop()
        if not stat.S_ISDIR(os.fstat(trail[-1]).st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if part == b"..":
            _step_back(trail)
        elif part not in (b"", b"."):
            target = _step(trail, part)
            if target is not None:
                links += 1
                rest += _parts(target)
        if links > _MOST_LINKS or len(trail) > _DEEPEST:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return trail[-1]


def _parts(name: bytes) -> list[bytes]:
    """The components of a path, the first at the end; EXDEV for one from the root."""
    if name.startswith(b"/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return name.split(b"/")[::-1]


def _step_back(trail: list[int]) -> None:
    if len(trail) == 1:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    os.close(trail.pop())


def _step(trail: list[int], part: bytes) -> bytes | None:
    """Go on to `part`; where that is a link, stay, and return what it says."""
    found = os.open(part, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=trail[-1])
    trail.append(found)
    if not stat.S_ISLNK(os.fstat(found).st_mode):
        return None
    try:
        return os.readlink(b"", dir_fd=found)
    finally:
        os.close(trail.pop())
