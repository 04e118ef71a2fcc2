"""Where the command can be run: by the Docker client, by a Sidegate, by its layer 4 alone.

All run the same command in the same image, and fail unless it prints what it should.
"""

import json
import os
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.engine import IMAGE, Engine, client, hardening
from bench.measure import Arm, Call
from bench.sidegate import Sidegate, config_in, serving
from proxy.actions import Command, ToolCall
from proxy.config import loader
from proxy.decision import Allow
from proxy.exchange import Document, Grant, Principal, Role
from proxy.isolation.room import Room
from proxy.isolation.sandbox import Sandbox
from proxy.metrics import Metrics
from proxy.places import open_workspace
from proxy.runtimes import Setting, open_sandbox
from proxy.values import Json

COMMAND = ("echo", "hello")
_CALL = {"command": " ".join(COMMAND)}
_OUTPUT = "hello\n"
_SECONDS = 60.0


@dataclass(frozen=True)
class Place:
    """`ready`: how many containers are started ahead."""

    call: Call
    workspace: Path
    engine: Engine
    ready: int = 0

    async def settled(self) -> float:
        """Wait until what was used is gone, and replaced; since when it is."""
        return await self.engine.settled(self.workspace, self.ready)

    def arm(self, name: str) -> Arm:
        """Its calls, each of which finds nothing left of the one before."""
        return Arm(name, self.call, self.settled)


@asynccontextmanager
async def fresh_by_client(engine: Engine) -> AsyncIterator[Place]:
    """`docker run --rm`."""
    with _folder() as workspace:
        options = ("run", "--rm", *hardening(workspace), IMAGE)
        yield Place(partial(_by_client, *options), workspace, engine)


@asynccontextmanager
async def kept_by_client(engine: Engine) -> AsyncIterator[Place]:
    """`docker exec`, in a container that stays."""
    with _folder() as workspace:
        started = await client("run", "-d", *hardening(workspace), IMAGE, "sleep", "3600")
        name = started.strip()
        try:
            yield Place(partial(_by_client, "exec", name), workspace, engine, ready=1)
        finally:
            await client("rm", "-f", name)


@asynccontextmanager
async def over_http(engine: Engine, ready: int = 0) -> AsyncIterator[Place]:
    """`POST /tools/shell` of a Sidegate in a process of its own."""
    async with serving(_sections(ready)) as sidegate:
        place = Place(partial(_by_http, sidegate), sidegate.workspace, engine, ready)
        await place.settled()
        yield place


@asynccontextmanager
async def layer_alone(engine: Engine, ready: int = 0) -> AsyncIterator[Place]:
    """`Sandbox.run` in this process."""
    with _folder() as folder, ExitStack() as stack:
        path = config_in(folder, _sections(ready))
        loaded = loader.parse(path.read_text(), str(path), {})
        workspace = open_workspace(loaded, os.environ)
        assert workspace is not None
        stack.callback(workspace.close)
        owner, metrics = uuid.uuid4().hex, Metrics("bench", ())
        setting = Setting(loaded.config, workspace, owner, os.environ)
        sandbox = open_sandbox(setting, None, Room(), metrics)
        try:
            place = Place(partial(_by_layer, sandbox), folder / "workspace", engine, ready)
            await place.settled()
            yield place
        finally:
            await sandbox.aclose()


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="sidegate-bench-") as folder:
        yield Path(folder)


def _sections(ready: int) -> Mapping[str, object]:
    return {"runtime": {"docker": {"image": IMAGE, "pool_size": ready}}}


async def _by_client(*options: str) -> None:
    _expect(await client(*options, *COMMAND))


async def _by_http(sidegate: Sidegate) -> None:
    async with sidegate.http.post(
        sidegate.url("/tools/shell"), json={"arguments": _CALL}
    ) as answer:
        said = await answer.json(content_type=None)
    _expect(said["result"]["stdout"] if answer.status == 200 else json.dumps(said))


async def _by_layer(sandbox: Sandbox) -> None:
    plan = Command(COMMAND, _SECONDS, writes=True)
    call, caller = ToolCall("shell", _CALL), Principal("bench", Role.CLIENT)
    decision = await sandbox.run(plan, Grant("bench", "front", caller, call, plan, acting=True))
    match decision:
        case Allow(value=Document(value={"stdout": str(printed)})):
            _expect(printed)
        case other:
            _expect(str(other))


def _expect(printed: Json) -> None:
    if printed != _OUTPUT:
        raise OSError(f"the command did not print what it should: {printed}")
