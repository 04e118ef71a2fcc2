"""Decide what may be done: one function from an action to a permit.

Everything that wants a verdict comes here: requests through the authorizer, and `sidegate explain`.
Rules that forbid come first; whether a human must be asked is the last question, so that nobody is
asked about what is denied anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from proxy.actions import (
    Action,
    Challenge,
    Collect,
    Enqueue,
    Forward,
    Known,
    Listing,
    Message,
    Operate,
    ToolCall,
)
from proxy.authorization.keys import who
from proxy.authorization.talks import asking, stranger, talk
from proxy.authorization.tools.calls import ToolRules
from proxy.authorization.turns import Turns
from proxy.authorization.verdict import Asked, Permit, Verdict
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Principal, Role
from proxy.mcp import McpCall, Rpc
from proxy.reasons import Reason

__all__ = ["OPERATIONS", "Asked", "Permit", "Policy", "Verdict"]

OPERATIONS: Mapping[str, frozenset[Role]] = {
    "health": frozenset(Role),
    "live": frozenset(Role),
    "ready": frozenset(Role),
    "resource-metadata": frozenset(Role),
    "metrics": frozenset(Role),
    "pair": frozenset({Role.CLIENT}),
    "pair-operator": frozenset({Role.OPERATOR}),
    **dict.fromkeys(
        (
            *("status", "pairing-codes.create", "links.create"),
            *("tokens.list", "tokens.create", "tokens.rotate", "tokens.revoke"),
            *("inbox.list", "inbox.retry", "inbox.drop"),
            *("approvals.list", "approvals.get", "approvals.events"),
            *("approvals.decide", "approvals.decide-all", "grants.list", "grants.revoke"),
            *("stops.list", "stops.add", "stops.lift", "stops.resume", "explain"),
            *("mcp-tools.list", "mcp-tools.get", "mcp-tools.accept", "mcp-tools.forget"),
        ),
        frozenset({Role.OPERATOR}),
    ),
}
_DECIDING = frozenset({"approvals.decide", "approvals.decide-all", "mcp-tools.accept"})
_CALLERS = frozenset({Role.CLIENT, Role.AGENT})


@dataclass(frozen=True)
class Policy:
    """The rules in force."""

    tool_rules: ToolRules
    version: str = ""
    """Tells these rules from any other."""
    turns: Turns | None = None
    """What clients may start, where the agent is OpenClaw."""

    async def decide(
        self, action: Action, principal: Principal, *, approved: bool = False
    ) -> Verdict:
        """The verdict on `action` by `principal`. A permit with an open file must be closed.

        `approved`: a human has said yes to this very call; every other rule still holds.
        """
        match action:
            case Operate():
                return _operate(action, principal)
            case Challenge():
                return Allow(Permit(Known(action.answer)))
            case Collect() if principal.role in _CALLERS:
                return Allow(Permit(replace(action, owner=who(principal))))
            case ToolCall() if principal.role in _CALLERS:
                return await self._called(action, principal, approved=approved)
            case Rpc() if principal.role in _CALLERS:
                return talk(self.tool_rules, action, principal)
            case Listing() if principal.role in _CALLERS:
                return Allow(Permit(Known(self.tool_rules.listing(principal.scope))))
            case ToolCall() | Listing() | Collect() | Rpc():
                return Deny(Reason.ROLE_INSUFFICIENT)
            case Message() | Forward():
                return _relayed(action, principal, self.turns)
        assert_never(action)

    async def _called(self, call: ToolCall, principal: Principal, *, approved: bool) -> Verdict:
        rules, via = self.tool_rules, call.via
        refused = None if via is None else stranger(via.client, principal)
        if refused is not None:
            return refused
        owner = who(principal)
        verdict = await rules.judge(call, principal.scope, approved=approved, owner=owner)
        if not isinstance(verdict, Allow) or not isinstance(verdict.value.plan, McpCall):
            return verdict
        asked = None if via is None else asking(rules, via.client, principal)
        plan = replace(verdict.value.plan, owner=owner, asking=asked)
        return replace(verdict, value=replace(verdict.value, plan=plan))


def _relayed(
    action: Message | Forward, principal: Principal, turns: Turns | None
) -> Decision[Permit]:
    if principal.role is not Role.CLIENT:
        return Deny(Reason.ROLE_INSUFFICIENT)
    relay = Allow(action.relay) if turns is None else turns.relayed(action.relay, principal.scope)
    if isinstance(relay, Deny):
        return relay
    if isinstance(action, Message) and action.queued:
        return Allow(Permit(Enqueue(relay.value, action.key)))
    return Allow(Permit(relay.value))


def _operate(action: Operate, principal: Principal) -> Decision[Permit]:
    if principal.role not in OPERATIONS.get(action.verb, frozenset()):
        return Deny(Reason.ROLE_INSUFFICIENT)
    # A human's yes lets something act on the world: it is on record before it is given.
    return Allow(Permit(action, acting=action.verb in _DECIDING))
