"""Ask what the request wants, and whether its principal may have it."""

from dataclasses import replace

from proxy.actions import Action, Enqueue, Operate, ToolCall
from proxy.authorization.approvals import Wish
from proxy.authorization.budgets import Budgets
from proxy.authorization.consent import Consent, held
from proxy.authorization.keys import addressed, once_key, who
from proxy.authorization.policy import Policy
from proxy.authorization.preparation import AsItCame, Preparation
from proxy.authorization.stops import Stops
from proxy.authorization.verdict import Asked, Permit, Verdict, tools_of
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Grant, Inbound, OnceKey, Principal
from proxy.reasons import Reason


class Authorizer:
    """Layer 3."""

    def __init__(
        self,
        policy: Policy,
        consent: Consent,
        stops: Stops,
        budgets: Budgets,
        preparation: Preparation | None = None,
    ) -> None:
        self._policy = policy
        self._consent = consent
        self._stops = stops
        self._budgets = budgets
        self._preparation = preparation or AsItCame()

    async def authorize(self, inbound: Inbound, principal: Principal) -> Decision[Grant]:
        """The grant for what the request asks."""
        if not principal.scope.covers_route(inbound.path):
            return Deny(Reason.SCOPE_INSUFFICIENT)
        try:
            return await self._granted(inbound, principal)
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, type(error).__name__)

    async def _granted(self, inbound: Inbound, principal: Principal) -> Decision[Grant]:
        # To read a body costs more than to count it: who has no call left is not read.
        early = inbound.route.door == "tools" and inbound.method == "POST"
        facts = await self._count(principal) if early else Facts()
        if "retry_after" in facts:
            return Deny(Reason.TOOL_RATE_LIMITED, facts=facts)
        action = await inbound.route.codec.parse(inbound)
        if isinstance(action, ToolCall) and not early:
            facts = await self._count(principal)
            if "retry_after" in facts:
                return Deny(Reason.TOOL_RATE_LIMITED, facts=facts)
        once = await once_key(inbound, principal, action)
        prepared = await self._preparation.prepared(action, principal)
        if isinstance(prepared, Deny):
            await self._remember(action, principal, prepared)
            return replace(prepared, facts=Facts(**{**facts, **prepared.facts}))
        facts = Facts(**{**facts, **prepared.facts})
        return await self._decided(inbound, principal, prepared.value, once, facts)

    async def _decided(
        self,
        inbound: Inbound,
        principal: Principal,
        action: Action,
        once: OnceKey | None,
        facts: Facts,
    ) -> Decision[Grant]:
        permit = await self._permit(inbound, principal, action, once)
        if isinstance(permit, Deny):
            await self._remember(action, principal, permit)
            return replace(permit, facts=Facts(**{**facts, **permit.facts}))
        plan = permit.value.plan
        if isinstance(plan, Enqueue):  # the inbox itself remembers what it holds
            plan, once = addressed(plan, inbound, once), None
        if isinstance(action, ToolCall):
            action = replace(action, inner=permit.value.tools)
        grant = Grant(
            inbound.request_id,
            inbound.route.door,
            principal,
            action,
            plan,
            permit.value.acting,
            None if isinstance(action, ToolCall) and action.detach else permit.value.once or once,
            self._budgets.refund(principal, permit),
        )
        return Allow(grant, Facts(**{**facts, **permit.facts}))

    async def _permit(
        self, inbound: Inbound, principal: Principal, action: Action, once: OnceKey | None
    ) -> Decision[Permit]:
        """What may be done: nothing stops it, the rules allow it, a human too, and it is paid."""
        if not isinstance(action, Operate):
            stopped = await self._stops.refusal(action, principal)
            if stopped is not None:
                return stopped
        verdict = await self._policy.decide(action, principal)
        if not isinstance(action, ToolCall):
            assert not isinstance(verdict, Asked), "only tool calls are asked about"
            return verdict
        wish = Wish(action, inbound, principal, once)
        if isinstance(verdict, Deny):
            return verdict
        return await self._called(wish, verdict)

    async def _called(self, wish: Wish, verdict: Allow[Permit] | Asked) -> Decision[Permit]:
        """The permit for a tool call that no rule refuses.

        What it costs is reserved before a human is asked, and given back where nothing comes of it.
        """
        with held(verdict) as kept:
            wish = replace(wish, call=replace(wish.call, inner=tools_of(verdict)))
            refusal = await self._stops.refusal(wish.call, wish.principal)
            refusal = refusal or self._misplaced(wish, verdict)
            if refusal is None:
                refusal = await self._budgets.reserve(wish.principal, verdict)
            if refusal is not None:
                return refusal
            permit: Decision[Permit] | None = None
            try:
                permit = await self._consented(wish, verdict)
            finally:
                if not isinstance(permit, Allow) or not permit.value.tools:  # kept for later
                    await self._budgets.refund(wish.principal, verdict)()
            return kept(permit)

    async def _consented(self, wish: Wish, verdict: Allow[Permit] | Asked) -> Decision[Permit]:
        """The permit of the rules, and of a human where the rules ask for one."""
        permit = await self._consent.settle(wish, verdict)
        if isinstance(permit, Deny) or permit is verdict:
            return permit
        with held(permit) as kept:
            refusal = self._misplaced(wish, permit)
            if refusal is None and "waited" in permit.facts:  # it has been a while
                refusal = await self._stops.refusal(wish.call, wish.principal)
            return refusal or kept(permit)

    def _misplaced(self, wish: Wish, verdict: Verdict) -> Deny | None:
        if not isinstance(verdict, Allow):
            return None
        return self._preparation.misplaced(wish.call, wish.principal, verdict.value.plan)

    async def _remember(self, action: Action, principal: Principal, denial: Deny) -> None:
        if isinstance(action, ToolCall):
            await self._stops.denied(action, principal, denial.reason)

    async def _count(self, principal: Principal) -> Facts:
        """Where the caller stands after a tool call."""
        quota = await self._budgets.calls.hit(who(principal))
        if quota is None:
            return Facts()
        return Facts(quota=quota, **({} if quota.wait is None else {"retry_after": quota.wait}))
