"""A program that is spoken with and may write: it ends when the disk that it writes to is full."""

import asyncio
from collections.abc import AsyncIterator

from proxy.isolation.room import Room
from proxy.isolation.run import Talk


class WatchedTalk:
    """`Talk` that `room` looks after from its start to its end."""

    def __init__(self, talk: Talk, room: Room) -> None:
        self.begun = False
        self._talk = talk
        self._room = room
        self._discarding: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it; raises OSError."""
        self._room.enter(self)
        try:
            await self._talk.start()
        finally:
            self.begun = self._talk.begun

    async def say(self, data: bytes) -> None:
        """Write to its standard input; raises OSError."""
        await self._talk.say(data)

    async def output(self) -> AsyncIterator[tuple[int, bytes]]:
        """What it writes; raises OSError."""
        async for piece in self._talk.output():
            yield piece

    async def wait(self) -> int:
        """Its exit code; raises OSError."""
        return await self._talk.wait()

    async def out_of_memory(self) -> bool:
        """Whether it was killed for its memory."""
        return await self._talk.out_of_memory()

    def cut_short(self, note: bytes) -> None:  # noqa: ARG002 - nobody reads its standard error
        """End it now, which whoever hears it sees."""
        self._discard()

    async def discard(self) -> None:
        """Remove it, whoever wanted that first."""
        self._room.leave(self)
        await asyncio.shield(self._discard())

    def _discard(self) -> "asyncio.Task[None]":
        if self._discarding is None:
            self._discarding = asyncio.create_task(self._talk.discard())
        return self._discarding


_: type[Talk] = WatchedTalk
