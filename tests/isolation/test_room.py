"""What stays free of the disk that tools write to."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from disks import full
from doubles import grant
from sandboxes import granted
from wire import until

from proxy.actions import Command, FileWrite, OpenPath
from proxy.decision import Allow, Deny
from proxy.exchange import Document
from proxy.isolation.room import Room
from proxy.isolation.run import STDERR, Job, Run, Runtime, Talk
from proxy.isolation.sandbox import Sandbox
from proxy.isolation.workspace import WorkspaceFiles
from proxy.reasons import Reason


@contextmanager
def room(folder: Path, least: int | None) -> Iterator[Room]:
    descriptor = os.open(folder, os.O_PATH)
    yield Room(descriptor, least)
    os.close(descriptor)


class Endless(Job):
    """A command that writes until it is ended."""

    begun = False

    async def start(self) -> None:
        self.begun = True

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        yield STDERR, b"so far"
        await asyncio.Event().wait()

    async def wait(self) -> int:
        return 0

    async def out_of_memory(self) -> bool:
        return False

    async def discard(self) -> None:
        pass


class Places(Runtime):
    """A runtime of such commands."""

    name = "docker"

    def talk(self, plan: Command, tool: str, request_id: str) -> Talk:
        raise AssertionError("nobody speaks with a command")

    def job(self, plan: Command, tool: str, request_id: str) -> Job:
        return Endless()

    async def aclose(self) -> None:
        pass

    async def missing(self) -> str | None:
        return None

    async def sweep(self) -> int:
        return 0


def test_there_is_room_while_so_much_is_free(small_disk: Path) -> None:
    with room(small_disk, 32 * 1024) as half, room(small_disk, 1024 * 1024) as more:
        assert half.refused() is None
        assert more.refused() == Deny(Reason.WORKSPACE_FULL)
        with full(small_disk):
            assert half.refused() == Deny(Reason.WORKSPACE_FULL)
        assert half.refused() is None


def test_where_nobody_looks_there_is_room(small_disk: Path) -> None:
    with full(small_disk), room(small_disk, None) as unlimited:
        assert unlimited.refused() is None
        assert Room().refused() is None


def test_what_cannot_be_looked_at_counts_as_full(tmp_path: Path) -> None:
    with room(tmp_path, 1) as gone:
        assert gone.refused() is None
    assert gone.refused() == Deny(Reason.WORKSPACE_FULL)


async def test_a_command_that_writes_ends_where_the_disk_is_nearly_full(small_disk: Path) -> None:
    with room(small_disk, 1024) as last:
        run = Run(Endless(), 30)
        await run.start()
        last.enter(run)
        following = asyncio.create_task(run.follow())
        await until(lambda: run.written(STDERR) == b"so far")
        with full(small_disk):
            ended = await asyncio.wait_for(following, 10)
        last.leave(run)
        await last.aclose()

    assert (ended.code, ended.result) == (137, "failed")
    assert run.written(STDERR).endswith(b"the workspace's disk is nearly full\n")


async def test_a_command_that_is_over_is_not_looked_after(small_disk: Path) -> None:
    with room(small_disk, 1024) as last:
        run = Run(Endless(), 0.6)
        await run.start()
        last.enter(run)
        last.leave(run)
        with full(small_disk):
            ended = await run.follow()
        await last.aclose()

    assert ended.result == "timeout"


@pytest.mark.parametrize("writes", [True, False])
async def test_only_what_writes_needs_room(small_disk: Path, *, writes: bool) -> None:
    with full(small_disk), room(small_disk, 1024) as last:
        sandbox = Sandbox(Places(), 1, last)
        plan = Command(("x",), 0.1, writes)
        done = await sandbox.run(plan, granted(plan))
        await sandbox.aclose()

    if writes:
        assert done == Deny(Reason.WORKSPACE_FULL)
    else:
        assert isinstance(done, Allow)
        assert isinstance(done.value, Document)


async def test_no_file_is_written_where_there_is_no_room(small_disk: Path) -> None:
    plan = FileWrite(OpenPath(os.open(small_disk, os.O_PATH), "new"), "text")
    with full(small_disk), room(small_disk, 1024) as last:
        refused = await WorkspaceFiles(last).run(plan, grant(plan))

    plan.file.close()
    assert refused == Deny(Reason.WORKSPACE_FULL)
    assert not (small_disk / "new").exists()
