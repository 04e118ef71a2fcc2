"""Sandboxes over a workspace of the tests', and what is left of them."""

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any

import aiodocker
from conftest import IMAGE, containers, engine_host
from doubles import CLIENT

from proxy.actions import Command, ToolCall
from proxy.config.model import DockerConfig
from proxy.decision import Allow, Decision
from proxy.exchange import Content, Document, Grant
from proxy.isolation.docker.container import Mount, Profile
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.runtime import DockerRuntime
from proxy.isolation.sandbox import Sandbox

UID, GID = (1000, 1001) if os.geteuid() == 0 else (os.geteuid(), os.getegid())


class Made(Sandbox):
    """A sandbox of containers that knows their label, and whether any is left."""

    def __init__(
        self, mount: Mount, host: str, owner: str, *, writes: bool = True, **section: Any
    ) -> None:
        config = DockerConfig(**{"image": IMAGE, **section})
        self.engine = Engine(host=host, owner=owner, boot="this-boot")
        runtime = DockerRuntime(self.engine, {"shell": Profile.of(config, mount, writes=writes)})
        super().__init__(runtime, config.max_concurrent)
        self.owner = owner

    async def empty(self) -> bool:
        return not await containers(self.owner)


Make = Callable[..., Made]


async def forget(owner: str) -> None:
    """Remove what a test that failed left behind, where there is an engine."""
    async with aiodocker.Docker(url=engine_host()) as docker:
        label = json.dumps({"label": [f"sidegate.owner={owner}"]})
        with contextlib.suppress(aiodocker.DockerError):
            for left in await docker.containers.list(all=True, filters=label):
                await left.delete(force=True)


def command(*argv: str, seconds: float = 30.0, stdin: bytes = b"") -> Command:
    return Command(argv, seconds, writes=True, stdin=stdin)


def granted(plan: Command, *, stream: bool = False) -> Grant:
    """A grant for a command of the shell tool."""
    call = ToolCall("shell", {}, stream=stream)
    return Grant("request-1", "front", CLIENT, call, plan, acting=True)


async def run(sandbox: Sandbox, plan: Command, *, stream: bool = False) -> Decision[Content]:
    return await sandbox.run(plan, granted(plan, stream=stream))


async def result(sandbox: Sandbox, *argv: str, **plan: Any) -> dict[str, Any]:
    """What the tool answers, and `result` as the metrics see it."""
    done = await run(sandbox, command(*argv, **plan))
    assert isinstance(done, Allow), done
    assert isinstance(done.value, Document)
    assert isinstance(done.value.value, dict)
    return {**done.value.value, **done.facts}


async def shell(sandbox: Sandbox, line: str, **plan: Any) -> dict[str, Any]:
    return await result(sandbox, "sh", "-c", line, **plan)


async def swept_later(sandbox: Made) -> int:
    """How many containers the next start finds."""
    after = Made(Mount(None), engine_host(), sandbox.owner)
    try:
        count = await after.sweep()
        assert await after.empty()
    finally:
        await after.aclose()
    return count
