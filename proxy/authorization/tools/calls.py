"""Judge a tool call: what the tool is, what its arguments say, and whether a human is asked.

A call that stands for others is judged with them: each must pass every rule by itself, and the
strictest word on whom to ask holds for all.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from proxy.actions import Effect, ToolCall, release
from proxy.authorization.tools.catalogue import Catalogue, Place, Tool
from proxy.authorization.tools.dispatch import MAX_CALLS, MAX_DEPTH
from proxy.authorization.tools.observation import Observation
from proxy.authorization.tools.planner import Planner
from proxy.authorization.tools.rules import reach
from proxy.authorization.tools.served import is_meant
from proxy.authorization.verdict import Asked, Permit, Verdict
from proxy.config.patterns import any_covers
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.mcp import Via
from proxy.reasons import Reason
from proxy.scope import Autonomy, Scope
from proxy.values import Json

_EFFECTS = tuple(Effect)  # from the least to the most
_MOST_PATHS = 200  # in all calls that one call stands for


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One call of one tool that exists and may be called."""

    tool: Tool
    arguments: Mapping[str, Json]


@dataclass(frozen=True)
class ToolRules:
    """The rules on tool calls. `auto_approve` and `always_ask` hold names and patterns."""

    level: Autonomy
    auto_approve: frozenset[str]
    always_ask: frozenset[str]
    tools: Catalogue
    planner: Planner
    observation: Observation | None = None

    async def judge(
        self, call: ToolCall, scope: Scope, *, approved: bool, owner: str = ""
    ) -> Verdict:
        """The verdict on `call`, and while rules are only observed what comes of it.

        `owner`: who shares what a caller may take up at once.
        """
        found = self._wanted(call, scope)
        if isinstance(found, Deny):
            return found
        level = self.level.at_most(scope.level)
        planner = self.planner.for_call(owner)
        verdict = await self._judged(found.value, level, planner, call.via, approved=approved)
        if self.observation is None or level is not self.level:
            return verdict
        tools = [wanted.tool for wanted in found.value]
        return self.observation.softened(tools, call.arguments, verdict)

    def listing(self, scope: Scope) -> Json:
        """The tools that would not be refused for what they are, whatever the arguments."""
        level = self.level.at_most(scope.level)
        return {
            "tools": [
                {"name": tool.name, "effect": tool.effect, "description": tool.description}
                for tool in self.tools.exact.values()
                if not tool.method and _is_there(tool, scope, level)
            ]
        }

    def own(self, scope: Scope) -> tuple[Tool, ...]:
        """Those of them that are no MCP server's."""
        level = self.level.at_most(scope.level)
        tools = (tool for tool in self.tools.exact.values() if tool.place is not Place.MCP)
        return tuple(tool for tool in tools if _is_there(tool, scope, level))

    def visible(self, name: str, scope: Scope) -> bool:
        """Whether a tool of this name would not be refused for what it is."""
        tool = self.tools.find(name)
        return tool is not None and _is_there(tool, scope, self.level.at_most(scope.level))

    async def _judged(
        self,
        calls: Sequence[_Wanted],
        level: Autonomy,
        planner: Planner,
        via: Via | None,
        *,
        approved: bool,
    ) -> Verdict:
        if sum(map(_paths_in, calls)) > _MOST_PATHS and len(calls) > 1:
            return Deny(Reason.ARGUMENTS_INVALID)
        outer, *inner = calls
        refused = await self._forbidden(calls, level)
        refused = refused or await _inner_refusal(planner, inner)
        if refused is not None:
            return refused
        plan = await planner.plan(outer.tool, outer.arguments, via)
        if isinstance(plan, Deny):
            return plan
        tools = [wanted.tool for wanted in calls]
        asked = None if approved else self._asked(level, tools)
        if asked is not None:
            release(plan.value)
            return replace(asked, facts=Facts(**{**plan.facts, **asked.facts}))
        names = tuple(tool.name for tool in tools)
        permit = Permit(plan.value, _strongest(tools) is not Effect.READ, names)
        return Allow(permit, Facts(**{"rule": "autonomy.level", **plan.facts}))

    def _wanted(
        self, call: ToolCall, scope: Scope, depth: int = 0
    ) -> Decision[tuple[_Wanted, ...]]:
        """The call, and those that it stands for, if all of them can be made at all.

        This comes before any judgement, so that none can hide it where rules are only observed.
        """
        tool = self.tools.find(call.tool)
        if tool is None or not is_meant(tool, call.via):
            return Deny(Reason.TOOL_UNKNOWN, call.tool, Facts(rule="tools"))
        refused = _closed(tool, scope)
        if refused is not None:
            return refused
        found = [_Wanted(tool, call.arguments)]
        if tool.dispatch is None:
            return Allow(tuple(found))
        calls = tool.dispatch.inner(call.arguments)
        if isinstance(calls, Deny) or depth == MAX_DEPTH:
            return Deny(Reason.ARGUMENTS_INVALID)
        for inner in calls.value:
            more = self._wanted(inner, scope, depth + 1)
            if isinstance(more, Deny):
                return more
            found += more.value
            if len(found) > MAX_CALLS + 1:
                return Deny(Reason.ARGUMENTS_INVALID)
        return Allow(tuple(found))

    async def _forbidden(self, calls: Sequence[_Wanted], level: Autonomy) -> Deny | None:
        if any(rule.under is not None for call in calls for rule in call.tool.rules):
            # It looks at paths, maybe at many, while nobody else would be served.
            return await asyncio.to_thread(self._ruled_out, calls, level)
        return self._ruled_out(calls, level)

    def _ruled_out(self, calls: Iterable[_Wanted], level: Autonomy) -> Deny | None:
        """The first of the calls that the level or a rule on its arguments forbids."""
        workspace = self.planner.workspace
        for call in calls:
            broken = (rule.broken(call.arguments, workspace) for rule in call.tool.rules)
            refused = _beyond(call.tool, level) or next(filter(None, broken), None)
            if refused is not None:
                return refused
        return None

    def _asked(self, level: Autonomy, tools: Sequence[Tool]) -> Asked | None:
        """What a human is asked about: with several tools in one call, always anew."""
        if level is not Autonomy.SUPERVISED:
            return None
        asking = [tool for tool in tools if self._must_ask(tool)]
        if not asking:
            return None
        anew = [tool for tool in asking if any_covers(self.always_ask, tool.name)]
        tool = (anew or asking)[0]
        always = bool(anew) or len({each.name for each in asking}) > 1
        names = tuple(each.name for each in tools)
        return Asked(replace(tool, effect=_strongest(tools)), always, self._who_asks(tool), names)

    def _must_ask(self, tool: Tool) -> bool:
        if tool.approval == "ask" or any_covers(self.always_ask, tool.name):
            return True
        return tool.approval != "auto" and not any_covers(self.auto_approve, tool.name)

    def _who_asks(self, tool: Tool) -> Facts:
        if any_covers(self.always_ask, tool.name):
            return Facts(rule="autonomy.always_ask")
        if tool.approval == "ask":
            return Facts(rule=f"tools.{tool.ruled_by}.approval")
        return Facts(rule="autonomy.auto_approve")


