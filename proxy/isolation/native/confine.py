"""Confine this very process for good, before it becomes the command.

The order matters: the kernel lets go of the leash when the user changes, Landlock and a filter need
no_new_privs, and the filter may forbid what all the others need.
"""

import ctypes
import os

from proxy.isolation.native.landlock import restrict
from proxy.isolation.native.order import Order

_SET_DEATH_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP = 1, 4, 22
_SET_SUBREAPER, _SET_NO_NEW_PRIVS = 36, 38
_FILTER = 2  # SECCOMP_MODE_FILTER
# By their numbers: the module that names them loads slowly.
_KILL, _PIPE, _FILE_SIZE = 9, 13, 25  # SIGKILL, SIGPIPE, SIGXFSZ
_ASKING = (1, 2, 15)  # SIGHUP, SIGINT, SIGTERM
_DEFAULT, _IGNORE = ctypes.c_void_p(0), ctypes.c_void_p(1)
_RIGHTS_TAKEN = 0o022
_STEP_BYTES = 8

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """struct sock_fprog of seccomp(2)."""

    _fields_ = (("steps", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends: none gets away."""
    _prctl(_SET_SUBREAPER, 1)


def stay() -> None:
    """Ignore what asks a whole group of processes to end: this one ends after the command."""
    for number in _ASKING:
        _libc.signal(number, _IGNORE)


def hide() -> None:
    """Let no process of the same user look into this one (/proc/PID/mem, core dumps)."""
    _prctl(_SET_DUMPABLE, 0)


def confine(order: Order, supervisor: int) -> None:
    """All that the order says of user, place, Landlock and system calls; raises OSError."""
    _expendable()
    _heed_signals()
    os.umask(_RIGHTS_TAKEN)
    if order.ids is not None:
        become(*order.ids)
    _leash(supervisor)
    _prctl(_SET_NO_NEW_PRIVS, 1)
    if order.folder is not None:
        os.fchdir(order.folder)
    elif order.tmp is not None:
        os.chdir(order.tmp)
    if order.rules is not None:
        restrict(order.rules)
    if order.filter is not None:
        _obey(order.filter)


def _expendable() -> None:
    """Where memory runs out, the kernel is to choose the command, and not Sidegate."""
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")


def _heed_signals() -> None:
    """As programs expect: Python ignores some, and the supervisor others."""
    for number in (*_ASKING, _PIPE, _FILE_SIZE):
        _libc.signal(number, _DEFAULT)


def become(uid: int, gid: int) -> None:
    """Be this user and no other, for good; raises OSError."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _leash(supervisor: int) -> None:
    """Die with the supervisor, should it be killed; it may have been before this was said."""
    _prctl(_SET_DEATH_SIGNAL, _KILL)
    if os.getppid() != supervisor:
        raise ProcessLookupError(0, "the supervisor is gone")


def _obey(steps: bytes) -> None:
    program = _Program(len(steps) // _STEP_BYTES, steps)
    if _libc.prctl(_SET_SECCOMP, ctypes.c_ulong(_FILTER), ctypes.byref(program), 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, f"seccomp: {os.strerror(code)}")


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), 0):
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")
