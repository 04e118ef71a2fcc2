"""Streams of several servers as one, that lives as long as one of them does.

A server that breaks off must not silence the others; only where it was the last is its fault heard.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from proxy.decision import Denied
from proxy.isolation.mcp.link import Event

_AHEAD = 16
"""Events that are read before the client has taken them."""


class Releasing(Protocol):
    """What holds something that sources read from."""

    def release(self) -> None:
        """Give it back; it may be called twice."""
        ...


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
        await self._queue.put(end)
