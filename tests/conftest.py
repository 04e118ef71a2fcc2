"""A real Sidegate on real sockets, with a real state, for whoever asks for one."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiodocker
import aiohttp
import pytest
import yaml
from hypothesis import settings

from proxy.app import App
from proxy.assembly import build
from proxy.config import loader
from proxy.network.bind import bindings
from proxy.runtimes import find_isolation

# A slow machine is no failing property. On CI, hypothesis' own profile makes the examples the same
# in every run; it has no deadline either.
if not os.environ.get("CI"):
    settings.register_profile("local", deadline=None)
    settings.load_profile("local")

IMAGE = "sidegate-sandbox:test"


@dataclass
class Sidegate:
    """A running Sidegate and a client for it."""

    app: App
    folder: Path
    workspace: Path
    http: aiohttp.ClientSession

    def url(self, path: str, listener: str = "gateway") -> str:
        return f"http://127.0.0.1:{self.app.ports[listener]}{path}"

    async def pair(self) -> str:
        """A bearer token, got as a client gets one."""
        code = await self.app.operations.pairing.offer()
        async with self.http.post(self.url("/pair"), headers={"X-Pairing-Code": code}) as answer:
            return str((await answer.json())["token"])

    async def call(
        self, tool: str, arguments: Mapping[str, object], token: str
    ) -> tuple[int, dict[str, object]]:
        """Status and body of a tool call."""
        async with self.http.post(
            self.url(f"/tools/{tool}"),
            json={"arguments": arguments},
            headers={"Authorization": f"Bearer {token}"},
        ) as answer:
            return answer.status, await answer.json(content_type=None)


Start = Callable[..., Awaitable[Sidegate]]


@pytest.fixture(scope="session")
def engine() -> str:
    """The address of a Docker engine that has the tests' image, for all that is marked `docker`."""
    host = engine_host()
    try:
        asyncio.run(_image_of(host))
    except (aiodocker.DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
        pytest.skip(f"no Docker engine with the image {IMAGE} answers at {host}: {error}")
    return host


def engine_host() -> str:
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


async def _image_of(host: str) -> None:
    async with asyncio.timeout(20), aiodocker.Docker(url=host) as docker:
        await docker.images.inspect(IMAGE)


async def containers(owner: str) -> list[dict[str, str]]:
    """The labels of each container that belongs to a Sidegate, by its instance id."""
    async with aiodocker.Docker(url=engine_host()) as docker:
        found = await docker.containers.list(
            all=True, filters=json.dumps({"label": [f"sidegate.owner={owner}"]})
        )
        return [each["Labels"] for each in found]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB, which only root can make."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    subprocess.run(mount, check=True, timeout=10)
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True, timeout=10)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a Sidegate with these sections over the defaults of the tests; ended with the test."""
    async with AsyncExitStack() as stack:

        async def run(
            changes: Mapping[str, object] | None = None, *, owner: tuple[int, int] = (1000, 1000)
        ) -> Sidegate:
            workspace = tmp_path / "workspace"
            workspace.mkdir(exist_ok=True)
            if os.geteuid() == 0:
                os.chown(workspace, *owner)
                workspace.chmod(0o755)
            text = yaml.safe_dump(_merged(_defaults(tmp_path, workspace), changes or {}))
            loaded = loader.parse(text, "sidegate.yaml", {})
            isolation = await find_isolation(loaded, os.environ)
            app = await build(stack, loaded, bindings(loaded.config), os.environ, isolation)
            serving = asyncio.create_task(app.run())
            ready = asyncio.create_task(app.ready.wait())
            await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                ready.cancel()
                await serving
            stack.push_async_callback(_stop, app, serving)
            http = await stack.enter_async_context(aiohttp.ClientSession())
            return Sidegate(app, Path(app.places.folder), workspace, http)

        yield run


async def _stop(app: App, serving: "asyncio.Task[None]") -> None:
    app.stopped.set()
    await serving


def _defaults(tmp_path: Path, workspace: Path) -> dict[str, object]:
    return {
        "state_dir": str(tmp_path / "state"),
        "gateway": {"port": 0},
        "admin": {"port": 0},
        "metrics": {"port": 0},
        "autonomy": {
            "level": "full",
            "workspace_dir": str(workspace),
            "allowed_commands": ["ls", "cat", "echo", "sleep", "id", "sh", "env", "touch", "yes"],
        },
        "runtime": {"docker": {"image": IMAGE}},
    }


def _merged(base: dict[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, change in changes.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(change, Mapping)
        merged[key] = _merged(old, change) if both else change  # type: ignore[arg-type]
    return merged
