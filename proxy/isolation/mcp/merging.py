"""Streams of several servers as one, that lives as long as one of them does.

A server that breaks off must not silence the others; only where it was the last is its fault heard.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Protocol

import structlog

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.link import Event
from proxy.reasons import Layer, Reason

log = structlog.get_logger()

_AHEAD = 16
"""Events that are read before the client has taken them."""


class Releasing(Protocol):
    """What holds something that sources read from."""

    def release(self) -> None:
        """Give it back; it may be called twice."""
        ...


async def opened(
    held: Sequence[Releasing], opening: Sequence[Awaitable[Deny | None]]
) -> list[Deny | None]:
    """Open all at one time; what was opened is given back where nobody waits for the rest."""
    try:
        return await asyncio.gather(*opening)
    except BaseException:
        for each in held:
            each.release()
        raise


class Merged:
    """`sources`, in the order in which they speak, which read from what `held` gives back."""

    def __init__(self, sources: Sequence[AsyncIterator[Event]], held: Sequence[Releasing]) -> None:
        self._sources = sources
        self._held = held
        self._queue: asyncio.Queue[Event | Denied | None] = asyncio.Queue(_AHEAD)
        self._tasks: list[asyncio.Task[None]] = []

    async def events(self) -> AsyncIterator[Event]:
        """All of their events; Denied where the last of them broke off."""
        try:
            self._tasks = [asyncio.create_task(self._pump(each)) for each in self._sources]
            left = len(self._tasks)
            while left:
                said = await self._queue.get()
                if isinstance(said, Event):
                    yield said
                    continue
                left -= 1
                if said is not None and not left:
                    raise said
        finally:
            self.release()

    def release(self) -> None:
        """Nobody listens any more."""
        for task in self._tasks:
            task.cancel()
        for each in self._held:
            each.release()

    async def _pump(self, source: AsyncIterator[Event]) -> None:
        end: Denied | None = None
        try:
            async for event in source:
                await self._queue.put(event)
        except Denied as denied:
            end = denied
        except Exception:  # whatever it is, the others must not wait for it
            log.exception("a stream failed")
            end = Denied(Layer.ISOLATION, Reason.LAYER_FAILED)
        await self._queue.put(end)
