"""A container that was started ahead and waits for one command, and the job of running it there."""

import asyncio
from collections.abc import AsyncIterator, Callable

from aiodocker.containers import DockerContainer

from proxy.isolation.docker.attachment import Attachment
from proxy.isolation.docker.container import Profile, container
from proxy.isolation.docker.engine import ENGINE_SECONDS, Creation, Engine, telling
from proxy.isolation.docker.supervisor import READY, SUPERVISOR, Trailers
from proxy.isolation.run import KILLED, STDOUT, Job


class WarmContainer:
    """One that waits for its command. It is made without I/O, and always discarded.

    `image` is the id of the image that it was made from.
    """

    def __init__(self, engine: Engine, profile: Profile) -> None:
        self.image = ""
        self._engine = engine
        self._profile = profile
        self._creation: Creation | None = None
        self._container: DockerContainer | None = None
        self._attached: Attachment | None = None
        self._reading: asyncio.Task[tuple[int, bytes] | None] | None = None

    async def start(self) -> None:
        """Have it wait for its command; raises OSError."""
        argv = ("/bin/sh", "-c", SUPERVISOR)
        self.check()
        async with asyncio.timeout(ENGINE_SECONDS):
            self.image = await self._engine.image_id(self._profile.image)
            body = container(self._profile, argv, self._engine.labels(), stdin=True, init=False)
            self._creation = self._engine.create(body)
            self._container = await self._creation.made()
            self._attached = await Attachment.to(self._container, stdin=True)
            with telling():
                await self._container.start()
            if await self._attached.read() != (STDOUT, READY):
                raise OSError(f"the shell of the image {self._profile.image} cannot wait")
        self.check()
        self._reading = asyncio.create_task(self._attached.read())

    def check(self) -> None:
        """Raises OSError where it has another folder than the workspace that was judged."""
        self._profile.mount.check()

    @property
    def waits(self) -> bool:
        """Whether it can still be used: it has said nothing since, and has not ended."""
        reading, attached = self._reading, self._attached
        return reading is not None and not reading.done() and attached is not None and attached.open

    def watch(self, changed: Callable[["WarmContainer"], None]) -> None:
        """Have it told, once, that it waits no longer; its use is no exception."""
        assert self._reading is not None
        self._reading.add_done_callback(lambda _: changed(self))

    async def read(self) -> tuple[int, bytes] | None:
        """The next piece of what it says; None at its end."""
        assert self._attached is not None
        reading, self._reading = self._reading, None
        return await (reading or self._attached.read())

    async def write(self, line: bytes) -> None:
        """Write to its standard input, and leave that open."""
        assert self._attached is not None
        await self._attached.write(line)

    async def feed(self, stdin: bytes) -> None:
        """Write to its standard input, and end it."""
        assert self._attached is not None
        await self._attached.feed(stdin)

    async def out_of_memory(self) -> bool:
        """Let it end, as it does with its input; whether the kernel killed for its memory there.

        The engine tells of no container that runs, nor while somebody may yet read its output.
        """
        assert self._container is not None
        assert self._attached is not None
        await self._attached.close()
        with telling():
            await self._container.wait()
        return await self.look()

    async def look(self) -> bool:
        """Whether the engine has seen the kernel kill for memory there; OSError: it does not say.

        What it does not say it may also have kept from us before: that the command has ended.
        """
        assert self._container is not None
        with telling():
            return bool((await self._container.show())["State"]["OOMKilled"])

    async def discard(self) -> None:
        """Kill all that runs there, and remove it."""
        if self._reading is not None:
            self._reading.cancel()
        if self._attached is not None:
            await self._attached.close()
        if self._creation is not None:
            await self._creation.remove()


class WarmJob:
    """`Job` for a container that waits. `line` is the frame of the command, with this nonce."""

    def __init__(self, warm: WarmContainer, line: bytes, nonce: str, stdin: bytes) -> None:
        self.begun = False
        self._warm = warm
        self._line = line
        self._stdin = stdin
        self._trailers = Trailers(nonce)
        self._over = False
        self._early: list[tuple[int, bytes]] = []
        self._feeding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Write the command, and wait until it is taken up."""
        self._warm.check()
        if not self._warm.waits:
            raise OSError("the container ended while it waited")
        self.begun = True
        await self._warm.write(self._line)
        if self._stdin:
            self._feeding = asyncio.create_task(self._warm.feed(self._stdin))
        while not self._early or self._early[-1][0] != STDOUT:
            self._early.append(await self._piece())
        stream, data = self._early[-1]
        if not data.startswith(READY):
            raise OSError("the container spoke before its command")
        self._early[-1] = stream, data.removeprefix(READY)

    async def _piece(self) -> tuple[int, bytes]:
        if piece := await self._warm.read():
            return piece
        raise OSError("the container ended as its command was to begin")

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes, whoever else holds its streams open."""
        async for stream, data in self._pieces():
            if written := self._trailers.feed(stream, data):
                yield stream, written
        self._over = True
        for piece in self._trailers.rest():
            yield piece

    async def _pieces(self) -> AsyncIterator[tuple[int, bytes]]:
        for piece in self._early:
            yield piece
        while self._trailers.code is None and (read := await self._warm.read()):
            yield read

    async def wait(self) -> int:
        """Its exit code. Without trailers process 1 was killed: for memory, or from outside."""
        code = self._trailers.code
        if code is None:
            if not await self.out_of_memory():
                raise OSError("the container ended before its command did")
            code = KILLED
        self._warm.check()
        return code

    async def out_of_memory(self) -> bool:
        """Whether the engine saw it, or a part of it, killed for its memory; not before its end."""
        self._stop_feeding()
        if self._over:
            return await self._warm.out_of_memory()
        await self._warm.look()
        return False

    async def discard(self) -> None:
        """Remove the container."""
        self._stop_feeding()
        await self._warm.discard()

    def _stop_feeding(self) -> None:
        if self._feeding is not None:
            self._feeding.cancel()


_: type[Job] = WarmJob
