"""One command in a container that is made for it, and is process 1's only child."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import TypeVar

import aiodocker
from aiodocker.containers import DockerContainer

from proxy.actions import Command
from proxy.isolation.docker.attachment import Attachment
from proxy.isolation.docker.container import Profile, container
from proxy.isolation.docker.engine import Creation, Engine, refused, telling
from proxy.isolation.run import Talk

T = TypeVar("T")


class ColdJob:
    """`Job` for a container of its own; with `talks`, what it reads is said bit by bit."""

    def __init__(  # noqa: PLR0913 - each by its name
        self,
        engine: Engine,
        profile: Profile,
        plan: Command,
        env: Mapping[str, str],
        request_id: str,
        *,
        talks: bool = False,
    ) -> None:
        self.begun = False
        self._engine = engine
        self._mount = profile.mount
        self._stdin = plan.stdin
        self._takes = talks or bool(plan.stdin)
        self._talks = talks
        self._body = container(
            profile, plan.argv, engine.labels(request_id), env=env, stdin=self._takes
        )
        self._creation: Creation | None = None
        self._container: DockerContainer | None = None
        self._output: Attachment | None = None
        self._input: Attachment | None = None
        self._exit: asyncio.Task[int] | None = None
        self._beside: set[asyncio.Task[object]] = set()

    async def start(self) -> None:
        """Make it, attach to it and start it."""
        self._mount.check()
        self._creation = self._engine.create(self._body)
        self._container = await self._creation.made()
        self._mount.check()
        self._output = await Attachment.to(self._container, stdin=False)
        if self._takes:
            self._input = await Attachment.to(self._container, stdin=True, output=False)
        await self._begin(self._container)
        # Asked for now: an engine that is restarted does not come to the end of this answer, and
        # the output, which then breaks off, is not taken for whole.
        self._exit = self._do_beside(_exit_code(self._container))
        if self._input is not None and not self._talks:
            self._do_beside(self._input.feed(self._stdin))

    async def say(self, data: bytes) -> None:
        """Write to its standard input, which stays open."""
        assert self._input is not None
        await self._input.write(data)

    async def _begin(self, made: DockerContainer) -> None:
        """Start the command. Only an answer of the engine's says that it has not been started."""
        self.begun = True
        with telling():
            try:
                await made.start()
            except aiodocker.DockerError as error:
                self.begun = not refused(error)
                raise

    def _do_beside(self, work: Coroutine[None, None, T]) -> "asyncio.Task[T]":
        """Something that goes on while the output is read, and ends with the job."""
        task = asyncio.create_task(work)
        self._beside.add(task)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # seen by now
        return task

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes."""
        assert self._output is not None
        while piece := await self._output.read():
            yield piece

    async def wait(self) -> int:
        """Its exit code, if it ran on the folder that was judged."""
        assert self._exit is not None
        with telling():
            code = await self._exit
        self._mount.check()
        return code

    async def out_of_memory(self) -> bool:
        """Whether the engine saw it killed for its memory."""
        assert self._container is not None
        with telling():
            return bool((await self._container.show())["State"]["OOMKilled"])

    async def discard(self) -> None:
        """Remove the container."""
        for task in self._beside:
            task.cancel()
        for attached in (self._input, self._output):
            if attached is not None:
                await attached.close()
        if self._creation is not None:
            await self._creation.remove()


async def _exit_code(sandbox: DockerContainer) -> int:
    return int((await sandbox.wait())["StatusCode"])


_: type[Talk] = ColdJob
