"""One command as a process of this machine, beside a supervisor of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable

from proxy.isolation.native.order import Order
from proxy.isolation.native.supervisor_process import SupervisorProcess
from proxy.isolation.native.supervisors import SupervisorPool
from proxy.isolation.run import Talk

_KILLED = 128  # exit codes from here on tell of a signal


class NativeJob:
    """`Job` for a process of this machine.

    `order`: the one to give to a supervisor. `stdin`: all that it reads; None: it is spoken with.
    """

    def __init__(
        self,
        supervisors: SupervisorPool,
        order: Callable[[SupervisorProcess], Order],
        stdin: bytes | None,
    ) -> None:
        self.begun = False
        self._supervisors = supervisors
        self._order = order
        self._stdin = stdin
        self._tells = False
        self._supervisor: SupervisorProcess | None = None
        self._feeding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take a supervisor and give it the order."""
        self._supervisor = await self._supervisors.take()
        order = self._order(self._supervisor)
        self._tells = order.tells
        self.begun = True
        await self._supervisor.obey(order)
        if self._stdin is not None:
            self._feeding = asyncio.create_task(self._supervisor.feed(self._stdin))

    async def say(self, data: bytes) -> None:
        """Write to its standard input, which stays open."""
        assert self._supervisor is not None
        await self._supervisor.say(data)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes."""
        assert self._supervisor is not None
        async for piece in self._supervisor.pieces():
            yield piece

    async def wait(self) -> int:
        """Its exit code."""
        assert self._supervisor is not None
        told = await self._supervisor.told()
        ended = told.get("ended")
        if "error" in told:
            self.begun = False
            raise OSError(f"the command could not be confined: {told['error']}")
        if not isinstance(ended, int):
            raise OSError("the supervisor of the command was killed")
        if self._tells and "exit-code" not in told:
            self.begun = ended >= _KILLED
            raise OSError(f"bubblewrap ended with {ended} before the command did")
        return ended

    async def out_of_memory(self) -> bool:
        """Not to be known here: a limit of memory makes a program fail, and kills none."""
        return False

    async def discard(self) -> None:
        """Have it killed with all that it started, and its folder removed."""
        if self._feeding is not None:
            self._feeding.cancel()
        if self._supervisor is not None:
            await self._supervisors.release(self._supervisor)


_: type[Talk] = NativeJob
