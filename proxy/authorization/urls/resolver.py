"""The addresses of a name, by the machine's own resolver, within bounds.

A look-up cannot be cancelled, only left alone: it keeps its place until it ends, so that however
many names are asked for, only so many threads ever wait, and none that anybody else needs. Nobody
has more than a share of the places, whatever the names that they ask for take.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

AT_ONCE = 8
SHARE = 2
"""Places that one owner has at most."""

_SECONDS = 2.0


class Resolve(Protocol):
    """Find the addresses of a host."""

    async def __call__(self, host: str, owner: str = "", /) -> Sequence[str]:
        """Every address of `host`, in ordinary form; OSError where there is none, or none yet.

        `owner`: on whose behalf.
        """
        ...


def look_up(host: str) -> Sequence[str]:
    """The addresses of `host`, for as long as it takes; OSError where there are none."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return sorted({str(address[4][0]) for address in found})


class SystemResolver:
    """`Resolve` by getaddrinfo(3), or by what is put in its place, in threads of its own.

    `free`: how many more names may be looked up now. Who finds no place waits for one.
    """

    def __init__(
        self, find: Callable[[str], Sequence[str]] = look_up, *, seconds: float = _SECONDS
    ) -> None:
        self._find = find
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="resolver")
        self.free = AT_ONCE
        self._held = Counter[str]()
        self._freed = asyncio.Event()
        self._seconds = seconds

    async def __call__(self, host: str, owner: str = "", /) -> Sequence[str]:
        """Every address of `host`, in ordinary form; OSError where there is none, or none yet."""
        async with asyncio.timeout(self._seconds):
            await self._take(owner)
            looking = asyncio.get_running_loop().run_in_executor(self._pool, self._find, host)
            looking.add_done_callback(partial(self._give_back, owner))
            return await asyncio.shield(looking)

    def close(self) -> None:
        """Take no more names."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _take(self, owner: str) -> None:
        while not self.free or self._held[owner] >= SHARE:
            self._freed.clear()
            await self._freed.wait()
        self.free -= 1
        self._held[owner] += 1

    def _give_back(self, owner: str, looking: "asyncio.Future[Sequence[str]]") -> None:
        self.free += 1
        self._held -= Counter({owner: 1})  # which forgets whoever has none
        self._freed.set()
        if not looking.cancelled():
            looking.exception()  # told to whoever still waits; nobody need


class OneCall:
    """`Resolve` for one call of `owner`: there are `seconds` for all of its names together."""

    def __init__(self, resolve: Resolve, owner: str, seconds: float = _SECONDS) -> None:
        self._resolve = resolve
        self._owner = owner
        self._left = seconds

    async def __call__(self, host: str, owner: str = "", /) -> Sequence[str]:
        """Every address of `host`; OSError where there is none, or none in time."""
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            async with asyncio.timeout(self._left):
                return await self._resolve(host, owner or self._owner)
        finally:
            self._left -= clock() - started


_: type[Resolve] = SystemResolver
__: type[Resolve] = OneCall
