"""What one principal may spend: calls a minute, calls of each tool, and actions in an hour."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from proxy.authorization.keys import who
from proxy.authorization.tools.rates import Rates
from proxy.authorization.verdict import Asked, Permit, acts, tools_of
from proxy.decision import Allow, Deny, Facts, Quota
from proxy.exchange import Principal
from proxy.limits import Limiter
from proxy.reasons import Reason


@dataclass(frozen=True)
class Budgets:
    """`calls` of any tool, whatever becomes of them; `actions` and `tools` that are done."""

    calls: Limiter
    actions: Limiter
    tools: Rates

    async def reserve(self, principal: Principal, verdict: Allow[Permit] | Asked) -> Deny | None:
        """Count what a call would spend, or nothing of it where it cannot be paid.

        Raises OSError where the count cannot be kept.
        """
        name, tools = who(principal), tools_of(verdict)
        quota = await self.tools.hit_all(tools, name)
        if quota is not None and quota.wait is not None:
            return _exhausted(Reason.TOOL_RATE_LIMITED, quota)
        if not acts(verdict):
            return None
        quota = await self.actions.hit(name)
        if quota is None or quota.wait is None:
            return None
        await self._give_back(name, tools)
        return _exhausted(Reason.ACTIONS_EXHAUSTED, quota)

    def refund(
        self, principal: Principal, verdict: Allow[Permit] | Asked
    ) -> Callable[[], Awaitable[None]]:
        """What gives back all that was reserved, where the call is not done after all."""
        name, tools, acting = who(principal), tools_of(verdict), acts(verdict)

        async def give_back() -> None:
            await self._give_back(name, tools)
            if acting:
                await self.actions.refund(name)

        return give_back

    async def _give_back(self, name: str, tools: tuple[str, ...]) -> None:
        for tool in tools:
            await self.tools.refund(tool, name)


def _exhausted(reason: Reason, quota: Quota) -> Deny:
    return Deny(reason, facts=Facts(quota=quota, retry_after=quota.wait or 0.0))
