"""How often somebody may do something.

Rates follow GCRA (the virtual scheduling form of ITU-T I.371): exact waiting times and one number
per key. The table is bounded; who is limited is forgotten only when many others came since.
"""

from typing import Protocol

from throttled.asyncio import MemoryStore, RateLimiterType, Throttled, rate_limiter

from proxy.exchange import Clock

_MAX_KEYS = 10_000


class Limiter(Protocol):
    """One rate, for many keys."""

    async def hit(self, key: str) -> float | None:
        """Count one use by `key`; the seconds to wait where that is one too many, else None."""
        ...


class Unlimited:
    """No limit."""

    async def hit(self, key: str) -> float | None:  # noqa: ARG002 - the interface's argument
        """Never limited."""
        return None


class Closed:
    """A rate of zero: nobody, ever."""

    async def hit(self, key: str) -> float | None:  # noqa: ARG002 - the interface's argument
        """Always limited; a minute is when asking again may meet another configuration."""
        return 60.0


class PerMinute:
    """`rate` uses a minute, which may come at once."""

    def __init__(self, rate: int) -> None:
        self._throttled = Throttled(
            using=RateLimiterType.GCRA.value,
            quota=rate_limiter.per_min(rate, burst=rate),
            store=MemoryStore(options={"MAX_SIZE": _MAX_KEYS}),
        )

    async def hit(self, key: str) -> float | None:
        """Count one use by `key`."""
        result = await self._throttled.limit(key)
        return result.state.retry_after if result.limited else None


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


def per_minute(rate: int | None) -> Limiter:
    """The limiter for a configured rate: None is no limit, 0 is none at all."""
    if rate is None:
        return Unlimited()
    return PerMinute(rate) if rate > 0 else Closed()
