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
    Challenge,
    Effect,
    Enqueue,
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
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Principal, Role
from proxy.reasons import Reason
from proxy.scope import Autonomy, Scope

OPERATIONS: Mapping[str, frozenset[Role]] = {
    "health": frozenset(Role),
    "live": frozenset(Role),
    "ready": frozenset(Role),
    "metrics": frozenset(Role),
    "pair": frozenset({Role.CLIENT}),
    "pair-operator": frozenset({Role.OPERATOR}),
    **dict.fromkeys(
        (
            *("status", "pairing-codes.create", "links.create"),
            *("tokens.list", "tokens.create", "tokens.rotate", "tokens.revoke"),
            *("inbox.list", "inbox.retry", "inbox.drop"),
        ),
        frozenset({Role.OPERATOR}),
    ),
}
_CALLERS = frozenset({Role.CLIENT, Role.AGENT})


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
        match action:
            case Operate():
                return _operate(action, principal)
            case Challenge():
                return Allow(Permit(Known(action.answer)))
            case ToolCall() if principal.role in _CALLERS:
                return await self._tool_call(action, principal.scope)
            case Listing() if principal.role in _CALLERS:
                return Allow(Permit(Known(self._listing(principal.scope))))
            case ToolCall() | Listing():
                return Deny(Reason.ROLE_INSUFFICIENT)
            case Message() | Forward() if principal.role is not Role.CLIENT:
                return Deny(Reason.ROLE_INSUFFICIENT)
            case Message(queued=True):
                return Allow(Permit(Enqueue(action.relay, action.key)))
            case Message() | Forward():
                return Allow(Permit(action.relay))
        assert_never(action)

    async def _tool_call(self, call: ToolCall, scope: Scope) -> Decision[Permit]:
        tool = self.tools.get(call.tool)
        if tool is None:
            return Deny(Reason.TOOL_UNKNOWN, facts=Facts(rule="tools"))
        if not scope.covers_tool(tool.name):
            return Deny(Reason.SCOPE_INSUFFICIENT)
        level = self.level.at_most(scope.level)
        if _beyond(level, tool):
            return Deny(Reason.AUTONOMY_READONLY, facts=Facts(rule="autonomy.level"))
        plan = await self.planner.plan(tool, call.arguments)
        if isinstance(plan, Deny):
            return plan
        if self._must_ask(level, tool):
            release(plan.value)
            key = "always_ask" if tool.name in self.always_ask else "auto_approve"
            return Deny(Reason.APPROVAL_UNAVAILABLE, facts=Facts(rule=f"autonomy.{key}"))
        permit = Permit(plan.value, acting=tool.effect is not Effect.READ)
        return Allow(permit, Facts(rule="autonomy.level"))

    def _must_ask(self, level: Autonomy, tool: Tool) -> bool:
        if level is not Autonomy.SUPERVISED:
            return False
        return tool.name in self.always_ask or tool.name not in self.auto_approve

    def _listing(self, scope: Scope) -> Json:
        """The tools that would not be refused for what they are, whatever the arguments."""
        level = self.level.at_most(scope.level)
        return {
            "tools": [
                {"name": tool.name, "effect": tool.effect, "description": tool.description}
                for tool in self.tools.values()
                if scope.covers_tool(tool.name)
                and not _beyond(level, tool)
                and not self._must_ask(level, tool)
            ]
        }


def _beyond(level: Autonomy, tool: Tool) -> bool:
    return level is Autonomy.READONLY and tool.effect is not Effect.READ


def _operate(action: Operate, principal: Principal) -> Decision[Permit]:
    if principal.role not in OPERATIONS.get(action.verb, frozenset()):
        return Deny(Reason.ROLE_INSUFFICIENT)
    return Allow(Permit(action))
