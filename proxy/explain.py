"""Say what would be decided, and why, without doing it.

The very `decide` that serves requests is asked; nothing runs and no state is opened.
"""

import os
from collections.abc import Mapping
from typing import Any

from proxy.actions import Json, ToolCall, release
from proxy.authorization.commands import CommandParser
from proxy.authorization.policy import Permit
from proxy.config.loader import Loaded, overlay
from proxy.decision import Allow, ConfigError, Decision, Deny, Facts, Malformed
from proxy.exchange import Principal, Role
from proxy.pipeline import build_policy
from proxy.places import open_workspace
from proxy.protocols.strict_json import loads
from proxy.reasons import Layer, Reason
from proxy.scope import Scope

_KEYS = frozenset({"tool", "arguments", "principal", "config", "id"})


async def explain(loaded: Loaded, parser: CommandParser, line: bytes) -> Json:
    """The verdict on one `{"tool", "arguments", "principal"?, "config"?}`; an `id` is echoed."""
    try:
        question = _question(line)
    except Malformed as malformed:
        return _verdict(loaded, Deny(malformed.reason))
    echo = {"id": question["id"]} if "id" in question else {}
    try:
        changes = question.get("config")
        asked = overlay(loaded, changes) if changes else loaded
    except ConfigError as error:
        problems: Json = list(error.problems)
        return {**_verdict(loaded, Deny(Reason.ARGUMENTS_INVALID)), "problems": problems, **echo}
    call = ToolCall(question["tool"], question["arguments"])
    principal = _principal(asked, question.get("principal"))
    if principal is None:
        return {**_verdict(asked, Deny(Reason.ARGUMENTS_INVALID)), **echo}
    if not principal.scope.covers_route(f"/tools/{call.tool}"):
        return {**_verdict(asked, Deny(Reason.SCOPE_INSUFFICIENT)), **echo}
    return {**_verdict(asked, await _decide(asked, parser, call, principal)), **echo}


def _question(line: bytes) -> Mapping[str, Any]:
    question = loads(line)
    if (
        not isinstance(question, Mapping)
        or not set(question) <= _KEYS
        or not isinstance(question.get("tool"), str)
        or not isinstance(question.get("arguments"), Mapping)
        or not isinstance(question.get("config") or {}, Mapping)
        or not isinstance(question.get("principal", ""), str)
    ):
        raise Malformed(Reason.BODY_MALFORMED)
    return question


def _principal(loaded: Loaded, name: str | None) -> Principal | None:
    """Whose call it would be: a principal's of the configuration, a role's, or any client's."""
    if name is None:
        return Principal("explain", Role.CLIENT)
    section = loaded.config.principals.get(name)
    if section is not None:
        scope = Scope(section.routes, section.tools, section.level)
        return Principal(f"principal:{name}", Role(section.role), scope=scope)
    if name in (Role.CLIENT.value, Role.AGENT.value):
        return Principal("explain", Role(name))
    return None


async def _decide(
    loaded: Loaded, parser: CommandParser, call: ToolCall, principal: Principal
) -> Decision[Permit]:
    workspace = open_workspace(loaded, os.environ)
    try:
        policy = build_policy(loaded.config, parser, workspace)
        decision = await policy.decide(call, principal)
        if isinstance(decision, Allow):
            release(decision.value.plan)
    finally:
        if workspace is not None:
            workspace.close()
    return decision


def _verdict(loaded: Loaded, decision: Decision[Permit]) -> dict[str, Json]:
    reason = decision.reason if isinstance(decision, Deny) else None
    asks = reason is Reason.APPROVAL_UNAVAILABLE
    return {
        "decision": "allow" if reason is None else "ask" if asks else "deny",
        "code": reason.code if reason else None,
        "layer": Layer.AUTHORIZATION.value,
        "rule": _origin(loaded, decision.facts),
        "remedy": reason.remedy if reason else None,
    }


def _origin(loaded: Loaded, facts: Facts) -> str | None:
    """The key that decided and the place where it is set."""
    rule = facts.get("rule")
    return f"{rule} ({loaded.origin(rule)})" if rule else None
