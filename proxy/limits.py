"""How often somebody may do something.

Rates follow GCRA (the virtual scheduling form of ITU-T I.371): exact waiting times and one number
per key. The table is bounded; who is limited is forgotten only when many others came since.
"""

from typing import Protocol

from throttled.asyncio import MemoryStore, RateLimiterType, Throttled, rate_limiter

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


def per_minute(rate: int | None) -> Limiter:
    """The limiter for a configured rate: None is no limit, 0 is none at all."""
    if rate is None:
        return Unlimited()
    return PerMinute(rate) if rate > 0 else Closed()
