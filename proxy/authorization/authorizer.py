"""Ask what the request wants, and whether its principal may have it."""

from proxy.authorization.policy import Policy
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Grant, Inbound, Principal


class Authorizer:
    """Layer 3."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy

    async def authorize(self, inbound: Inbound, principal: Principal) -> Decision[Grant]:
        """The grant for what the request asks."""
        action = await inbound.route.codec.parse(inbound)
        permit = await self._policy.decide(action, principal)
        if isinstance(permit, Deny):
            return permit
        grant = Grant(
            inbound.request_id,
            inbound.route.door,
            principal,
            action,
            permit.value.plan,
            permit.value.acting,
        )
        return Allow(grant, permit.facts)
