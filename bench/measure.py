"""Time calls: in turns with those of a peer, as they arrive, or so many at one time.

Only what was measured in one run is compared: machines differ, and so do their hours.
"""

import asyncio
import math
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Call = Callable[[], Awaitable[object]]
Settled = Callable[[], Awaitable[float]]
"""Waits until a call has left nothing to do; since when, as `time.perf_counter` counts."""

_PARTS = 5
_WARMING = 3


async def now() -> float:
    """When a call is over that leaves nothing to do."""
    return time.perf_counter()


@dataclass(frozen=True, slots=True)
class Arm:
    """A call to time. What it leaves to be done is waited for, outside of that time."""

    name: str
    call: Call
    settled: Settled = now


@dataclass(frozen=True, slots=True)
class Times:
    """How long each call took, in seconds and in their order."""

    seconds: tuple[float, ...]

    @property
    def p50(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        """What 99 of 100 calls stay within, by nearest rank."""
        return sorted(self.seconds)[math.ceil(len(self.seconds) * 0.99) - 1]

    def parts(self) -> Iterator["Times"]:
        """The run in five parts, one after another, to see how much it swings."""
        size = len(self.seconds) / _PARTS
        for part in range(_PARTS):
            yield Times(self.seconds[round(part * size) : round((part + 1) * size)])


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ours over the peer's, and the least and greatest that a part of the run has."""

    value: float
    least: float
    greatest: float

    @classmethod
    def of(cls, value: float) -> "Ratio":
        """One whose parts are not looked at."""
        return cls(value, value, value)

    @classmethod
    def of_medians(cls, ours: Times, peer: Times) -> "Ratio":
        """Of times that were taken in turns."""
        parts = [a.p50 / b.p50 for a, b in zip(ours.parts(), peer.parts(), strict=True)]
        return cls(ours.p50 / peer.p50, min(parts), max(parts))

    @classmethod
    def of_rounds(cls, ours: Sequence[float], peer: Sequence[float]) -> "Ratio":
        """Of one figure a round, each of the same round; its median counts."""
        parts = [a / b for a, b in zip(ours, peer, strict=True)]
        return cls(statistics.median(parts), min(parts), max(parts))


async def timed(call: Call) -> float:
    """How many seconds one call takes."""
    start = time.perf_counter()
    await call()
    return time.perf_counter() - start


async def in_turns(arms: Sequence[Arm], calls: int) -> Mapping[str, Times]:
    """Each arm's times, one call of each a round, and another one first in every round."""
    for arm in arms:
        for _ in range(_WARMING):
            await _alone(arm)
    seconds: dict[str, list[float]] = {arm.name: [] for arm in arms}
    for number in range(calls):
        first = number % len(arms)
        for arm in (*arms[first:], *arms[:first]):
            seconds[arm.name].append(await _alone(arm))
    return {name: Times(tuple(each)) for name, each in seconds.items()}


async def _alone(arm: Arm) -> float:
    seconds = await timed(arm.call)
    await arm.settled()
    return seconds


async def arriving(call: Call, per_second: float, calls: int) -> Times:
    """Calls that arrive by chance, as from many callers who do not know of each other.

    Time counts from when a call was to be made, so that none is excused by one before it. The gaps
    are the same in every run.
    """
    gaps, loop = random.Random(1), asyncio.get_running_loop()  # noqa: S311 - no secret
    due = loop.time()

    async def one(at: float) -> float:
        await asyncio.sleep(at - loop.time())
        await call()
        return loop.time() - at

    moments = []
    for _ in range(calls):
        due += gaps.expovariate(per_second)
        moments.append(due)
    return Times(tuple(await asyncio.gather(*map(one, moments))))


async def so_many(call: Call, calls: int, at_once: int, settled: Settled = now) -> float:
    """Seconds for all of the calls, so many at one time, until nothing is left to do."""
    start = time.perf_counter()
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await call()

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return await settled() - start


async def for_a_while(call: Call, seconds: float, at_once: int = 1) -> Times:
    """The times of as many calls as there is time for, so many at one time."""
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def worker() -> None:
        while time.perf_counter() < end:
            times.append(await timed(call))

    await asyncio.gather(*(worker() for _ in range(at_once)))
    return Times(tuple(times))
