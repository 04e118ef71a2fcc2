"""What makes one request the same as another: who asks, where, and under which key.

A key of one principal is nothing to another, or a stranger could read an answer by guessing it. Who
needs no credential is told apart by address. A provider's message id is the same whoever passes it
on, and its provider may send it again in other words: it has no fingerprint.
"""

import hashlib
import json
from dataclasses import replace

from proxy.actions import Action, Enqueue, Forward, Message, ToolCall
from proxy.exchange import Inbound, OnceKey, Principal
from proxy.mcp import Via
from proxy.protocols.idempotency import given_key
from proxy.values import Json

_ACTING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_ANYBODY = "anonymous"


async def once_key(inbound: Inbound, principal: Principal, action: Action) -> OnceKey | None:
    """The key to do `action` once under, if there is one; raises Malformed."""
    match action:
        case Message(key=key) if key:
            return OnceKey(_digest("channel", _channel(inbound), key), "", channel=True)
        case ToolCall(via=Via()):
            return None  # a client of MCP has no such keys, and is answered under its own id
        case Message() | ToolCall() | Forward() if inbound.method in _ACTING:
            given = given_key(inbound.headers)
            return None if given is None else await _key(inbound, principal, given)
        case _:
            return None


def addressed(plan: Enqueue, inbound: Inbound, once: OnceKey | None) -> Enqueue:
    """A message for the inbox, under a key that holds for all channels.

    The inbox has no fingerprints to compare: a key with another body is another message.
    """
    key = "" if once is None else once.key
    if once is not None and not once.channel:
        key = _digest("letter", once.key, once.fingerprint)
    return replace(plan, key=key, channel=_channel(inbound), path=inbound.path)


async def _key(inbound: Inbound, principal: Principal, given: str) -> OnceKey:
    key = _digest("client", who(principal), inbound.method, inbound.path, given)
    body = _digest("body", inbound.query, await inbound.body.read())
    return OnceKey(key, body, shelf=principal.id)


def who(principal: Principal) -> str:
    """What tells callers apart: the principal, and the address where everybody is the same one."""
    anybody = principal.id == _ANYBODY and principal.peer is not None
    return f"{principal.id} {principal.peer.key}" if anybody and principal.peer else principal.id


def canonical(value: Json) -> bytes:
    """The one form of a JSON value: keys in order, no blanks, in ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def call_digest(call: ToolCall, principal: Principal) -> str:
    """What makes a call the same as another of the same principal."""
    return _digest("call", who(principal), call.tool, canonical(call.arguments))


def _channel(inbound: Inbound) -> str:
    """The channel and not the path: what was captured on one path is no news on its other."""
    return inbound.route.channel or inbound.route.name


def _digest(*parts: str | bytes) -> str:
    """A digest of parts that cannot be shifted into each other."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()
