"""A program that writes is ended where the disk is full, and removed once."""

import asyncio
import os
from pathlib import Path

import pytest
from disks import full
from talking import Program, plain
from wire import until

from proxy.actions import Command
from proxy.isolation.room import Room
from proxy.isolation.run import Job, Runtime, Talk
from proxy.isolation.sandbox import Sandbox
from proxy.isolation.watched import WatchedTalk


class Counted(Program):
    """A program that counts how often it is removed, and then ends."""

    removals = 0

    async def discard(self) -> None:
        self.removals += 1
        self.end()
        await super().discard()


class Programs(Runtime):
    """A runtime of one program."""

    name = "docker"

    def __init__(self) -> None:
        self.program = Counted(plain)

    def job(self, plan: Command, tool: str, request_id: str) -> Job:
        raise AssertionError("nobody runs a command")

    def talk(self, plan: Command, tool: str, request_id: str) -> Talk:
        assert (plan, tool, request_id) == (_plan(writes=plan.writes), "mcp:fs", "r")
        return self.program

    async def missing(self) -> str | None:
        return None

    async def sweep(self) -> int:
        return 0

    async def aclose(self) -> None:
        pass


def _plan(*, writes: bool) -> Command:
    return Command(("serve",), 1.0, writes=writes)


async def test_a_program_ends_when_the_disk_is_full(small_disk: Path) -> None:
    runtime, descriptor = Programs(), os.open(small_disk, os.O_PATH)
    room = Room(descriptor, 16 * 1024)
    sandbox = Sandbox(runtime, 1, room)
    talk = sandbox.talk(_plan(writes=True), "mcp:fs", "r")
    await talk.start()
    assert talk.begun
    await talk.say(b'{"id":1,"method":"x"}\n')
    reading = asyncio.create_task(_read(talk))
    with full(small_disk):
        await until(lambda: runtime.program.discarded)
        assert b'"x"' in await reading
        with pytest.raises(OSError, match="nearly full"):
            sandbox.talk(_plan(writes=True), "mcp:fs", "r")
        sandbox.talk(_plan(writes=False), "mcp:fs", "r")
    await talk.discard()
    await talk.discard()
    await sandbox.aclose()
    os.close(descriptor)

    assert runtime.program.removals == 1
    assert sandbox.active == 0


async def _read(talk: Talk) -> bytes:
    return b"".join([data async for _, data in talk.output()])


async def test_what_a_program_comes_to_is_told() -> None:
    talk = WatchedTalk(Program(plain), Room())

    assert (await talk.wait(), await talk.out_of_memory()) == (0, False)
    await talk.discard()
