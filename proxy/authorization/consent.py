"""Where a human's word is needed, get it; where a call is not waited for, keep it.

The rules are asked twice: before anybody is bothered, and again once the operator has said yes,
since files, rules and tokens may be others by then.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TypeVar

from proxy.actions import Known, Plan, ToolCall, release
from proxy.authorization.approvals import Approvals, Asking, Wish
from proxy.authorization.policy import Policy
from proxy.authorization.verdict import Asked, Permit, Verdict
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import OnceKey, Principal
from proxy.reasons import Reason
from proxy.state.approvals import Ask
from proxy.values import Json

T = TypeVar("T")


@dataclass(frozen=True)
class Consent:
    """How a verdict becomes a permit. `seconds`: how long a human is waited for; 0: not at all."""

    approvals: Approvals
    policy: Policy
    seconds: float

    async def settle(self, wish: Wish, verdict: Allow[Permit] | Asked) -> Decision[Permit]:
        """What may be done now; raises OSError."""
        if wish.call.ask:
            return await self._resumed(wish)
        asking = await self._asking(wish.principal, verdict)
        if isinstance(verdict, Asked) and asking.needed and not asking.seconds:
            return Deny(Reason.APPROVAL_REQUIRED, facts=verdict.facts)
        if wish.call.detach:
            return _parked(await self.approvals.park(wish, asking))
        if isinstance(verdict, Allow):
            return verdict
        if not asking.needed:
            return await self._again(wish.call, wish.principal)
        held = await self.approvals.hold(wish, asking)
        if isinstance(held, Deny):
            return held
        return _with(await self._do(wish, held.value), held.facts)

    async def _resumed(self, wish: Wish) -> Decision[Permit]:
        """What was kept, to be done now, under the idempotency key that it came with."""
        ask = await self.approvals.asks.get(wish.call.ask, self.approvals.clock())
        if ask is None:
            return Deny(Reason.APPROVAL_VOID)
        done = await self._do(wish, ask)
        if isinstance(done, Deny):
            return done
        once = self.approvals.opened(ask).once
        key = None if once is None else OnceKey(once[0], once[1], shelf=once[2])
        return Allow(replace(done.value, once=key), done.facts)

    async def _asking(self, principal: Principal, verdict: Allow[Permit] | Asked) -> Asking:
        version, note = self.policy.version, verdict.facts.get("known", "")
        if not isinstance(verdict, Asked):
            return Asking(version, needed=False, seconds=self.seconds, note=note)
        always = verdict.always
        covered = not always and await self.approvals.granted(principal, verdict.tool.name)
        return Asking(version, not covered, self.seconds, always, note)

    async def _do(self, wish: Wish, ask: Ask) -> Decision[Permit]:
        """Decide anew, and take the ask as the very last thing: from then on it is used."""
        permit = await self._again(wish.call, wish.principal)
        if isinstance(permit, Deny):
            return permit
        with held(permit) as kept:
            if not await self.approvals.take(ask, wish.principal, self.policy.version):
                return Deny(Reason.APPROVAL_VOID)
            return _with(kept(permit), Facts(approval=ask.id))

    async def _again(self, call: ToolCall, principal: Principal) -> Decision[Permit]:
        verdict = await self.policy.decide(call, principal, approved=True)
        assert not isinstance(verdict, Asked), "approved, and asked all the same"
        return verdict


def _parked(ask: Decision[Ask]) -> Decision[Permit]:
    if isinstance(ask, Deny):
        return ask
    pending: Json = {"request_id": ask.value.id, "status": "pending"}
    return Allow(Permit(Known(pending, 202)), ask.facts)


@contextmanager
def held(verdict: Verdict) -> Iterator[Callable[[T], T]]:
    """Hold what a verdict holds open, and close it unless that very verdict is kept."""
    keeping: list[object] = []

    def kept(decision: T) -> T:
        keeping.append(_plan(decision))
        return decision

    try:
        yield kept
    finally:
        plan = _plan(verdict)
        if plan is not None and not any(plan is each for each in keeping):
            release(plan)


def _plan(verdict: object) -> Plan | None:
    return verdict.value.plan if isinstance(verdict, Allow) else None


def _with(permit: Decision[Permit], more: Facts) -> Decision[Permit]:
    facts = Facts(**{**permit.facts, **more})
    if isinstance(permit, Deny):
        return Deny(permit.reason, permit.evidence, facts)
    return Allow(permit.value, facts)
