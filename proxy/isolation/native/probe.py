"""Find the level of isolation that really holds here, by running a command in it and looking.

Nothing is looked up: a sandbox that starts but does not confine, whatever the reason, is refused.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from proxy.actions import Command
from proxy.isolation.native import bubblewrap, landlock
from proxy.isolation.native.confine import hide
from proxy.isolation.native.levels import Ground, Level
from proxy.isolation.native.runtime import NativeRuntime
from proxy.isolation.run import STDERR, STDOUT, Run

_SECONDS = 10.0
_LEAST_LANDLOCK = 6  # before, a command could send signals to Sidegate; before 3, empty its files
_CAP_KILL = 5  # include/uapi/linux/capability.h
_NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")
_MOST_TOLD = 300
_SCRIPT = r"""
outside=$1 sidegate=$2
shift 2
echo "uid $(id -u)"
(: > "$outside/written") 2>/dev/null
kill -0 "$sidegate" 2>/dev/null && echo "reaches Sidegate"
for path do (: < "$path") 2>/dev/null && echo "opens $path"; done
if [ -r /proc/self/status ]; then
  while read -r name value; do echo "$name $value"; done < /proc/self/status
  while read -r name _; do echo "interface $name"; done < /proc/net/dev
  read -r name < /proc/1/comm && echo "init $name"
  for kind in user mnt pid net ipc uts; do echo "namespace $(readlink "/proc/self/ns/$kind")"; done
fi
echo "at its end"
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """The level that holds, and in a sentence why none that is further away does."""

    level: Level
    why: str = ""


async def probe(ground: Ground, hidden: tuple[str, ...]) -> Finding:
    """The first level that holds; raises OSError, with the reasons, where none does.

    `hidden`: the paths that no command may open. Where commands are to run as the same user, this
    process is hidden from them.
    """
    reasons: list[str] = []
    for level in Level:
        try:
            _asked_for(level, ground)
            await _examine(level, ground, hidden)
        except OSError as error:
            reasons.append(f"{level}: {error}")
        else:
            return Finding(level, "; ".join(reasons))
    raise OSError("; ".join(reasons))


def _asked_for(level: Level, ground: Ground) -> None:
    """Raises OSError where the level is not to be tried."""
    if ground.owner is not None and not _may_end_others():
        raise OSError("Sidegate is root without CAP_KILL, and could not end a command")
    match level:
        case Level.BWRAP if ground.tools.bwrap is None:
            raise OSError("there is no program of that name")
        case Level.USER if ground.owner is None:
            raise OSError("Sidegate is not root, and cannot become another user")
        case Level.UNCONFINED if not ground.section.allow_unconfined:
            raise OSError("runtime.native.allow_unconfined is false")
        case Level.UNCONFINED if ground.owner is not None:
            raise OSError("never as root")
        case Level.UNCONFINED if landlock.version() < _LEAST_LANDLOCK:
            raise OSError("this kernel's Landlock is too old, or there is none (Linux 6.12)")
        case Level.UNCONFINED:
            hide()
        case _:
            pass


async def _examine(level: Level, ground: Ground, hidden: tuple[str, ...]) -> None:
    """Raises OSError where the level does not hold."""
    with tempfile.TemporaryDirectory() as outside:
        argv = ("/bin/sh", "-c", _SCRIPT, "sh", outside, str(os.getpid()), *hidden)
        said = await _run(level, ground, Command(argv, _SECONDS, writes=False))
        faults = [*_faults(level, ground, said), *_to_come(ground, hidden)]
        if os.listdir(outside):
            faults.append("a command writes outside")
    if faults:
        raise OSError(", ".join(faults))


def _may_end_others() -> bool:
    with open("/proc/self/status") as file:
        effective = next(line for line in file if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_KILL & 1)


def _to_come(ground: Ground, hidden: tuple[str, ...]) -> Iterator[str]:
    """Files that this Sidegate has yet to make, where commands of its own user will read them."""
    shown = map(os.path.realpath, (*bubblewrap.PROGRAMS, *bubblewrap.SETTINGS))
    if ground.owner is None:
        seen = tuple(os.path.join(place, "") for place in shown)
        absent = (path for path in hidden if not os.path.lexists(path))
        yield from (f"a command would open {path}" for path in absent if path.startswith(seen))


async def _run(level: Level, ground: Ground, plan: Command) -> list[str]:
    """The lines that it writes."""
    runtime = NativeRuntime(level, ground, "probe")
    run = Run(runtime.job(plan, "", ""), plan.seconds)
    try:
        await run.start()
        ended = await run.follow()
        error = run.written(STDERR).decode(errors="replace").strip()[-_MOST_TOLD:]
    except OSError as fault:
        error = run.written(STDERR).decode(errors="replace").strip()[-_MOST_TOLD:]
        raise OSError(f"{fault} ({error})" if error else str(fault)) from fault
    finally:
        await asyncio.shield(asyncio.create_task(_cleared(run, runtime)))
    lines = run.written(STDOUT).decode(errors="replace").splitlines()
    if ended.code or "at its end" not in lines:
        raise OSError(f"a command ended with {ended.code}: {error}")
    return lines


async def _cleared(run: Run, runtime: NativeRuntime) -> None:
    await run.job.discard()
    await runtime.aclose()


def _faults(level: Level, ground: Ground, said: list[str]) -> Iterator[str]:
    """What of the lines must not be there, and what must and is not."""
    yield from (f"a command {line}" for line in said if line.startswith("opens "))
    uid = ground.owner.uid if ground.owner else os.geteuid()
    if f"uid {uid}" not in said or uid == 0:
        yield "a command does not run as the user that it should"
    if level is not Level.BWRAP:
        yield from (f"a command {line}" for line in said if line == "reaches Sidegate")
        return
    wanted = ("CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", "init bwrap")
    yield from (f"no {line}" for line in wanted if line not in said)
    interfaces = [line for line in said if line.startswith("interface ") and line.endswith(":")]
    if interfaces != ["interface lo:"]:
        yield "a command sees the network"
    for kind in _NAMESPACES:
        if not any(line.startswith(f"namespace {kind}:[") for line in said):
            yield f"no namespace {kind}"
        if f"namespace {os.readlink(f'/proc/self/ns/{kind}')}" in said:
            yield f"a command shares the namespace {kind}"
