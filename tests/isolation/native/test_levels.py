"""What is ordered, as values. What it does is in test_runtime."""

import os
import resource

import pytest

from proxy.actions import Command
from proxy.config.runtime import NativeConfig
from proxy.isolation.native.landlock import READ, WRITE
from proxy.isolation.native.levels import Ground, Level, Request, Tools, build_order
from proxy.isolation.owner import Owner

GROUND = Ground(
    NativeConfig(memory_limit_mb=64, max_processes=5, max_file_mb=2),
    Tools("/usr/bin/prlimit", "/usr/bin/bwrap"),
    Owner(1000, 1001),
    ("/srv/work", 11),
    "x86_64",
)


def request(*argv: str, writes: bool = True, **env: str) -> Request:
    return Request(Command(argv, 1.5, writes=writes), env, "sidegate-i-1")


@pytest.mark.parametrize("level", Level)
def test_limits_are_set_before_the_command_begins(level: Level) -> None:
    argv = build_order(level, GROUND, request("ls", "-l"), 10).argv

    start = argv.index(b"/usr/bin/prlimit")
    assert argv[start + 1 :] == [
        *(b"--as=67108864", b"--nproc=5", b"--fsize=2097152", b"--nofile=1024"),
        *(b"--core=0", b"--cpu=3", b"--", b"ls", b"-l"),
    ]


def test_no_limit_is_above_sidegates_own() -> None:
    """Which may not be raised, so that the command would not start."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    order = build_order(Level.USER, GROUND, request("ls"), 10)

    assert f"--nofile={min(1024, most)}".encode() in order.argv


@pytest.mark.parametrize("level", Level)
def test_a_tools_environment_is_nowhere_on_the_command_line(level: Level) -> None:
    order = build_order(level, GROUND, request("ls", TOKEN="s3cret"), 10)

    assert not any(b"s3cret" in word for word in order.argv)


def test_a_tools_environment_does_not_reach_bubblewrap_itself() -> None:
    """It runs outside, where LD_PRELOAD and its like would be obeyed."""
    order = build_order(Level.BWRAP, GROUND, request("ls", LD_PRELOAD="/srv/work/x.so"), 10)

    assert set(order.env) == {b"SIDEGATE_SANDBOX"}


def test_numbers_that_are_taken_are_not_used_again() -> None:
    order = build_order(Level.BWRAP, GROUND, request("ls"), 10)

    assert len(order.files) == 4
    assert not {10, 11} & set(order.files)


@pytest.mark.parametrize(("writes", "rights"), [(True, WRITE), (False, READ)])
def test_the_workspace_is_left_by_its_descriptor(*, writes: bool, rights: int) -> None:
    order = build_order(Level.UNCONFINED, GROUND, request("ls", writes=writes), 10)

    assert order.rules is not None
    assert (11, rights) in order.rules


def test_only_the_workspace_devices_and_an_own_folder_may_be_written() -> None:
    order = build_order(Level.UNCONFINED, GROUND, request("ls"), 10)

    assert order.rules is not None
    written = {place for place, rights in order.rules if rights == WRITE}
    assert {place for place in written if not str(place).startswith("b'/dev/")} == {11, order.tmp}


@pytest.mark.parametrize("argument", ["a\0b", "\ud800"])
def test_what_no_command_line_holds_is_an_error(argument: str) -> None:
    with pytest.raises(OSError, match="argument"):
        build_order(Level.USER, GROUND, request("echo", argument), 10)


def test_here_is_this_machine() -> None:
    ground = Ground.here(NativeConfig(), None, Owner(1, 2))

    assert ground.machine == os.uname().machine
    assert ground.owner == (None if os.geteuid() else Owner(1, 2))
    assert os.access(ground.tools.prlimit, os.X_OK)
