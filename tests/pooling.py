"""Containers of a real engine as the tests of the warm pool use them, all gone at the end."""

import asyncio
import contextlib
import json
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import aiodocker
from conftest import IMAGE, engine_host
from sandboxes import GID, UID, forget

from proxy.isolation.docker.container import Mount, Profile
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.pool import Pools
from proxy.isolation.owner import Owner
from proxy.isolation.run import STDERR, STDOUT, Job, Run

USER = Owner(UID, GID)


def profile(**changes: Any) -> Profile:
    fields: dict[str, Any] = {"image": IMAGE, "mount": Mount(None, USER), "writes": True}
    return Profile(**{**fields, "memory": 64 << 20, "processors": 1.0, **changes})


@contextlib.asynccontextmanager
async def open_engine(host: str = "") -> AsyncIterator[Engine]:
    """An engine, whose containers of this test are removed."""
    owner = uuid.uuid4().hex
    engine = Engine(host=host or engine_host(), owner=owner, boot="this-boot")
    try:
        yield engine
    finally:
        await engine.aclose()
        await forget(owner)


@contextlib.asynccontextmanager
async def open_pools(engine: Engine, **options: Any) -> AsyncIterator[Pools]:
    pools = Pools(engine, **options)
    try:
        yield pools
    finally:
        await pools.aclose()


async def left(docker: aiodocker.Docker, owner: str) -> list[Any]:
    """The containers of an owner, stopped ones too."""
    label = json.dumps({"label": [f"sidegate.owner={owner}"]})
    return await docker.containers.list(all=True, filters=label)


async def names(engine: Engine, *, running: bool = False) -> set[str]:
    """Of the containers that bear the label of an engine's."""
    async with aiodocker.Docker(url=engine_host()) as docker:
        found = await left(docker, engine.labels()["sidegate.owner"])
        return {each["Names"][0] for each in found if not running or each["State"] == "running"}


async def kill_all(engine: Engine) -> None:
    """As somebody does who does not know of us."""
    async with aiodocker.Docker(url=engine_host()) as docker:
        for each in await left(docker, engine.labels()["sidegate.owner"]):
            await each.delete(force=True)


@dataclass(frozen=True)
class Done:
    """How a command ended: ok, failed, timeout or oom."""

    code: int
    result: str
    out: bytes
    err: bytes
    truncated: bool


async def done(job: Job, seconds: float = 30.0) -> Done:
    """Run it as the sandbox does."""
    run = Run(job, seconds)
    try:
        await run.start()
        ended = await run.follow()
    finally:
        await job.discard()
    out, err = run.written(STDOUT), run.written(STDERR)
    return Done(ended.code, ended.result, out, err, run.truncated)


class Wire:
    """A way to an engine that can be cut, hang, and be put together again."""

    def __init__(self, target: str) -> None:
        self._target = target.removeprefix("unix://")
        self._folder = tempfile.mkdtemp(prefix="wire-")
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self.connections = 0
        self.host = f"unix://{self._folder}/engine.sock"

    async def __aenter__(self) -> Self:
        await self.mend()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cut()
        shutil.rmtree(self._folder)

    async def mend(self) -> None:
        self._flows.set()
        path = self.host.removeprefix("unix://")
        self._server = await asyncio.start_unix_server(self._serve, path)

    async def cut(self) -> None:
        """As when the engine is killed: connections end, and no other is taken."""
        self._flows.set()
        if self._server is not None:
            self._server.close()
            Path(self.host.removeprefix("unix://")).unlink(missing_ok=True)
        for end in list(self._ends):
            end.transport.abort()

    def hang(self) -> None:
        """Nothing that is sent arrives."""
        self._flows.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        there, back = await asyncio.open_unix_connection(self._target)
        self._ends |= {writer, back}
        with contextlib.suppress(OSError):
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        for end in (writer, back):
            self._ends.discard(end)
            end.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            await self._flows.wait()
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
