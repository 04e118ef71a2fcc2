"""Run commands as processes of this machine, at each level, whoever runs the tests.

As root, the level that is for others than root is tried by a Python of another user's: this module,
run as a program.
"""

import asyncio
import contextlib
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from proxy.actions import Command
from proxy.config.runtime import NativeConfig
from proxy.isolation.native.levels import Ground, Level
from proxy.isolation.native.probe import probe
from proxy.isolation.native.runtime import NativeRuntime
from proxy.isolation.owner import Owner
from proxy.isolation.run import STDERR, STDOUT, Run

LIBRARY_SIGNALS = 3 << 31
"""32 and 33, which the C library keeps for itself: what starts us may ignore them, for good."""

ROOT = os.geteuid() == 0
OWNER = Owner(1000, 1001) if ROOT else Owner(os.geteuid(), os.getegid())
LEVELS = [level for level in Level if ROOT or level is not Level.USER]
INSTANCE = f"test{os.getpid()}"
"""Whose the processes of these tests are: several workers may test at one time."""
_TESTS = Path(__file__).parent


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str
    result: str
    truncated: bool = False


@dataclass(frozen=True)
class Place:
    """A workspace that belongs to a user of its own, and what lies around it."""

    base: str
    section: Mapping[str, Any] = field(default_factory=dict)

    @property
    def workspace(self) -> str:
        return os.path.join(self.base, "workspace")

    @property
    def state(self) -> str:
        """A folder as Sidegate's own."""
        return os.path.join(self.base, "state")

    @contextlib.contextmanager
    def ground(self) -> Iterator[Ground]:
        descriptor = os.open(self.workspace, os.O_PATH | os.O_DIRECTORY)
        try:
            section = NativeConfig(allow_unconfined=True, **self.section)
            yield Ground.here(section, (self.workspace, descriptor), OWNER)
        finally:
            os.close(descriptor)

    async def run(
        self, level: Level, *argv: str, env: Mapping[str, str] | None = None, **plan: Any
    ) -> Outcome:
        """Run a command at the level, as a Sidegate that can."""
        command = Command(argv, **{"seconds": 20.0, "writes": True, **plan})
        if ROOT and level is Level.UNCONFINED:
            return await self._as_other(level, command, dict(env or {}))
        with self.ground() as ground:
            runtime = NativeRuntime(level, ground, INSTANCE, {"tool": env or {}})
            try:
                return await followed(runtime, command)
            finally:
                await runtime.aclose()

    async def shell(self, level: Level, line: str, **plan: Any) -> Outcome:
        return await self.run(level, "/bin/sh", "-c", line, **plan)

    async def _as_other(self, level: Level, plan: Command, env: dict[str, str]) -> Outcome:
        program = await self.sidegate(level, plan, env=env)
        out, err = await program.communicate()
        assert program.returncode == 0, err.decode()
        return Outcome(**json.loads(out))

    async def sidegate(
        self,
        level: Level,
        plan: Command,
        env: Mapping[str, str] | None = None,
        *,
        again: bool = False,
        hidden: Sequence[str] = (),
        by: Sequence[str] = (),
    ) -> asyncio.subprocess.Process:
        """A process of its own that runs the command: once, or `again` and again.

        With `hidden` it says what a probe finds instead, without bubblewrap. `by`: what starts it.
        """
        task = {
            "level": level,
            "place": asdict(self),
            "plan": _json(plan),
            "again": again,
            "hidden": hidden,
        }
        other = ROOT and level is Level.UNCONFINED
        start = (*_become_other(), python_of_other()) if other else (sys.executable,)
        program = await asyncio.create_subprocess_exec(
            *by,
            *start,
            __file__,
            env=_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",
        )
        assert program.stdin is not None
        program.stdin.write(
            json.dumps({**task, "env": dict(env or {}), "instance": INSTANCE}).encode()
        )
        program.stdin.close()
        return program


@contextlib.contextmanager
def new_place(**section: Any) -> Iterator[Place]:
    """One that others than root can reach, as they cannot the folders of pytest."""
    with tempfile.TemporaryDirectory() as base:
        os.chmod(base, 0o755)
        place = Place(base, section)
        os.mkdir(place.workspace)
        os.mkdir(place.state, mode=0o700)
        Path(place.state, "key").write_text("the key")
        if ROOT:
            os.chown(place.workspace, OWNER.uid, OWNER.gid)
        yield place


def processes(words: bytes) -> set[int]:
    """Those that have it on their command line."""
    found = set()
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit() and words in Path("/proc", entry, "cmdline").read_bytes():
                found.add(int(entry))
    return found


async def followed(runtime: NativeRuntime, plan: Command, tool: str = "tool") -> Outcome:
    """Run a command to its end, and until nothing of it is left."""
    run = Run(runtime.job(plan, tool, "request"), plan.seconds)
    try:
        await run.start()
        ended = await run.follow()
    finally:
        await run.job.discard()
    out, err = (run.written(stream).decode(errors="replace") for stream in (STDOUT, STDERR))
    return Outcome(ended.code, out, err, ended.result, run.truncated)


@functools.cache
def python_of_other() -> str:
    """A Python that another user may run, with the packages of this one."""
    for python in (sys.executable, shutil.which("python3", path="/usr/bin")):
        if python is not None and _runs(python):
            return python
    raise AssertionError("no Python that another user than root can run: install python3")


def _runs(python: str) -> bool:
    argv = (*_become_other(), python, "-c", "import ctypes, aiohttp, pydantic")
    return not subprocess.run(argv, env=_environment(), capture_output=True, check=False).returncode


def _become_other() -> tuple[str, ...]:
    if not ROOT:
        return ()
    ids = (f"--reuid={OWNER.uid}", f"--regid={OWNER.gid}", "--clear-groups")
    # Only a program that is started by it has no rights of root's left to start another by.
    return ("setpriv", *ids, "--", "env")


def _environment() -> dict[str, str]:
    packages = [path for path in sys.path if path.endswith("site-packages")]
    path = os.pathsep.join([str(_TESTS), str(_TESTS.parent), *packages])
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def _json(plan: Command) -> dict[str, Any]:
    return {**asdict(plan), "stdin": plan.stdin.decode("latin-1")}


def _plan(said: dict[str, Any]) -> Command:
    argv, stdin = tuple(said.pop("argv")), said.pop("stdin").encode("latin-1")
    return Command(argv, stdin=stdin, **said)


async def _main() -> None:
    task = json.load(sys.stdin)
    place, plan = Place(**task["place"]), _plan(task["plan"])
    with place.ground() as ground:
        if task["hidden"]:
            bare = replace(ground, tools=replace(ground.tools, bwrap=None))
            sys.stdout.write((await probe(bare, tuple(task["hidden"]))).level)
            return
        runtime = NativeRuntime(
            Level(task["level"]), ground, task["instance"], {"tool": task["env"]}
        )
        done = await followed(runtime, plan)
        while task["again"]:
            await asyncio.gather(*(followed(runtime, plan) for _ in range(3)))
        await runtime.aclose()
    sys.stdout.write(json.dumps(asdict(done)))


if __name__ == "__main__":
    asyncio.run(_main())
