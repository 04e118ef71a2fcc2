"""The sandbox of a command on this machine, literally: the arguments of bwrap(1).

They go to it on a descriptor, and not on its command line, since they hold the command's own
environment. What a command sees is said here once, line by line, so that it can be audited in a
minute. Nothing in it comes from a request.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

TMP = "/tmp"  # noqa: S108 - inside the sandbox
TMP_BYTES = 16 * 1024 * 1024

PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Where a Linux has its programs and their libraries; which are links differs."""

SETTINGS = (
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives"),
    *("/etc/nsswitch.conf", "/etc/localtime", "/etc/ssl/certs", "/etc/ssl/openssl.cnf"),
)
"""What programs need to start and to know of the world; nothing of this machine's own."""


@dataclass(frozen=True, slots=True)
class Descriptors:
    """The numbers under which bwrap has what it reads, and what it tells to."""

    arguments: int
    passwd: int
    group: int
    filter: int
    control: int


def command(bwrap: str, descriptors: Descriptors) -> tuple[str, ...]:
    """What starts a sandbox; the command follows."""
    return (bwrap, "--args", str(descriptors.arguments), "--")


def arguments(
    descriptors: Descriptors,
    env: Mapping[str, str],
    folder: tuple[str, int] | None,
    *,
    writes: bool,
) -> bytes:
    """All options, with a NUL after each. `folder`: the workspace, by its path and descriptor."""
    options = [
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup-try", "--disable-userns", "--cap-drop", "ALL"),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox"),
        *("--seccomp", str(descriptors.filter), "--json-status-fd", str(descriptors.control)),
        *("--clearenv", *_each("--setenv", env.items())),
        *_programs(),
        *_each("--ro-bind-try", ((path, path) for path in SETTINGS)),
        *("--ro-bind-data", str(descriptors.passwd), "/etc/passwd"),
        *("--ro-bind-data", str(descriptors.group), "/etc/group"),
        *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
        *("--perms", "1777", "--size", str(TMP_BYTES), "--tmpfs", TMP),
        *_workspace(folder, writes=writes),
        *("--remount-ro", "/"),
    ]
    return b"".join(os.fsencode(option) + b"\0" for option in options)


def users(uid: int, gid: int) -> tuple[bytes, bytes]:
    """A passwd and a group file, with the one user that there is."""
    return (
        f"sandbox:x:{uid}:{gid}::{TMP}:/bin/sh\n".encode(),
        f"sandbox:x:{gid}:\n".encode(),
    )


def _each(option: str, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for first, second in pairs:
        yield from (option, first, second)


def _programs() -> Iterator[str]:
    """As they are here: where the old names are links, the sandbox has the same links."""
    for path in PROGRAMS:
        if os.path.islink(path):
            yield from ("--symlink", os.readlink(path), path)
        elif os.path.isdir(path):
            yield from ("--ro-bind", path, path)


def _workspace(folder: tuple[str, int] | None, *, writes: bool) -> Iterator[str]:
    """The folder that was opened, under its own path, whatever that path means by now."""
    if folder is None:
        yield from ("--chdir", TMP)
        return
    path, descriptor = folder
    yield from ("--bind-fd" if writes else "--ro-bind-fd", str(descriptor), path)
    yield from ("--chdir", path)
