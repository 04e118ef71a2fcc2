"""Whatever kills Sidegate, nothing of its commands is left. Here a Sidegate is killed, often."""

import os
import random
import tempfile
from collections.abc import Iterator

import pytest
from natives import INSTANCE, LEVELS, Place, new_place, processes
from wire import until

from proxy.actions import Command
from proxy.isolation.native.levels import Level

every_level = pytest.mark.parametrize("level", LEVELS)
SLEEP = f"sleep 4322.{os.getpid()}"
HOSTILE = f"trap '' TERM HUP; (setsid sh -c '{SLEEP} & {SLEEP}' &); nohup {SLEEP}"
_ARGUMENTS = SLEEP.replace(" ", "\0").encode() + b"\0"


@pytest.fixture
def place() -> Iterator[Place]:
    with new_place() as made:
        yield made


def left() -> set[int]:
    """Processes of these commands, of their sandboxes and of their supervisors."""
    return processes(_ARGUMENTS) | processes(SLEEP.encode()) | _marked()


def _marked() -> set[int]:
    found = set()
    for pid in processes(b""):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if f"SIDEGATE_SANDBOX=sidegate-{INSTANCE}-".encode() in file.read():
                    found.add(pid)
        except OSError:
            continue
    return found


def folders() -> list[str]:
    return [
        name
        for name in os.listdir(tempfile.gettempdir())
        if name.startswith(f"sidegate-{INSTANCE}-")
    ]


@every_level
async def test_a_killed_sidegate_leaves_nothing_running(level: Level, place: Place) -> None:
    plan = Command(("/bin/sh", "-c", HOSTILE), 60.0, writes=True)
    sidegate = await place.sidegate(level, plan)
    await until(lambda: len(processes(_ARGUMENTS)) >= 3, 20)
    sidegate.kill()
    await sidegate.wait()

    await until(lambda: not left())
    await until(lambda: not folders())


@every_level
async def test_at_whatever_moment_it_is_killed(level: Level, place: Place) -> None:
    """Commands start and end all the time, three at once, and so do supervisors."""
    plan = Command(("/bin/sh", "-c", f"(setsid {SLEEP} &) ; sleep 0.01"), 60.0, writes=True)
    moments = random.Random(5)
    for _ in range(4):
        sidegate = await place.sidegate(level, plan, again=True)
        await until(lambda: processes(_ARGUMENTS), 20)
        await _passes(moments.uniform(0.0, 0.2))
        sidegate.kill()
        await sidegate.wait()

        await until(lambda: not left())
        await until(lambda: not folders())


async def _passes(seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await until(lambda: False, seconds)


@every_level
async def test_a_terminated_one_leaves_nothing_either(level: Level, place: Place) -> None:
    plan = Command(("/bin/sh", "-c", HOSTILE), 60.0, writes=True)
    sidegate = await place.sidegate(level, plan)
    await until(lambda: processes(_ARGUMENTS), 20)
    sidegate.terminate()
    await sidegate.wait()

    await until(lambda: not left())
