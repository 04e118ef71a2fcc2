"""What rows say of a request: who, where, what and why, and never what was in it."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

from proxy.actions import Detail, Halt, Operate, Ruling, ToolCall
from proxy.decision import Facts
from proxy.exchange import Grant
from proxy.jsonrpc import Notification, Request
from proxy.mcp import Rpc
from proxy.origin import Address
from proxy.protocols.strict_json import dumps
from proxy.trace import Trace
from proxy.values import Json

Fields = dict[str, Json]
LONGEST_ROW = 128 << 10
"""Bytes of a row, which is cut field by field until it has no more."""
# What comes of Sidegate's own tables and counts, where there is nothing to redact.
_OURS = frozenset(
    {
        *("time", "event", "request_id", "door", "channel", "layer", "reason", "action", "status"),
        *("duration_ms", "arguments_sha256", "result", "observed", "decision", "for", "count"),
    }
)
# Texts of others are kept as far as this.
_KEPT = {"evidence": 1000, "subject": 100, "method": 100, "ids": 65_536, "of": 300, "why": 300}
_KEPT_ELSE = 1000


def subject(trace: Trace) -> Fields:
    """Which request it is, whose, and what it wants."""
    inbound, grant = trace.inbound, trace.grant
    fields: Fields = {
        "request_id": inbound.request_id,
        "door": inbound.route.door,
        "peer": str(_address(trace) or "local"),
        "principal": trace.principal.id if trace.principal else None,
    }
    if inbound.route.channel is not None:
        fields["channel"] = inbound.route.channel
    return fields if grant is None else fields | _action(grant)


def _action(grant: Grant) -> Fields:
    fields: Fields = {"action": type(grant.action).__name__}
    match grant.action:
        case ToolCall(tool=tool):
            fields["tool"] = tool
        case Rpc(message=Request(method=method) | Notification(method=method)):
            fields["method"] = method
        case Operate() as operation:
            fields |= {"verb": operation.verb, "subject": operation.subject}
            fields |= _detail(operation.detail)
    return fields


def observed(facts: Facts) -> Fields:
    """Which rule decided, what would have refused it, and the approval it was done under."""
    fields: Fields = {}
    if "rule" in facts:
        fields["rule"] = facts["rule"]
    if "known" in facts:
        fields["known"] = facts["known"]
    if "observed" in facts:
        fields["observed"] = facts["observed"].code
    if "approval" in facts:
        fields["approval"] = facts["approval"]
    return fields


def _detail(detail: Detail | None) -> Fields:
    """What an operator decides or stops, which must be known later."""
    match detail:
        case Ruling(ids, approve, seconds, session):
            lasting = {"for": "session" if session else seconds} if session or seconds else {}
            decision = "approve" if approve else "deny"
            return {"ids": " ".join(ids), "decision": decision, **lasting}
        case Halt(tool, principal, why):
            wanted = {"tool": tool, "of": principal, "why": why}
            return {key: value for key, value in wanted.items() if value}
    return {}


def _address(trace: Trace) -> Address | None:
    """The client's address, which a trusted proxy states for it."""
    forwarded = trace.peer.forwarded if trace.peer else None
    return forwarded.address if forwarded else trace.inbound.connection.address


def digest(grant: Grant) -> Fields:
    """What ties the row to the exact call without telling what was in it."""
    if not isinstance(grant.action, ToolCall):
        return {}
    return {"arguments_sha256": hashlib.sha256(dumps(grant.action.arguments)).hexdigest()}


def written(fields: Fields, redact: Callable[[str], str]) -> bytes:
    """The JSON object of a row, with texts of others redacted and cut: one is never too large."""
    clean = {key: _clean(key, value, redact) for key, value in fields.items()}
    data = _dumps(clean)
    while len(data) > LONGEST_ROW:
        key = max(clean, key=lambda key: len(_dumps(clean[key])))
        clean[key] = str(clean[key])[: len(str(clean[key])) // 2]
        data = _dumps(clean)
    return data


def _clean(key: str, value: Json, redact: Callable[[str], str]) -> Json:
    if not isinstance(value, str) or key in _OURS:
        return value
    return redact(value)[: _KEPT.get(key, _KEPT_ELSE)]


def _dumps(value: Any) -> bytes:
    """Compact JSON; with escapes where it holds what UTF-8 cannot."""
    try:
        return dumps(value)
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()
