"""A call that goes on when its caller leaves, since the caller comes back for the answer.

It runs in a task of its own. A streamed answer flows to the caller frame by frame, no faster than
it is read, while a copy is taken. Once the caller has left, the call has a while to end. What
became of it is settled, once and whatever happens, before the caller can see the end.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

from proxy.actions import Action
from proxy.decision import Allow, Decision, Facts
from proxy.exchange import Content, Frame, Principal, Stream
from proxy.isolation.fate import Fate, fate, fate_by_status
from proxy.isolation.kept import Copy, packed

STAY_SECONDS = 300.0
"""As long as the agent has for its answer to somebody who waits."""
_AHEAD = 2  # frames that may wait to be read

Settle = Callable[[Fate, bytes | None], Awaitable[None]]


class Errand:
    """One `action` of `principal`, `settle`d by its fate and the answer to keep."""

    def __init__(
        self, principal: Principal, action: Action, settle: Settle, *, stay: float = STAY_SECONDS
    ) -> None:
        self.principal = principal
        self.action = action
        self.left = False
        self._settle = settle
        self._settled = False
        self._otherwise = Fate.UNDONE
        self._stay = stay
        self._sent = False
        self._decision: asyncio.Future[Decision[Content]] = asyncio.Future()
        self._frames: asyncio.Queue[Frame | BaseException | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_AHEAD)
        self._task: asyncio.Task[None] | None = None

    async def mark_sent(self) -> None:
        """From now on the agent may have received it."""
        self._sent = True
        self._otherwise = Fate.UNKNOWN

    def start(self, call: Callable[[], Awaitable[Decision[Content]]]) -> "asyncio.Task[None]":
        """Set out; the task ends when all is settled."""
        self._task = asyncio.create_task(self._run(call))
        self._task.add_done_callback(self._ended)
        return self._task

    async def answer(self) -> Decision[Content]:
        """What came of it. A caller that is cancelled has left."""
        try:
            return await asyncio.shield(self._decision)
        except asyncio.CancelledError:
            self.leave()
            raise

    def leave(self) -> None:
        """Nobody reads on; what runs has a while to end by itself."""
        if self.left:
            return
        self.left = True
        self._room.release()
        task = self._task
        if task is not None and not task.done():
            end = asyncio.get_running_loop().call_later(self._stay, task.cancel)
            task.add_done_callback(lambda _: end.cancel())

    async def _run(self, call: Callable[[], Awaitable[Decision[Content]]]) -> None:
        try:
            decision = await call()
            if isinstance(decision, Allow) and isinstance(decision.value, Stream):
                await self._flow(decision.value, decision.facts)
            else:
                await self._tell(decision)
        finally:
            await self._end(self._otherwise, None)

    async def _tell(self, decision: Decision[Content]) -> None:
        await self._end(fate(decision, sent=self._sent), packed(decision))
        self._decision.set_result(decision)

    async def _flow(self, stream: Stream, facts: Facts) -> None:
        copy, known = Copy(stream), fate_by_status(stream.status)
        if known is Fate.UNDONE:  # however much of the refusal arrives
            self._otherwise = known
        shown = replace(stream, frames=self._read(), release=self.leave)
        self._decision.set_result(Allow(shown, facts))
        try:
            async for frame in stream.frames:
                copy.add(frame)
                if not self.left:
                    await self._room.acquire()
                    self._frames.put_nowait(frame)
        finally:
            stream.release()
        await self._end(known, copy.packed())

    async def _read(self) -> AsyncIterator[Frame]:
        """The frames as they come. Where the call broke off, so does this."""
        while (item := await self._frames.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            self._room.release()
            yield item

    async def _end(self, known: Fate, answer: bytes | None) -> None:
        if not self._settled:
            self._settled = True
            await self._settle(known, answer)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        """Tell whoever still waits or reads."""
        error = OSError("the call was given up") if task.cancelled() else task.exception()
        self._frames.put_nowait(error)
        if error is not None and not self._decision.done():
            self._decision.set_exception(error)
            self._decision.exception()  # nobody may be waiting