def _paths_in(call: _Wanted) -> int:
    """How many paths a call has, all of which are looked at."""
    places = [role.removesuffix("?") for role in call.tool.paths]
    places += [rule.name for rule in call.tool.rules if rule.under is not None]
    found = [reach(call.arguments, place) for place in places]
    return sum(len(value) if isinstance(value, list | tuple) else 1 for value in found)


async def _inner_refusal(planner: Planner, calls: Iterable[_Wanted]) -> Deny | None:
    for call in calls:
        refused = await planner.check(call.tool, call.arguments)
        if refused is not None:
            return refused
        await asyncio.sleep(0)  # each may cost milliseconds, and there may be many
    return None


def _is_there(tool: Tool, scope: Scope, level: Autonomy) -> bool:
    """Whether nothing stands against calling a tool as such."""
    return _closed(tool, scope) is None and _beyond(tool, level) is None


def _closed(tool: Tool, scope: Scope) -> Deny | None:
    """Why the tool is not there for this caller, whatever the arguments and the level."""
    if not scope.covers_tool(tool.name):
        return Deny(Reason.SCOPE_INSUFFICIENT, tool.name)
    if tool.approval == "deny":
        return Deny(Reason.TOOL_DENIED, tool.name, Facts(rule=f"tools.{tool.ruled_by}.approval"))
    if tool.opaque:
        return Deny(Reason.WRAPPER_UNKNOWN, tool.name, Facts(rule="tools"))
    return None


def _beyond(tool: Tool, level: Autonomy) -> Deny | None:
    if level is Autonomy.READONLY and tool.effect is not Effect.READ:
        return Deny(Reason.AUTONOMY_READONLY, tool.name, Facts(rule="autonomy.level"))
    return None


def _strongest(tools: Sequence[Tool]) -> Effect:
    return max((tool.effect for tool in tools), key=_EFFECTS.index)
