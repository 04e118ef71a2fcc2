"""What the Docker engine holds for us, and the client that people use: Sidegate's peer."""

import asyncio
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiodocker

IMAGE = "sidegate-sandbox:test"
_NOBODY = 65534
_LOOK_SECONDS = 0.02
_QUIET = 0.2
_SETTLE_SECONDS = 60.0


def host() -> str:
    """The engine's address, as Sidegate itself finds it."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


class Engine:
    """Looks at the containers that see a folder of ours, whoever made them, and at no others."""

    def __init__(self, docker: aiodocker.Docker) -> None:
        self._docker = docker
        self._seen: set[Path] = set()

    async def describe(self) -> str:
        """The versions that matter; raises OSError without an engine that has our image."""
        try:
            await self._docker.images.inspect(IMAGE)
            version, info = await self._docker.version(), await self._docker.system.info()
        except aiodocker.DockerError as error:
            raise OSError(f"no engine with the image {IMAGE} at {host()}: {error}") from error
        return f"Docker {version['Version']} with {info['DefaultRuntime']} on {info['Driver']}"

    async def _states(self, workspace: Path) -> dict[str, str]:
        """By the ids of the containers."""
        filters = json.dumps({"volume": [str(workspace)]})
        found = await self._docker.containers.list(all=True, filters=filters)
        return {each["Id"]: each["State"] for each in found}

    async def settled(self, workspace: Path, ready: int) -> float:
        """Wait until so many run, and nothing else is there; since when it is so.

        One that was used runs on until it is removed, and looks like its own replacement: so the
        very same must be seen for a while.
        """
        self._seen.add(workspace)
        known, since = await self._states(workspace), time.perf_counter()
        async with asyncio.timeout(_SETTLE_SECONDS):
            while not _is_full(known, ready) or (ready and time.perf_counter() < since + _QUIET):
                await asyncio.sleep(_LOOK_SECONDS)
                found, now = await self._states(workspace), time.perf_counter()
                if found != known:
                    known, since = found, now
        return since

    async def left(self) -> int:
        """How many containers there are in all the folders that were looked at."""
        return sum([len(await self._states(workspace)) for workspace in self._seen])


def _is_full(states: Mapping[str, str], ready: int) -> bool:
    return [*states.values()] == ["running"] * ready


def hardening(workspace: Path) -> Iterator[str]:
    """The options with which `docker run` starts what `proxy.isolation.docker.container` says.

    But for one that the client has no option for: NetworkDisabled, which spares the engine the
    making of a network that nobody may use.
    """
    owner = os.stat(workspace)
    ids = f"{owner.st_uid or _NOBODY}:{owner.st_gid or _NOBODY}"
    uid, _, gid = ids.partition(":")
    tmpfs = f"/tmp:rw,nosuid,nodev,noexec,size=16m,uid={uid},gid={gid}"  # noqa: S108
    yield from ("--network", "none", "--read-only", "--cap-drop", "ALL", "--init", "--ipc", "none")
    yield from ("--security-opt", "no-new-privileges", "--pids-limit", "128", "--cpus", "1")
    yield from ("--memory", "512m", "--memory-swap", "512m", "--ulimit", "nofile=1024:1024")
    yield from ("--tmpfs", tmpfs, "--user", ids, "--hostname", "sandbox", "--log-driver", "none")
    yield from ("--env", "HOME=/tmp", "--workdir", "/workspace")
    yield from ("--mount", f"type=bind,source={workspace},target=/workspace")


async def client(*arguments: str) -> str:
    """What `docker …` prints; raises OSError where it fails."""
    process = await asyncio.create_subprocess_exec(
        *("docker", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, said = await process.communicate()
    if process.returncode:
        raise OSError(f"docker {arguments[0]}: {said.decode(errors='replace').strip()}")
    return out.decode()
