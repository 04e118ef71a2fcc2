"""Commands in containers of a Docker engine, each used once."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping

from proxy.actions import Command
from proxy.isolation.docker.cold import ColdJob
from proxy.isolation.docker.container import Profile
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.pool import Pools
from proxy.isolation.docker.supervisor import frame
from proxy.isolation.docker.warm import WarmJob
from proxy.isolation.run import Job, Runtime, Talk


class DockerRuntime:
    """`Runtime` of containers. What it is given are those of tools, by name.

    `sizes`: how many containers of a tool's kind wait for a command. Tools whose containers are
    alike share them, as many as the one that asked for most.
    """

    name = "docker"

    def __init__(
        self,
        engine: Engine,
        profiles: Mapping[str, Profile],
        envs: Mapping[str, Mapping[str, str]] | None = None,
        sizes: Mapping[str, int] | None = None,
    ) -> None:
        self._engine = engine
        self._profiles = profiles
        self._envs = envs or {}
        self._sizes = sizes or {}
        self.pools = Pools(engine)

    def start(self) -> None:
        """Begin to fill the pools, in a running event loop."""
        most: dict[Profile, int] = {}
        for tool, size in self._sizes.items():
            profile = self._profiles[tool]
            most[profile] = max(size, most.get(profile, 0))
        self.pools.set(most)

    def job(self, plan: Command, tool: str, request_id: str) -> Job:
        """A job in a container of the tool's kind."""
        profile, env = self._profiles[tool], self._envs.get(tool, {})
        cold = ColdJob(self._engine, profile, plan, env, request_id)
        nonce = secrets.token_hex(16)
        line = frame(plan.argv, env, nonce, stdin=bool(plan.stdin))
        if line is None:
            return cold

        def warm() -> Job | None:
            taken = self.pools.take(profile)
            return None if taken is None else WarmJob(taken, line, nonce, plan.stdin)

        return PooledJob(warm, cold)

    def talk(self, plan: Command, tool: str, request_id: str) -> Talk:
        """A job in a container of its own, which is spoken with."""
        profile, env = self._profiles[tool], self._envs.get(tool, {})
        return ColdJob(self._engine, profile, plan, env, request_id, talks=True)

    async def missing(self) -> str | None:
        """What the engine lacks."""
        images = {profile.image for profile in self._profiles.values()}
        return await self._engine.missing(tuple(sorted(images)))

    async def sweep(self) -> int:
        """Remove what is left of an earlier Sidegate's containers, or of our own."""
        return await self._engine.sweep()

    async def aclose(self) -> None:
        """Remove the containers that wait, and let the engine go."""
        await self.pools.aclose()
        await self._engine.aclose()


class PooledJob:
    """`Job` in a container that waits, if one does as it starts, else in one of its own."""

    def __init__(self, warm: Callable[[], Job | None], cold: Job) -> None:
        self.begun = False
        self._warm = warm
        self._job = cold

    async def start(self) -> None:
        """Choose between them, and start."""
        self._job = self._warm() or self._job
        try:
            await self._job.start()
        finally:
            self.begun = self._job.begun

    def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes."""
        return self._job.output()

    async def wait(self) -> int:
        """Its exit code."""
        return await self._job.wait()

    async def out_of_memory(self) -> bool:
        """Whether it was killed for its memory."""
        return await self._job.out_of_memory()

    async def discard(self) -> None:
        """Remove its container."""
        await self._job.discard()


_: type[Runtime] = DockerRuntime
__: type[Job] = PooledJob
