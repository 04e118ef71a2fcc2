"""Containers that were started ahead: of each kind so many, each used once and replaced.

They only save time. Where none waits, the command gets a container of the same kind that is made
for it; so nothing here is an error to anyone, and what goes wrong is tried again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping

import structlog

from proxy.decision import told
from proxy.isolation.docker.container import Profile
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.warm import WarmContainer

LOOK_SECONDS = 30.0
_STARTING = 2  # at one time, over all pools: more slow down each other, and the commands
_QUIET_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 30.0
_LAST_SECONDS = 2.0  # whoever stops a service gives it ten, and others have had theirs

log = structlog.get_logger()  # for what no request waits for

Drop = Callable[[WarmContainer], None]


class Pool:
    """Containers of one kind. `drop` removes one; `starting` bounds how many start at a time."""

    def __init__(
        self,
        engine: Engine,
        profile: Profile,
        size: int,
        *,
        drop: Drop,
        starting: asyncio.Semaphore,
    ) -> None:
        self._engine = engine
        self._profile = profile
        self._size = size
        self._drop = drop
        self._starting = starting
        self._waiting: deque[WarmContainer] = deque()
        self._adding: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._taken = 0.0
        self._pause = 0.0
        self._faulty = False  # since the last start
        self._failing = False  # since one last lasted
        self._filling = asyncio.create_task(self._fill())

    @property
    def ready(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def take(self) -> WarmContainer | None:
        """The one that has waited longest, and is the caller's to discard."""
        while self._waiting:
            taken = self._waiting.popleft()
            self._changed.set()
            if taken.waits:
                self._taken = _now()
                self._lasted()
                return taken
            self._drop(taken)
        return None

    def resize(self, size: int) -> None:
        """Keep so many from now on."""
        self._size = size
        self._changed.set()
        self._trim()

    def _trim(self) -> None:
        while len(self._waiting) > self._size:
            self._drop(self._waiting.pop())

    async def look(self) -> None:
        """Replace those that would not be made in the same way now."""
        try:
            image = await self._engine.image_id(self._profile.image)
        except TimeoutError:
            return
        except OSError:
            image = ""
        for each in [each for each in self._waiting if not _is_current(each, image)]:
            self._waiting.remove(each)
            self._drop(each)
            self._changed.set()
        if self._waiting:
            self._lasted()

    async def aclose(self) -> None:
        """Keep none, and start no more."""
        self._filling.cancel()
        for starting in self._adding:
            starting.cancel()
        await asyncio.wait({self._filling, *self._adding})
        self.resize(0)

    async def _fill(self) -> None:
        while True:
            while not self._lacks():
                self._changed.clear()
                await self._changed.wait()
            await self._hold_back()
            await self._starting.acquire()
            adding = asyncio.create_task(self._add())
            self._adding.add(adding)
            adding.add_done_callback(self._added)

    @property
    def _low(self) -> bool:
        return 2 * len(self._waiting) < self._size

    def _lacks(self) -> bool:
        """Whether to start another: beside one that starts already, only where few are left."""
        alone = not self._adding or self._low
        return alone and len(self._waiting) + len(self._adding) < self._size

    async def _hold_back(self) -> None:
        """Leave the machine to the command that one was just taken for, while there are others.

        After a fault there is no pause at first, then longer and longer ones.
        """
        if self._faulty:
            self._faulty = False
            await asyncio.sleep(self._pause)
            self._pause = min(max(1.0, 2 * self._pause), _LONGEST_PAUSE_SECONDS)
        elif not self._low:
            await asyncio.sleep(self._taken + _QUIET_SECONDS - _now())

    def _added(self, adding: "asyncio.Task[None]") -> None:
        self._adding.discard(adding)
        self._starting.release()
        self._changed.set()
        if not adding.cancelled() and (error := adding.exception()):
            self._failed(told(error))

    async def _add(self) -> None:
        made = WarmContainer(self._engine, self._profile)
        try:
            await made.start()
        except BaseException:
            self._drop(made)
            raise
        self._waiting.append(made)
        made.watch(self._ended)
        self._trim()  # there may be too many by now

    def _ended(self, ended: WarmContainer) -> None:
        """One waits no longer: taken, dropped, or dead."""
        if ended in self._waiting:
            self._waiting.remove(ended)
            self._drop(ended)
            self._failed("a container ended while it waited")
            self._changed.set()

    def _failed(self, reason: str) -> None:
        self._faulty = True
        if not self._failing:
            log.warning("no sandboxes wait", image=self._profile.image, error=reason)
        self._failing = True

    def _lasted(self) -> None:
        """One has waited as it should."""
        self._pause = 0.0
        if self._failing:
            log.info("sandboxes wait again", image=self._profile.image)
        self._failing = False


def _is_current(each: WarmContainer, image: str | None) -> bool:
    try:
        each.check()
    except OSError:
        return False
    return each.image == image


class Pools:
    """The pools of all kinds. `hits` and `misses` count the commands that found one waiting or not.

    It is made without I/O, and used in a running event loop.
    """

    def __init__(self, engine: Engine, *, look_seconds: float = LOOK_SECONDS) -> None:
        self.hits = 0
        self.misses = 0
        self._engine = engine
        self._look_seconds = look_seconds
        self._starting = asyncio.Semaphore(_STARTING)
        self._pools: dict[Profile, Pool] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    @property
    def ready(self) -> int:
        """How many containers wait."""
        return sum(pool.ready for pool in self._pools.values())

    def set(self, sizes: Mapping[Profile, int]) -> None:
        """Keep so many of each kind from now on, and none of any other."""
        wanted = {profile: size for profile, size in sizes.items() if size > 0}
        for profile in self._pools.keys() - wanted.keys():
            self._later(self._pools.pop(profile).aclose())
        for profile, size in wanted.items():
            if profile in self._pools:
                self._pools[profile].resize(size)
            else:
                self._pools[profile] = Pool(
                    self._engine, profile, size, drop=self._drop, starting=self._starting
                )
        if self._pools and self._looking is None:
            self._looking = asyncio.create_task(self._look_again())

    def take(self, profile: Profile) -> WarmContainer | None:
        """One of this kind, which is the caller's to discard; None where none waits."""
        pool = self._pools.get(profile)
        taken = pool.take() if pool is not None else None
        if taken is not None:
            self.hits += 1
        elif pool is not None:
            self.misses += 1
        return taken

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._look_seconds)
            for pool in list(self._pools.values()):
                await pool.look()

    def _drop(self, container: WarmContainer) -> None:
        self._later(container.discard())

    def _later(self, ending: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(ending)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def aclose(self) -> None:
        """Remove all of them. What an engine does not answer in time is left to the sweep."""
        self.set({})
        if self._looking is not None:
            self._looking.cancel()
        deadline = _now() + _LAST_SECONDS
        while self._ending and (left := deadline - _now()) > 0:
            await asyncio.wait(set(self._ending), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        for late in self._ending:
            late.cancel()


def _now() -> float:
    return asyncio.get_running_loop().time()
