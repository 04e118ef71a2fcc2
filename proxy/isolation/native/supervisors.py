"""The supervisors that there are, and one that waits ahead for the next command.

Loading one takes longer than starting a command does, so the next is loaded while none is awaited.
Like all others it is used once.
"""

import asyncio
import contextlib
import uuid

from proxy.isolation.native.leftovers import kill_marked, remove_folders
from proxy.isolation.native.supervisor_process import SupervisorProcess


class SupervisorPool:
    """The supervisors of one Sidegate, whose names begin with `prefix`.

    `given`: the descriptors that each of them has. `serving`: the names of those that there are, or
    may be.
    """

    def __init__(self, prefix: str, given: tuple[int, ...]) -> None:
        self._prefix = prefix
        self._given = given
        self._spare: SupervisorProcess | None = None
        self._loading: asyncio.Task[None] | None = None
        self._unwanted: set[asyncio.Task[None]] = set()
        self._closed = False
        self.serving: set[str] = set()

    async def take(self) -> SupervisorProcess:
        """One that waits for an order; raises OSError. It is to be released."""
        if self._loading is not None:
            await asyncio.wait({self._loading})
        supervisor, self._spare = self._spare, None
        if supervisor is not None and supervisor.waits:
            return supervisor
        if supervisor is not None:
            await self._end(supervisor)
        starting = asyncio.create_task(self._start())
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            self._give_up(starting)
            raise

    async def release(self, supervisor: SupervisorProcess) -> None:
        """End one, and what it started; then load the next."""
        await self._end(supervisor)
        if self._spare is None and self._loading is None and not self._closed:
            self._loading = asyncio.create_task(self._load())

    async def aclose(self) -> None:
        """End the one that waits, and those that nobody came for."""
        self._closed = True
        if under_way := self._unwanted | ({self._loading} if self._loading else set()):
            await asyncio.wait(under_way)
        if self._spare is not None:
            await self._end(self._spare)
            self._spare = None

    async def _load(self) -> None:
        try:
            self._spare = await self._start()
        except OSError:
            pass  # whoever wants one next tries again, and is told
        finally:
            self._loading = None

    async def _start(self) -> SupervisorProcess:
        name = f"{self._prefix}{uuid.uuid4().hex}"
        self.serving.add(name)
        try:
            return await SupervisorProcess.start(name, self._given)
        except BaseException:
            self.serving.discard(name)
            raise

    def _give_up(self, starting: "asyncio.Task[SupervisorProcess]") -> None:
        """A process half started cannot be stopped: it is ended when it has been."""
        ending = asyncio.create_task(self._end_started(starting))
        self._unwanted.add(ending)
        ending.add_done_callback(self._unwanted.discard)

    async def _end_started(self, starting: "asyncio.Task[SupervisorProcess]") -> None:
        with contextlib.suppress(OSError):
            await self._end(await starting)

    async def _end(self, supervisor: SupervisorProcess) -> None:
        try:
            cleared = await supervisor.end()
            if not cleared:
                await asyncio.to_thread(kill_marked, supervisor.name, ())
            await supervisor.reap()
            if not cleared:
                await remove_folders(supervisor.name, ())
        finally:  # what is left even so is the sweep's
            self.serving.discard(supervisor.name)
