"""Say what would be decided, and why, without doing it.

The very `decide` that serves requests is asked; nothing runs and no state is opened. Beside its
verdict stands what each other layer would do, and what the operator could change.
"""

import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from proxy.actions import Action, ToolCall, release
from proxy.authorization.verdict import Verdict
from proxy.decision import Allow, ConfigError, Deny, Facts, Malformed
from proxy.exchange import Principal, Role
from proxy.explain.prospects import (
    DENY,
    Prospect,
    admission,
    execution,
    identity,
    redaction,
    ruling,
)
from proxy.explain.ruleset import Ruleset, Rulesets
from proxy.jsonrpc import Request
from proxy.mcp import MODERN, Client, Era, Via
from proxy.protocols.strict_json import loads
from proxy.reasons import Layer, Reason
from proxy.scope import Scope
from proxy.values import Json

_KEYS = frozenset({"tool", "arguments", "principal", "config", "id"})

LIVE = "Rates, and what the operator has granted for a time, are not looked at."
"""What an answer by a running Sidegate leaves open."""
OFFLINE = "Rates, stops and what the operator has granted for a time are not looked at."
"""What an answer without the state leaves open."""

Refusing = Callable[[Action, Principal], Awaitable[Deny | None]]
"""What stops an action now, whatever the rules say."""


@dataclass(frozen=True, slots=True)
class StopFile:
    """The operator's file that stops everything; the stops in the state are not looked at."""

    path: str

    async def __call__(self, action: Action, principal: Principal) -> Deny | None:  # noqa: ARG002
        """STOPPED where the file stands."""
        return Deny(Reason.STOPPED_BY_OPERATOR, self.path) if os.path.lexists(self.path) else None


class Explainer:
    """Answers questions about `rulesets`; `stopped` is asked first.

    `unseen`: a sentence on what else would be asked.
    """

    def __init__(self, rulesets: Rulesets, stopped: Refusing, unseen: str = LIVE) -> None:
        self._rulesets = rulesets
        self._stopped = stopped
        self._unseen = unseen

    async def line(self, line: bytes) -> Mapping[str, Json]:
        """The answer to a question that is a line of JSON."""
        try:
            question = loads(line)
        except Malformed as malformed:
            return _unasked(malformed.reason)
        return await self.explain(question)

    async def explain(self, question: Json) -> Mapping[str, Json]:
        """The verdict on one `{"tool", "arguments", "principal"?, "config"?}`; `id` is echoed.

        Never raises: a question that is none is answered with a denial.
        """
        if not isinstance(question, Mapping):
            return _unasked(Reason.BODY_MALFORMED)
        echo = {"id": question["id"]} if "id" in question else {}
        if not _is_question(question):
            return {**_unasked(Reason.BODY_MALFORMED), **echo}
        try:
            return {**await self._answer(question), **echo}
        except Malformed as malformed:
            return {**_unasked(malformed.reason), **echo}
        except ConfigError as error:
            problems: Json = list(error.problems)
            said = "Correct the configuration that is asked about: problems lists what is wrong."
            return {**_unasked(Reason.ARGUMENTS_INVALID, said), "problems": problems, **echo}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no permission
            said = f"Report this question, and that it ended in {type(error).__name__}."
            return {**_unasked(Reason.LAYER_FAILED, said), **echo}

    async def _answer(self, question: Mapping[str, Any]) -> dict[str, Json]:
        ruleset = self._rulesets(question.get("config") or {})
        call = _call(ruleset, question["tool"], question["arguments"])
        principal = _principal(ruleset, question.get("principal"))
        if principal is None:
            names = ", ".join(ruleset.principals)
            return _unasked(Reason.ARGUMENTS_INVALID, f"Name a principal that there is: {names}.")
        verdict = await self._decide(ruleset, call, principal)
        return self._told(ruleset, call, principal, verdict)

    async def _decide(self, ruleset: Ruleset, call: ToolCall, principal: Principal) -> Verdict:
        if not principal.scope.covers_route(f"/tools/{call.tool}"):
            return Deny(Reason.SCOPE_INSUFFICIENT)
        stopped = await self._stopped(call, principal)
        if stopped is not None:
            return stopped
        verdict = await ruleset.policy.decide(call, principal)
        if isinstance(verdict, Allow):
            release(verdict.value.plan)
        return verdict

    def _told(
        self, ruleset: Ruleset, call: ToolCall, principal: Principal, verdict: Verdict
    ) -> dict[str, Json]:
        ruled = ruling(ruleset, call, principal, verdict, self._unseen)
        reached = isinstance(verdict, Allow)
        layers = (
            admission(ruleset),
            identity(ruleset, principal),
            ruled,
            execution(ruleset, call, reached=reached),
            redaction(reached=reached),
        )
        denied = isinstance(verdict, Deny)
        return {
            **_summary(ruled),
            "layers": [asdict(layer) for layer in layers],
            "note": None if denied else _note(verdict.facts),
            "known": verdict.facts.get("known") if denied else None,
        }


def _call(ruleset: Ruleset, name: str, arguments: Mapping[str, Json]) -> ToolCall:
    """The call that is asked about; a method of MCP is called by none but clients of MCP."""
    tool = ruleset.tool(name)
    if tool is None or not tool.method:
        return ToolCall(name, arguments)
    via = Via(Client(Era.MODERN, MODERN[-1]), Request("sidegate", tool.remote, arguments))
    return ToolCall(name, arguments, via=via)


def _is_question(question: Mapping[str, Json]) -> bool:
    return (
        set(question) <= _KEYS
        and isinstance(question.get("tool"), str)
        and isinstance(question.get("arguments"), Mapping)
        and isinstance(question.get("config") or {}, Mapping)
        and isinstance(question.get("principal", ""), str)
    )


def _principal(ruleset: Ruleset, name: str | None) -> Principal | None:
    """Whose call it would be: a principal's of the configuration, a role's, or any client's."""
    if name is None:
        return Principal("explain", Role.CLIENT)
    section = ruleset.loaded.config.principals.get(name)
    if section is not None:
        scope = Scope(section.routes, section.tools, section.level)
        return Principal(f"principal:{name}", Role(section.role), scope=scope)
    if name in ruleset.principals:
        return Principal("explain", Role(name))
    return None


def _note(facts: Facts) -> str | None:
    """What is allowed, or to be approved, where that is more than it seems."""
    observed = facts.get("observed")
    would = f"only observed: enforced, it would be {observed.code}" if observed else None
    return "; ".join(filter(None, (facts.get("known"), would))) or None


def _unasked(reason: Reason, said: str | None = None) -> dict[str, Json]:
    """The answer to what is no question: nothing was decided."""
    remedy = said or reason.remedy
    ruled = Prospect(Layer.AUTHORIZATION, DENY, reason.detail, None, remedy, reason.code)
    return {**_summary(ruled), "layers": [], "note": None, "known": None}


def _summary(ruled: Prospect) -> dict[str, Json]:
    return {
        "decision": ruled.verdict,
        "code": ruled.code,
        "layer": ruled.layer.value,
        "rule": ruled.rule,
        "remedy": ruled.remedy,
    }
