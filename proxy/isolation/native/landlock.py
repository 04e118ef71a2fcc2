"""Landlock: this process, and all that it starts, opens what is listed and nothing else.

landlock(7) and the kernel's Documentation/userspace-api/landlock.rst. What it does not judge at all
(rights and owners by path, sockets) is in `syscalls`.
"""

import ctypes
import errno
import os
import stat

READ = 0b1101  # execute, read a file, list a folder
WRITE = READ | 0b111_0111_1011_0010  # but neither make devices nor have them do things

_FILE = 0b100_0000_0000_0111  # what of it a single file may have: execute, write, read, truncate
# The rights over files by version: 2 REFER, 3 TRUNCATE, 5 IOCTL_DEV; before each, none of them.
_HANDLED = (0, 0x1FFF, 0x3FFF, 0x7FFF, 0x7FFF, 0xFFFF)
_NETWORK = 0b11  # bind and connect by TCP, from version 4 on
_SCOPED = 0b11  # abstract sockets and signals of others, from version 6 on

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # one number on every architecture
_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The kernel's version of the interface; 0 where there is none, or it may not be used."""
    found = _libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    return max(int(found), 0)


def restrict(rules: list[tuple[bytes | int, int]]) -> None:
    """Leave to this process the rights over each path or descriptor; paths that are absent pass.

    For good; needs no_new_privs. Raises OSError.
    """
    known = version()
    handled = _HANDLED[min(known, len(_HANDLED) - 1)]
    attributes = _Ruleset(handled, _NETWORK if known >= 4 else 0, _SCOPED if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = _call(_CREATE, ctypes.byref(attributes), ctypes.c_size_t(size), ctypes.c_uint32(0))
    for place, rights in rules:
        _allow(ruleset, place, rights & handled)
    _call(_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, place: bytes | int, rights: int) -> None:
    try:
        opened = place if isinstance(place, int) else os.open(place, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(os.fstat(opened).st_mode):
        rights &= _FILE
    rule = _Beneath(rights, opened)
    _call(_ADD, ctypes.c_int(ruleset), _PATH_BENEATH, ctypes.byref(rule), ctypes.c_uint32(0))
    if opened != place:
        os.close(opened)


def _call(number: int, *arguments: object) -> int:
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {errno.errorcode.get(code, code)}")
    return result
