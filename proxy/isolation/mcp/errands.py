"""What is done after its occasion has passed, such as telling a server that nobody listens."""

import asyncio
from collections.abc import Coroutine

_MAX = 1024


class Errands:
    """Small tasks, each of which ends by itself. Past a bound, they are left undone."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, errand: Coroutine[object, object, None]) -> None:
        """Do it beside everything else."""
        if len(self._tasks) >= _MAX:
            errand.close()
            return
        task = asyncio.get_running_loop().create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def aclose(self) -> None:
        """Let nothing of it run on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
