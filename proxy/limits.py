"""How often somebody may do something.

Rates follow GCRA (the virtual scheduling form of ITU-T I.371), counted in whole microseconds. Laws:

    In any T seconds one bucket lets rate + rate * T / window uses through, and no more.
    A waiting time is exact: before it the answer is the same, after it there is room.
    A key is forgotten once it has all its uses again, when forgetting changes nothing. Strangers
    never bring that about: who comes while the table is full shares one bucket with all who do.

This is no library's limiter because those at hand forget by age. In throttled-py 3.5 a key that was
limited had all its uses again after strangers had come, and one in three callers that came back
after exactly the time they were told was told to wait again.
"""

import time
from heapq import heappop, heappush, heapreplace
from typing import Protocol

from proxy.decision import Quota
from proxy.exchange import Clock

MAX_KEYS = 10_000
MINUTE, HOUR = 60, 3600
OVERFLOW = ""
"""The bucket of all who come while the table is full."""
_IN_FLIGHT = 2_000_000
"""Microseconds that a key holds its place while a server is asked, which takes less."""


class Limiter(Protocol):
    """One rate, for many keys."""

    async def hit(self, key: str) -> Quota | None:
        """Count one use by `key`; where that leaves it, None where there is no limit.

        Raises OSError where the count cannot be kept.
        """
        ...

    async def refund(self, key: str) -> None:
        """Take back a use of `key` that another key is counted for."""
        ...

    async def clear(self) -> None:
        """Give everybody all uses back."""
        ...

    def keys(self) -> int:
        """How many keys have a bucket of their own."""
        ...


class Buckets(Protocol):
    """Buckets that replicas share."""

    async def pour(self, policy: str, key: str, rate: int, use: int) -> tuple[bool, int]:
        """Pour one use in where it fits, at once for all: whether it did, and the level then.

        Each microsecond drains `rate` of it. A use is `use`, and `rate` of them fill the bucket.

        Raises OSError where nobody can tell.
        """
        ...

    async def drain(self, policy: str, key: str, use: int) -> None:
        """Take one use out."""
        ...

    async def empty(self, policy: str) -> None:
        """Empty every bucket."""
        ...


class _Fixed:
    """What has nothing to count."""

    async def refund(self, key: str) -> None:
        """Nothing was counted."""

    async def clear(self) -> None:
        """Nothing was counted."""

    def keys(self) -> int:
        """None is needed."""
        return 0


class Unlimited(_Fixed):
    """No limit."""

    async def hit(self, key: str) -> Quota | None:  # noqa: ARG002 - the interface's argument
        """Never limited."""
        return None


class Closed(_Fixed):
    """A rate of zero: nobody, ever."""

    def __init__(self, policy: str, window: int = MINUTE) -> None:
        self._policy = policy
        self._window = window

    async def hit(self, key: str) -> Quota | None:  # noqa: ARG002 - the interface's argument
        """Always limited; after a window asking again may meet another configuration."""
        return Quota(self._policy, 0, self._window, 0, self._window, wait=self._window)


