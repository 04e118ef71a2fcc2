"""The system call filter of commands: a program for the kernel's seccomp(2), in classic BPF.

It takes away what a command has no use for and the kernel has often been attacked through. Where a
command shares its network or its user with others, it also takes away what neither file rights nor
Landlock judge. A call that is refused fails with EPERM; clone3, whose flags cannot be seen, is
unknown (ENOSYS), and libraries then use clone.

The numbers are the kernel's own: arch/x86/entry/syscalls/syscall_64.tbl, and include/uapi/asm-
generic/unistd.h.
"""

import errno
import struct

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""The audit numbers of the machines that are known (include/uapi/linux/audit.h)."""

_SURFACE = {
    "x86_64": (
        *(248, 249, 250),  # add_key, request_key, keyctl
        *(321, 298, 323),  # bpf, perf_event_open, userfaultfd
        *(425, 426, 427),  # io_uring_*: would open sockets that no filter sees
        *(101, 310, 311, 438),  # ptrace, process_vm_readv, process_vm_writev, pidfd_getfd
        *(165, 166, 155, 429, 428, 430, 431, 432, 433, 442),  # mount and its kin
        *(272, 308),  # unshare, setns
        *(319, 447),  # memfd_create, memfd_secret: memory that RLIMIT_AS does not count
    ),
    "aarch64": (
        *(217, 218, 219),
        *(280, 241, 282),
        *(425, 426, 427),
        *(117, 270, 271, 438),
        *(40, 39, 41, 429, 428, 430, 431, 432, 433, 442),
        *(97, 268),
        *(279, 447),
    ),
}
# socket, connect, bind. Of socketpair, only what cannot be connected to another address.
_NETWORK = {"x86_64": (41, 42, 49), "aarch64": (198, 203, 200)}
_SOCKETPAIR = {"x86_64": 53, "aarch64": 199}
# shmget, semget, msgget, mq_open: what they make outlives all processes, and no limit counts it.
_IPC = {"x86_64": (29, 64, 68, 240), "aarch64": (194, 190, 186, 180)}
# Rights, owners and attributes by path, and priorities: Landlock does not judge them.
_ATTRIBUTES = {
    "x86_64": (
        *(90, 268, 452),  # chmod, fchmodat, fchmodat2
        *(92, 94, 260),  # chown, lchown, fchownat
        *(188, 189, 463, 197, 198, 466, 469),  # setxattr, removexattr and kin, file_setattr
        *(141, 251),  # setpriority, ioprio_set
    ),
    "aarch64": (*(53, 452), 54, *(5, 6, 463, 14, 15, 466, 469), *(140, 30)),
}
# prlimit64, sched_setscheduler, sched_setparam, sched_setaffinity, sched_setattr: of others.
_OF_OTHERS = {"x86_64": (302, 144, 142, 203, 314), "aarch64": (261, 119, 118, 122, 274)}
# Of sockets, those of these families are confined to a network namespace. AF_VSOCK, for one, is
# not: it leads from a virtual machine to its host, and the host to whoever listens.
_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE3 = 435
_CLONE_NEWUSER = 0x10000000
_X32 = 0x40000000  # the bit of the second table of x86_64
_SOCK_TYPE, _SOCK_DGRAM = 0xF, 2

# struct seccomp_data: where the number, the machine and the low half of each argument stand.
_NUMBER, _MACHINE, _FIRST, _SECOND = 0, 4, 16, 24
_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_EQUAL, _AT_LEAST, _ANY_BIT = 0x15, 0x35, 0x45
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000


def build_filter(machine: str, *, network: bool, same_user: bool) -> bytes:
    """The filter for commands on a `machine`, as an array of struct sock_filter.

    `network`: whether sockets are left, as in a network namespace, of the kinds that it holds.
    `same_user`: whether others run as the same user and are to be left alone. Raises OSError for a
    machine that is not known.
    """
    if machine not in ARCHITECTURES:
        raise OSError(errno.ENOSYS, f"the system calls of {machine} are not known here")
    program = [
        _step(_LOAD, _MACHINE),
        _step(_EQUAL, ARCHITECTURES[machine], 1, 0),
        _step(_RETURN, _KILL),
        _step(_LOAD, _NUMBER),
        *(_never_from(_X32) if machine == "x86_64" else ()),
        *_never(_CLONE3, errno.ENOSYS),
        *_only_if(_CLONE[machine], _FIRST, _step(_ANY_BIT, _CLONE_NEWUSER, 0, 1)),
    ]
    for number in _SURFACE[machine]:
        program += _never(number)
    if network:
        known = (_step(_EQUAL, each, len(_FAMILIES) - n) for n, each in enumerate(_FAMILIES))
        program += _only_if(_NETWORK[machine][0], _FIRST, *known)
    else:
        for number in (*_NETWORK[machine], *_IPC[machine]):
            program += _never(number)
        refused = (_step(_AND, _SOCK_TYPE), _step(_EQUAL, _SOCK_DGRAM, 0, 1))
        program += _only_if(_SOCKETPAIR[machine], _SECOND, *refused)
    if same_user:
        for number in _ATTRIBUTES[machine]:
            program += _never(number)
        for number in _OF_OTHERS[machine]:
            program += _only_if(number, _FIRST, _step(_EQUAL, 0, 1, 0))
    return b"".join([*program, _step(_RETURN, _ALLOW)])


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    """One struct sock_filter: the steps to pass over, where the test holds and where not."""
    return struct.pack("=HBBI", code, then, otherwise, value)


def _never(number: int, code: int = errno.EPERM) -> tuple[bytes, ...]:
    return (_step(_EQUAL, number, 0, 1), _step(_RETURN, _FAIL | code))


def _never_from(number: int) -> tuple[bytes, ...]:
    return (_step(_AT_LEAST, number, 0, 1), _step(_RETURN, _FAIL | errno.EPERM))


def _only_if(number: int, argument: int, *refused: bytes) -> tuple[bytes, ...]:
    """Refuse one call where the last of `refused`, on one of its arguments, does not pass over."""
    inner = (_step(_LOAD, argument), *refused)
    outcome = (_step(_RETURN, _FAIL | errno.EPERM), _step(_RETURN, _ALLOW))
    return (_step(_EQUAL, number, 0, len(inner) + len(outcome)), *inner, *outcome)
