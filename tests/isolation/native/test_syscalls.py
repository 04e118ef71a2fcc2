"""The filter as a table, and by a small machine of the test's own that runs it."""

import errno
import os
import struct

import pytest

from proxy.isolation.native.syscalls import ARCHITECTURES, build_filter

ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
REFUSED = FAIL | errno.EPERM
X86 = ARCHITECTURES["x86_64"]


def outcome(program: bytes, number: int, *arguments: int, machine: int = X86) -> int:
    """What the kernel would answer: classic BPF on a struct seccomp_data."""
    values = (*arguments, *([0] * (6 - len(arguments))))
    data = struct.pack("=IIQ6Q", number, machine, 0, *values)
    steps = list(struct.iter_unpack("=HBBI", program))
    at, held = 0, 0
    while True:
        code, then, otherwise, value = steps[at]
        at += 1
        match code:
            case 0x20:
                held = struct.unpack_from("=I", data, value)[0]
            case 0x54:
                held &= value
            case 0x06:
                return int(value)
            case 0x15:
                at += then if held == value else otherwise
            case 0x35:
                at += then if held >= value else otherwise
            case 0x45:
                at += then if held & value else otherwise


@pytest.mark.parametrize(
    ("number", "arguments"),
    [(165, ()), (425, ()), (101, ()), (272, ()), (250, ()), (56, (0x10000000,)), (0x40000001, ())],
    ids=["mount", "io_uring", "ptrace", "unshare", "keyctl", "clone of a user", "x32"],
)
def test_what_no_command_needs_is_refused(number: int, arguments: tuple[int, ...]) -> None:
    for network in (True, False):
        program = build_filter("x86_64", network=network, same_user=False)
        assert outcome(program, number, *arguments) == REFUSED


@pytest.mark.parametrize("number", [0, 1, 2, 39, 57, 59, 231, 302], ids=str)
def test_what_every_command_needs_is_allowed(number: int) -> None:
    program = build_filter("x86_64", network=False, same_user=True)

    assert outcome(program, number) == ALLOW


def test_threads_and_processes_are_made_by_clone() -> None:
    program = build_filter("x86_64", network=False, same_user=True)

    assert outcome(program, 56, 0x003D0F00) == ALLOW
    assert outcome(program, 435) == FAIL | errno.ENOSYS


def test_another_machines_calls_end_the_process() -> None:
    """Those of 32 bits have other numbers."""
    program = build_filter("x86_64", network=True, same_user=False)

    assert outcome(program, 39, machine=0x40000003) == KILL


@pytest.mark.parametrize(
    ("number", "arguments", "left"),
    [
        pytest.param(41, (1, 1), False, id="a socket"),
        pytest.param(42, (3,), False, id="connect"),
        pytest.param(53, (1, 1), True, id="a pair that is a stream"),
        pytest.param(53, (1, 1 | 0o2000000), True, id="with flags"),
        pytest.param(53, (1, 2), False, id="a pair that can be sent from"),
        pytest.param(53, (1, 2 | 0o4000), False, id="that too with flags"),
    ],
)
def test_without_a_network_of_its_own_there_are_no_sockets(
    number: int, arguments: tuple[int, ...], *, left: bool
) -> None:
    alone = build_filter("x86_64", network=True, same_user=False)
    shared = build_filter("x86_64", network=False, same_user=False)

    assert outcome(alone, number, *arguments) == ALLOW
    assert outcome(shared, number, *arguments) == (ALLOW if left else REFUSED)


@pytest.mark.parametrize("number", [29, 64, 68, 240], ids=["shm", "sem", "msg", "mq"])
def test_nothing_is_left_in_a_shared_ipc_namespace(number: int) -> None:
    alone = build_filter("x86_64", network=True, same_user=False)
    shared = build_filter("x86_64", network=False, same_user=False)

    assert outcome(alone, number) == ALLOW
    assert outcome(shared, number) == REFUSED


@pytest.mark.parametrize("family", [1, 2, 10, 16], ids=["unix", "inet", "inet6", "netlink"])
def test_sockets_that_a_network_namespace_holds_are_left(family: int) -> None:
    program = build_filter("x86_64", network=True, same_user=False)

    assert outcome(program, 41, family, 1) == ALLOW


@pytest.mark.parametrize("family", [0, 17, 38, 40, 44, 0xFFFFFFFF], ids=str)
def test_sockets_that_lead_around_a_network_namespace_are_refused(family: int) -> None:
    """40 is AF_VSOCK, which leads to the host of a virtual machine."""
    program = build_filter("x86_64", network=True, same_user=False)

    assert outcome(program, 41, family, 1) == REFUSED
    assert outcome(program, 41, 1 << 32 | family, 1) == REFUSED  # the kernel's is the low half


@pytest.mark.parametrize(
    ("number", "arguments", "left"),
    [
        pytest.param(90, (), False, id="chmod"),
        pytest.param(91, (), True, id="fchmod of what was opened"),
        pytest.param(302, (0,), True, id="its own limits"),
        pytest.param(302, (1234,), False, id="the limits of another"),
    ],
)
def test_others_of_the_same_user_are_left_alone(
    number: int, arguments: tuple[int, ...], *, left: bool
) -> None:
    other = build_filter("x86_64", network=False, same_user=False)
    same = build_filter("x86_64", network=False, same_user=True)

    assert outcome(other, number, *arguments) == ALLOW
    assert outcome(same, number, *arguments) == (ALLOW if left else REFUSED)


def test_an_arm_machine_has_its_own_numbers() -> None:
    program = build_filter("aarch64", network=False, same_user=True)
    arm = ARCHITECTURES["aarch64"]

    assert outcome(program, 198, machine=arm) == REFUSED
    assert outcome(program, 41, machine=arm) == REFUSED
    assert outcome(program, 64, machine=arm) == ALLOW


def test_a_machine_that_is_not_known_is_an_error() -> None:
    with pytest.raises(OSError, match="riscv64"):
        build_filter("riscv64", network=True, same_user=False)


def test_this_machine_is_known() -> None:
    assert os.uname().machine in ARCHITECTURES