class Gcra:
    """`rate` uses in each `window` of seconds, which may come at once.

    The table's times are in microseconds times the rate, where a bucket's level is the time until
    it is empty: one number is the bucket, its end, and exact.
    """

    def __init__(  # noqa: PLR0913 - a rate is a number and a time, and they are counted somewhere
        self,
        policy: str,
        rate: int,
        max_keys: int,
        clock: Clock,
        buckets: Buckets | None = None,
        *,
        window: int = MINUTE,
    ) -> None:
        self._policy = policy
        self._rate = rate
        self._window = window
        self._use = window * 1_000_000  # of which each microsecond drains `rate`
        self._clock = clock
        self._buckets = buckets
        self._table = _Table(max_keys)

    async def hit(self, key: str) -> Quota | None:
        """Count one use by `key`."""
        now = self._now()
        name = self._table.place(key, now)
        passed, level = await self._pour(name, now)
        self._table.keep(name, now + level)
        return self._quota(level, passed=passed)

    async def refund(self, key: str) -> None:
        """Take back a use of `key`."""
        name = self._table.name(key)
        if self._buckets is not None:
            return await self._buckets.drain(self._policy, name, self._use)
        return self._table.lower(name, self._table.until(name) - self._use)

    async def clear(self) -> None:
        """Give everybody all uses back."""
        self._table.clear()
        if self._buckets is not None:
            await self._buckets.empty(self._policy)

    def keys(self) -> int:
        """How many keys have a bucket that is not empty."""
        self._table.forget(self._now())
        return len(self._table)

    def _now(self) -> int:
        return round(self._clock() * 1e6) * self._rate

    async def _pour(self, name: str, now: int) -> tuple[bool, int]:
        if self._buckets is not None:
            self._table.keep(name, now + _IN_FLIGHT * self._rate)
            return await self._buckets.pour(self._policy, name, self._rate, self._use)
        level = max(0, self._table.until(name) - now)
        fits = level + self._use <= self._rate * self._use
        return (True, level + self._use) if fits else (False, level)

    def _quota(self, level: int, *, passed: bool) -> Quota:
        most = self._rate * self._use
        wait = None if passed else self._seconds(level + self._use - most)
        remaining = max(0, most - level) // self._use
        reset = self._seconds(level)
        return Quota(self._policy, self._rate, self._window, remaining, reset, wait)

    def _seconds(self, level: int) -> float:
        """How long it takes for so much to drain."""
        return -(-level // self._rate) / 1e6


class _Table:
    """Keys and until when each is live; at most `most`, and OVERFLOW.

    Each has one entry in a heap, at its end or earlier: an entry that comes up too early is put
    back, which a use since has paid for.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._until: dict[str, int] = {}
        self._ends: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._until) - (OVERFLOW in self._until)

    def place(self, key: str, now: int) -> str:
        """The bucket that `key` goes by."""
        self.forget(now)
        return key if key in self._until or len(self) < self._most else OVERFLOW

    def name(self, key: str) -> str:
        """The bucket that `key` went by."""
        return key if key in self._until else OVERFLOW

    def lower(self, name: str, until: int) -> None:
        """Let a bucket be empty earlier; its entry in the heap may come up late, which is safe."""
        if name in self._until:
            self._until[name] = until

    def clear(self) -> None:
        """Forget everybody."""
        self._until.clear()
        self._ends.clear()

    def until(self, name: str) -> int:
        """When the bucket is empty; long ago where there is none."""
        return self._until.get(name, 0)

    def keep(self, name: str, until: int) -> None:
        """Remember a bucket at least until then."""
        known = self._until.get(name)
        if known is None:
            heappush(self._ends, (until, name))
        self._until[name] = until if known is None else max(until, known)

    def forget(self, now: int) -> None:
        """Forget whoever has all uses again."""
        while self._ends and self._ends[0][0] <= now:
            name = self._ends[0][1]
            until = self._until[name]
            if until > now:
                heapreplace(self._ends, (until, name))
            else:
                heappop(self._ends)
                del self._until[name]


class Share:
    """So many records a minute of what strangers can cause, so that they cannot fill a disk."""

    def __init__(self, each_minute: int, clock: Clock) -> None:
        self._each_minute = each_minute
        self._clock = clock
        self._minute = 0
        self._taken = 0

    def take(self) -> int | None:
        """None where this minute has had its share; else how many an earlier one had to leave out.

        What was left out is told once, with the first record after it.
        """
        minute, left_out = int(self._clock() // 60), 0
        if minute != self._minute:
            left_out = max(0, self._taken - self._each_minute)
            self._minute, self._taken = minute, 0
        self._taken += 1
        return left_out if self._taken <= self._each_minute else None


def per_minute(
    policy: str,
    rate: int | None,
    *,
    max_keys: int = MAX_KEYS,
    clock: Clock = time.monotonic,
    buckets: Buckets | None = None,
) -> Limiter:
    """The limiter for so many uses a minute: None is no limit, 0 is none at all.

    Without `buckets` it counts in memory. `clock` need not know the date, and must not go back.
    """
    return _limiter(policy, rate, MINUTE, max_keys, clock, buckets)


def per_hour(
    policy: str,
    rate: int | None,
    *,
    max_keys: int = MAX_KEYS,
    clock: Clock = time.monotonic,
    buckets: Buckets | None = None,
) -> Limiter:
    """The same for so many uses an hour."""
    return _limiter(policy, rate, HOUR, max_keys, clock, buckets)


def _limiter(  # noqa: PLR0913, PLR0917 - called by the two above, in this order
    policy: str, rate: int | None, window: int, most: int, clock: Clock, buckets: Buckets | None
) -> Limiter:
    if rate is None:
        return Unlimited()
    if rate == 0:
        return Closed(policy, window)
    return Gcra(policy, rate, most, clock, buckets, window=window)
