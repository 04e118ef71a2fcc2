"""Ask what the request wants, and whether its principal may have it."""

from dataclasses import replace

from proxy.actions import Action, Enqueue, ToolCall
from proxy.authorization.keys import addressed, once_key, who
from proxy.authorization.policy import Policy
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Grant, Inbound, Principal
from proxy.limits import Limiter
from proxy.reasons import Reason


class Authorizer:
    """Layer 3. `calls` is the rate of one principal's tool calls."""

    def __init__(self, policy: Policy, calls: Limiter) -> None:
        self._policy = policy
        self._calls = calls

    async def authorize(self, inbound: Inbound, principal: Principal) -> Decision[Grant]:
        """The grant for what the request asks."""
        if not principal.scope.covers_route(inbound.path):
            return Deny(Reason.SCOPE_INSUFFICIENT)
        action = await inbound.route.codec.parse(inbound)
        once = await once_key(inbound, principal, action)
        try:
            facts = await self._count(action, principal)
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, type(error).__name__)
        if "retry_after" in facts:
            return Deny(Reason.TOOL_RATE_LIMITED, facts=facts)
        permit = await self._policy.decide(action, principal)
        if isinstance(permit, Deny):
            return replace(permit, facts=Facts(**permit.facts, **facts))
        plan = permit.value.plan
        if isinstance(plan, Enqueue):  # the inbox itself remembers what it holds
            plan, once = addressed(plan, inbound, once), None
        grant = Grant(
            inbound.request_id,
            inbound.route.door,
            principal,
            action,
            plan,
            permit.value.acting,
            once,
        )
        return Allow(grant, Facts(**permit.facts, **facts))

    async def _count(self, action: Action, principal: Principal) -> Facts:
        """Where the caller stands after a tool call."""
        if not isinstance(action, ToolCall):
            return Facts()
        quota = await self._calls.hit(who(principal))
        if quota is None:
            return Facts()
        return Facts(quota=quota, **({} if quota.wait is None else {"retry_after": quota.wait}))
