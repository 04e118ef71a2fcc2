"""What is ordered for a command, at each level of isolation.

bwrap       namespaces: it sees the system's programs, the workspace, a /tmp, and no network
user        another user than Sidegate, no sockets, and Landlock where the kernel has it
unconfined  the same user, no sockets, Landlock, and a filter for what Landlock does not judge
"""

import itertools
import math
import os
import resource
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from proxy.actions import Command
from proxy.config.runtime import NativeConfig
from proxy.isolation.environment import GIT
from proxy.isolation.native import bubblewrap, landlock
from proxy.isolation.native.order import MARK, Order
from proxy.isolation.native.syscalls import build_filter
from proxy.isolation.owner import Owner
from proxy.process import find

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_MEGABYTE = 1024 * 1024
_OPEN_FILES = 1024
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_LOCAL = ("/etc/passwd", "/etc/group", *bubblewrap.SETTINGS)
_ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8", **GIT}


class Level(StrEnum):
    """How far a command is kept away from the machine, the furthest first."""

    BWRAP = "bwrap"
    USER = "user"
    UNCONFINED = "unconfined"


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs that commands are started by, as full paths; `bwrap` for its level only."""

    prlimit: str
    bwrap: str | None = None


@dataclass(frozen=True, slots=True)
class Ground:
    """What all commands have in common.

    `owner`: the user to become, where Sidegate is root; None: it stays who it is. `folder`: the
    workspace, by its real path and its descriptor; None: commands see none. `machine` as uname(2)
    says it.
    """

    section: NativeConfig
    tools: Tools
    owner: Owner | None
    folder: tuple[str, int] | None
    machine: str

    @classmethod
    def here(
        cls,
        section: NativeConfig,
        folder: tuple[str, int] | None,
        owner: Owner,
        path: str = PATH,
    ) -> "Ground":
        """On this machine, with the programs in `path`; raises OSError without prlimit."""
        tools = Tools(find("prlimit", {"PATH": path}), _bwrap(path))
        return cls(section, tools, None if os.geteuid() else owner, folder, os.uname().machine)


@dataclass(frozen=True, slots=True)
class Request:
    """One command on it. `env`: that of its tool. `name`: its supervisor's, which marks it."""

    plan: Command
    env: Mapping[str, str]
    name: str

    @property
    def tmp(self) -> str:
        """A folder of its own, where it has no /tmp."""
        return os.path.join(tempfile.gettempdir(), self.name)


def build_order(level: Level, ground: Ground, request: Request, control: int) -> Order:
    """The order for a supervisor whose socket is `control`.

    Raises OSError for what no command line can hold, and on a machine whose calls are not known.
    """
    try:
        argv = [os.fsencode(word) for word in (*_limits(ground, request.plan), *request.plan.argv)]
    except UnicodeEncodeError as error:
        raise OSError("not encodable as an argument of a command") from error
    if any(b"\0" in word for word in argv):
        raise OSError("NUL in an argument of a command")
    if level is Level.BWRAP:
        return _wrapped(ground, request, argv, control)
    return _bare(level, ground, request, argv)


def _bwrap(path: str) -> str | None:
    try:
        return find("bwrap", {"PATH": path})
    except FileNotFoundError:
        return None


def _wrapped(ground: Ground, request: Request, argv: list[bytes], control: int) -> Order:
    assert ground.tools.bwrap is not None
    taken = {control, *ground.folder[1:]} if ground.folder else {control}
    free = (number for number in itertools.count(10) if number not in taken)
    arguments, passwd_file, group_file, calls = itertools.islice(free, 4)
    descriptors = bubblewrap.Descriptors(arguments, passwd_file, group_file, calls, control)
    owner = ground.owner or Owner(os.geteuid(), os.getegid())
    passwd, group = bubblewrap.users(owner.uid, owner.gid)
    env = {**_ENVIRONMENT, "HOME": bubblewrap.TMP, **request.env}
    start = bubblewrap.command(ground.tools.bwrap, descriptors)
    return Order(
        argv=[*map(os.fsencode, start), *argv],
        env={os.fsencode(MARK): os.fsencode(request.name)},
        ids=_ids(ground),
        files={
            descriptors.arguments: bubblewrap.arguments(
                descriptors, env, ground.folder, writes=request.plan.writes
            ),
            descriptors.passwd: passwd,
            descriptors.group: group,
            descriptors.filter: build_filter(ground.machine, network=True, same_user=False),
        },
        tells=True,
    )


def _bare(level: Level, ground: Ground, request: Request, argv: list[bytes]) -> Order:
    # Landlock does not judge rights: a command that does not write must not change them either.
    same_user = level is Level.UNCONFINED or not request.plan.writes
    own = {"HOME": request.tmp, "TMPDIR": request.tmp, MARK: request.name}
    env = {**_ENVIRONMENT, **own, **request.env}
    return Order(
        argv=argv,
        env={os.fsencode(name): os.fsencode(value) for name, value in env.items()},
        folder=ground.folder[1] if ground.folder else None,
        ids=_ids(ground),
        tmp=os.fsencode(request.tmp),
        rules=list(_rules(ground, request)) if landlock.version() else None,
        filter=build_filter(ground.machine, network=False, same_user=same_user),
    )


def _rules(ground: Ground, request: Request) -> Iterator[tuple[bytes | int, int]]:
    for path in (*bubblewrap.PROGRAMS, *_LOCAL):
        yield os.fsencode(path), landlock.READ
    for path in (*_DEVICES, request.tmp):
        yield os.fsencode(path), landlock.WRITE
    if ground.folder:
        yield ground.folder[1], landlock.WRITE if request.plan.writes else landlock.READ


def _ids(ground: Ground) -> tuple[int, int] | None:
    return (ground.owner.uid, ground.owner.gid) if ground.owner else None


def _limits(ground: Ground, plan: Command) -> Iterator[str]:
    """The program that sets the limits and becomes the command, which follows."""
    section = ground.section
    yield ground.tools.prlimit
    for name, kind, value in (
        ("as", resource.RLIMIT_AS, section.memory_limit_mb * _MEGABYTE),
        ("nproc", resource.RLIMIT_NPROC, section.max_processes),
        ("fsize", resource.RLIMIT_FSIZE, section.max_file_mb * _MEGABYTE),
        ("nofile", resource.RLIMIT_NOFILE, _OPEN_FILES),
        ("core", resource.RLIMIT_CORE, 0),
        ("cpu", resource.RLIMIT_CPU, math.ceil(plan.seconds) + 1),
    ):
        _, most = resource.getrlimit(kind)
        yield f"--{name}={value if most == resource.RLIM_INFINITY else min(value, most)}"
    yield "--"
