"""Open paths beneath a folder, decided by the kernel at the moment of opening.

A check on a name is no check: between it and the open, a name may come to mean another file. So a
path is never compared, only opened, with openat2(2), and what follows acts on the descriptor.

    RESOLVE_BENEATH        no component, "..", absolute path or link leads out of the folder
    RESOLVE_NO_MAGICLINKS  no /proc/PID/fd or /proc/PID/root link is followed
    RESOLVE_NO_SYMLINKS    no symbolic link at all, where the caller asks for it

Hard links and bind mounts are invisible to these flags; whoever reads or writes looks at st_nlink.
"""

import ctypes
import errno
import os

_SYS_OPENAT2 = 437  # one number on every architecture since Linux 5.6
_NO_MAGICLINKS, _NO_SYMLINKS, _BENEATH = 0x02, 0x04, 0x08
_RETRIES = 32  # EAGAIN is part of the contract: a rename raced with a ".." in the path


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


def open_beneath(folder: int, path: str, flags: int, *, follow: bool = True) -> int:
    """Open `path` beneath the descriptor `folder`.

    Raises OSError: EXDEV where the path leads out, ELOOP for a link that may not be followed,
    EINVAL for a NUL byte, and ENOSYS or EPERM where the kernel has no openat2, which is never
    worked around.
    """
    resolve = _BENEATH | _NO_MAGICLINKS | (0 if follow else _NO_SYMLINKS)
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise OSError(errno.EINVAL, "not encodable as a file name") from error
    if b"\0" in name:
        raise OSError(errno.EINVAL, "NUL in a path")
    for _ in range(_RETRIES):
        descriptor, code = _openat2(folder, name, _OpenHow(flags | os.O_CLOEXEC, 0, resolve))
        if descriptor >= 0:
            return descriptor
        if code not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(code, os.strerror(code))


def _openat2(folder: int, name: bytes, how: _OpenHow) -> tuple[int, int]:
    descriptor = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(folder),
        ctypes.c_char_p(name),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    return int(descriptor), ctypes.get_errno()


def real_path(descriptor: int) -> str:
    """Where the opened file is now, as the kernel names it."""
    return os.readlink(f"/proc/self/fd/{descriptor}")
