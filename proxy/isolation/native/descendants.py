"""Kill all descendants of this process, however fast they fork.

They are stopped first, tree by tree and round by round: a stopped process still counts against the
limit of its user, so that those that go on forking find no room. What has got away from its parent
is a child of this process, which adopts orphans.
"""

import ctypes
import os

_KILL, _STOP = 9, 19  # SIGKILL, SIGSTOP; the module that names them loads slowly
_PIDFD_SEND_SIGNAL = 424  # one number on every architecture since Linux 5.1
_ROUNDS = 100

_libc = ctypes.CDLL(None, use_errno=True)


def check_kernel() -> None:
    """Raises OSError where the kernel does not tell of children (CONFIG_PROC_CHILDREN)."""
    with open(f"/proc/self/task/{os.getpid()}/children", "rb"):
        pass


def kill_all() -> None:
    """Return when every descendant has ended and is reaped."""
    stopped: set[int] = set()
    for _ in range(_ROUNDS):
        new = _signal_each(os.getpid(), _STOP, stopped)
        if not new:
            break
        stopped |= new
    while _any_reaped():
        pass


def _any_reaped() -> bool:
    """Kill them, and wait for at least one; False where there is none."""
    _signal_each(os.getpid(), _KILL, set())
    try:
        os.waitpid(-1, 0)
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _signal_each(root: int, number: int, known: set[int]) -> set[int]:
    """Signal the descendants that are not known; which ones were."""
    signalled: set[int] = set()
    parents = [root]
    while parents:
        parent = parents.pop()
        for child in _children(parent):
            parents.append(child)
            if child not in known and _signal(parent, child, number):
                signalled.add(child)
    return signalled


def _children(parent: int) -> list[int]:
    """Those of each of its threads; none where it has ended."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{parent}/task"):
            with open(f"/proc/{parent}/task/{thread}/children", "rb", buffering=0) as file:
                found += map(int, file.readall().split())
    except OSError:
        pass
    return found


def _signal(parent: int, child: int, number: int) -> bool:
    """By a descriptor that was opened while it was that child: the number may pass to another."""
    try:
        descriptor = os.pidfd_open(child)
    except OSError:
        return False
    try:
        return child in _children(parent) and not _libc.syscall(
            _PIDFD_SEND_SIGNAL, ctypes.c_int(descriptor), ctypes.c_int(number), None, 0
        )
    finally:
        os.close(descriptor)
