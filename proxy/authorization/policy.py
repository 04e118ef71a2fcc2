"""Decide what may be done: one function from an action to a permit.

Everything that wants a verdict comes here: requests through the authorizer, and `sidegate explain`.
Rules that forbid come first; whether a human must be asked is the last question, so that nobody is
asked about what is denied anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from proxy.actions import (
    Action,
    Effect,
    Forward,
    Json,
    Known,
    Listing,
    Message,
    Operate,
    Plan,
    ToolCall,
    release,
)
from proxy.authorization.catalogue import Tool
from proxy.authorization.planner import Planner
from proxy.config.model import Autonomy
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Principal, Role
from proxy.reasons import Reason

OPERATIONS: Mapping[str, frozenset[Role]] = {
    "health": frozenset(Role),
    "live": frozenset(Role),
    "ready": frozenset(Role),
    "metrics": frozenset(Role),
    "pair": frozenset({Role.CLIENT}),
    "pairing-codes.create": frozenset({Role.OPERATOR}),
    "status": frozenset({Role.OPERATOR}),
    "tokens.list": frozenset({Role.OPERATOR}),
    "tokens.revoke": frozenset({Role.OPERATOR}),
}


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be done. `acting`: it writes or executes, so it is on record before it happens."""

    plan: Plan
    acting: bool = False


@dataclass(frozen=True)
class Policy:
    """The rules in force."""

    level: Autonomy
    auto_approve: frozenset[str]
    always_ask: frozenset[str]
    tools: Mapping[str, Tool]
    planner: Planner

    async def decide(self, action: Action, principal: Principal) -> Decision[Permit]:
        """The verdict on `action` by `principal`. A permit with an open file must be closed."""
        if isinstance(action, Operate):
            return _operate(action, principal)
        if principal.role is not Role.CLIENT:
            return Deny(Reason.ROLE_INSUFFICIENT)
        match action:
            case ToolCall():
                return await self._tool_call(action)
            case Message() | Forward():
                return Allow(Permit(action.relay))
            case Listing():
                return Allow(Permit(Known(self._listing())))
        assert_never(action)

    async def _tool_call(self, call: ToolCall) -> Decision[Permit]:
        tool = self.tools.get(call.tool)
        if tool is None:
            return Deny(Reason.TOOL_UNKNOWN, facts=Facts(rule="tools"))
        if self._beyond_level(tool):
            return Deny(Reason.AUTONOMY_READONLY, facts=Facts(rule="autonomy.level"))
        plan = await self.planner.plan(tool, call.arguments)
        if isinstance(plan, Deny):
            return plan
        if self._must_ask(tool):
            release(plan.value)
            key = "always_ask" if tool.name in self.always_ask else "auto_approve"
            return Deny(Reason.APPROVAL_UNAVAILABLE, facts=Facts(rule=f"autonomy.{key}"))
        permit = Permit(plan.value, acting=tool.effect is not Effect.READ)
        return Allow(permit, Facts(rule="autonomy.level"))

    def _beyond_level(self, tool: Tool) -> bool:
        return self.level is Autonomy.READONLY and tool.effect is not Effect.READ

    def _must_ask(self, tool: Tool) -> bool:
        if self.level is not Autonomy.SUPERVISED:
            return False
        return tool.name in self.always_ask or tool.name not in self.auto_approve

    def _listing(self) -> Json:
        """The tools that would not be refused for what they are, whatever the arguments."""
        return {
            "tools": [
                {"name": tool.name, "effect": tool.effect, "description": tool.description}
                for tool in self.tools.values()
                if not self._beyond_level(tool) and not self._must_ask(tool)
            ]
        }


def _operate(action: Operate, principal: Principal) -> Decision[Permit]:
    if principal.role not in OPERATIONS.get(action.verb, frozenset()):
        return Deny(Reason.ROLE_INSUFFICIENT)
    return Allow(Permit(action))
