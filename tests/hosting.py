"""Engines of a test's own, each in a folder of its own, with the tests' image loaded.

They see mounts of their own: crun refuses a machine that has both versions of control groups, so
that of version 2, which holds nothing there, is unmounted for them. Only root can start them.
"""

import asyncio
import contextlib
import io
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import aiodocker
import aiohttp
import pytest
from conftest import IMAGE

START_SECONDS = 30.0
SUB_IDS = 300_000  # ids that no user of this machine has, for a user namespace
RUNTIMES = {
    "crun": {"path": "/usr/bin/crun"},
    # Its own network stack has nothing to take over from a container without one.
    "runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--network=none", "--platform=ptrace"]},
}
_ONE_VERSION = "umount /sys/fs/cgroup/unified 2>/dev/null;"
_DOCKERD = "exec dockerd --bridge=none --iptables=false --ip6tables=false"

# Killing the first of a process namespace ends an engine with all that it started.
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")

# Podman asks for more processes than a machine may allow to root that lacks CAP_SYS_RESOURCE.
_CRUN = r"""#!/bin/sh
for word; do
  if [ "$last" = --bundle ]; then
    sed -i -E 's/\{"type":"RLIMIT_NPROC"[^}]*\},?//; s/,\]/]/' "$word/config.json"
  fi
  last=$word
done
exec crun "$@"
"""


@contextlib.contextmanager
def docker(source: str, *, without: tuple[str, ...] = ()) -> Iterator[str]:
    """A Docker engine that knows crun and runsc; its address. `without`: controllers it lacks.

    `source`: the address of the engine that has the image.
    """
    need("dockerd", "crun", "runsc")
    with _folder() as folder:
        (folder / "daemon.json").write_text(json.dumps({"runtimes": RUNTIMES}))
        lost = "".join(f"umount /sys/fs/cgroup/{name};" for name in without)
        line = f"{_ONE_VERSION} {lost} {_DOCKERD} {_places(folder)} --config-file daemon.json"
        with _running([*_ALONE, "sh", "-c", line], folder, source) as host:
            yield host


@contextlib.contextmanager
def podman(source: str) -> Iterator[str]:
    """Podman's service, with crun; its address."""
    need("podman", "crun", "catatonit")
    with _folder() as folder:
        runtime = folder / "crun"
        runtime.write_text(_CRUN)
        runtime.chmod(0o755)
        line = (
            f"{_ONE_VERSION} exec podman --root {folder}/data --runroot {folder}/run"
            f" --tmpdir {folder}/tmp --network-config-dir {folder}/net --events-backend=file"
            f" --cgroup-manager=cgroupfs --runtime {runtime}"
            f" system service --time=0 unix://{folder}/engine.sock"
        )
        with _running([*_ALONE, "sh", "-c", line], folder, source) as host:
            yield host


@contextlib.contextmanager
def rootless(source: str) -> Iterator[str]:
    """A Docker engine in a user namespace, as rootlesskit makes one; its address."""
    need("dockerd")
    with _folder() as folder:
        for path in (folder, folder / "data", folder / "home"):
            path.mkdir(exist_ok=True)
            os.chown(path, SUB_IDS, SUB_IDS)
        holder = subprocess.Popen(["unshare", "--user", "--mount", "sleep", "infinity"])
        try:
            _map_ids(holder.pid)
            inside = ["nsenter", "--user", "--mount", "--target", str(holder.pid)]
            line = f"mount -t tmpfs tmpfs /run && {_DOCKERD} {_places(folder)}"
            command = [*inside, "--setuid", "0", "--setgid", "0", "sh", "-c", line]
            places = {"HOME": f"{folder}/home", "XDG_RUNTIME_DIR": "/run"}
            more = {**places, "ROOTLESSKIT_STATE_DIR": "/run"}
            with _running(command, folder, source, more) as host:
                yield host
        finally:
            holder.kill()
            holder.wait()


def need(*programs: str) -> None:
    """Skip the test where it cannot be."""
    missing = [program for program in programs if shutil.which(program) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"only root can start an engine; missing here: {', '.join(missing) or '-'}")


def _places(folder: Path) -> str:
    return (
        f"--host unix://{folder}/engine.sock --data-root {folder}/data"
        f" --exec-root {folder}/exec --pidfile {folder}/pid"
    )


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A folder with a short path, since sockets lie in it, that other users may enter."""
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        until = time.monotonic() + START_SECONDS
        while folder.exists() and time.monotonic() < until:  # what was killed is not gone at once
            shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.01)


@contextlib.contextmanager
def _running(
    command: list[str], folder: Path, source: str, more: Mapping[str, str] | None = None
) -> Iterator[str]:
    """An engine, from when it answers and has the image, until it is ended."""
    host = f"unix://{folder}/engine.sock"
    environ = {**os.environ, **(more or {})}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
    try:
        _wait((folder / "engine.sock").exists, process, folder)
        asyncio.run(_load(source, host))
        yield host
    finally:
        _end(process, at_once=command[0] == _ALONE[0])


def _end(process: "subprocess.Popen[bytes]", *, at_once: bool) -> None:
    """By its own id alone; an engine without a namespace of processes ends its parts itself."""
    if not at_once:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(START_SECONDS)
    process.kill()
    process.wait()


def _wait(holds: Callable[[], bool], process: "subprocess.Popen[bytes]", folder: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while not holds():
        if process.poll() is not None or time.monotonic() > until:
            pytest.fail(f"the engine did not start: {(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.05)


def _map_ids(process: int) -> None:
    """Its root is an id that is nobody's here."""
    ours, theirs = Path("/proc/self/ns/user"), Path(f"/proc/{process}/ns/user")
    until = time.monotonic() + START_SECONDS
    while ours.stat().st_ino == theirs.stat().st_ino and time.monotonic() < until:
        time.sleep(0.01)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{process}/{name}").write_text(f"0 {SUB_IDS} 65536")


async def _load(source: str, host: str) -> None:
    """The tests' image, from the engine that has it."""
    async with (
        asyncio.timeout(START_SECONDS),
        aiodocker.Docker(url=source) as full,
        aiodocker.Docker(url=host) as engine,
    ):
        async with full.images.export_image(IMAGE) as exported:
            image = await exported.read()
        while True:
            try:
                await engine.images.import_image(io.BytesIO(image))
            except (aiodocker.DockerError, aiohttp.ClientError):  # a socket is there before it
                await asyncio.sleep(0.05)
            else:
                return
