"""How often one principal may call each tool: the rates of the table of tools, kept apart."""

from collections.abc import Callable, Sequence

from proxy.authorization.tools.catalogue import Catalogue
from proxy.decision import Quota
from proxy.limits import Limiter


class Rates:
    """`limiter` makes the limiter for so many calls a minute; tools of one rate share it."""

    def __init__(self, tools: Catalogue, limiter: Callable[[int], Limiter]) -> None:
        self._tools = tools
        self._make = limiter
        self._limiters: dict[int, Limiter] = {}

    async def hit(self, tool: str, who: str) -> Quota | None:
        """Count one call of `tool` by `who`; where that leaves them, None without a rate.

        Raises OSError where the count cannot be kept.
        """
        limiter = self._limiter(tool)
        return None if limiter is None else await limiter.hit(_key(tool, who))

    async def hit_all(self, tools: Sequence[str], who: str) -> Quota | None:
        """Count one call of each, or none of any: then the quota is the one that is exhausted.

        Raises OSError where the count cannot be kept.
        """
        least: Quota | None = None
        for number, tool in enumerate(tools):
            quota = await self.hit(tool, who)
            if quota is not None and quota.wait is not None:
                for earlier in tools[:number]:
                    await self.refund(earlier, who)
                return quota
            if quota is not None and (least is None or quota.remaining < least.remaining):
                least = quota
        return least

    async def refund(self, tool: str, who: str) -> None:
        """Take back a call that was not done."""
        limiter = self._limiter(tool)
        if limiter is not None:
            await limiter.refund(_key(tool, who))

    def keys(self) -> int:
        """How many buckets there are."""
        return sum(limiter.keys() for limiter in self._limiters.values())

    def _limiter(self, tool: str) -> Limiter | None:
        found = self._tools.find(tool)
        if found is None or found.rate is None:
            return None
        if found.rate not in self._limiters:
            self._limiters[found.rate] = self._make(found.rate)
        return self._limiters[found.rate]


def _key(tool: str, who: str) -> str:
    return f"{tool} {who}"
