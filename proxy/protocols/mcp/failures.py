"""Refusals in MCP: errors of JSON-RPC for what is wrong with a message, results for the rest.

A client of both eras that reads 400 without an error of the modern one takes the server for an old
one and starts again, and a model never sees what is an error. So a decision against a call is a
result of that call, which a model can read; everything said in it is a constant of the reason.
"""

from collections.abc import Mapping
from typing import NamedTuple

from proxy.jsonrpc import Failure
from proxy.mcp import MODERN, Era
from proxy.reasons import Reason
from proxy.values import Json

DENIED = -32010
"""The code of decisions: in JSON-RPC's range for servers, and nobody's yet."""
REFUSAL = "sidegate/refusal"
"""The member of `_meta` that says of a result that it is a refusal of Sidegate's."""

UNSUPPORTED = -32022
_PARSE, _REQUEST, _METHOD, _PARAMS = -32700, -32600, -32601, -32602
_MISMATCH, _NO_SESSION = -32020, -32001
# 2026-07-28, Streamable HTTP: the status that an error has, whoever it is from.
_STATUS = {
    **dict.fromkeys((_PARSE, _REQUEST, _PARAMS, _MISMATCH, -32021, UNSUPPORTED), 400),
    _METHOD: 404,
}


class _Kind(NamedTuple):
    code: int
    legacy: int = 400
    modern: int = 400


_KINDS: Mapping[Reason, _Kind] = {
    Reason.BODY_MALFORMED: _Kind(_PARSE),
    Reason.BODY_UNTYPED: _Kind(_PARSE),
    Reason.MESSAGE_MALFORMED: _Kind(_REQUEST),
    Reason.BATCH_UNSUPPORTED: _Kind(_REQUEST),
    Reason.SESSION_MISSING: _Kind(_REQUEST),
    Reason.SESSION_UNKNOWN: _Kind(_NO_SESSION, 404, 404),
    Reason.HEADER_MISMATCH: _Kind(_MISMATCH),
    Reason.REVISION_UNSUPPORTED: _Kind(UNSUPPORTED),
    Reason.PARAMETERS_INVALID: _Kind(_PARAMS),
    # For a legacy client 404 would mean that its session has ended.
    Reason.METHOD_UNKNOWN: _Kind(_METHOD, 200, 404),
    Reason.VERB_UNSUPPORTED: _Kind(_REQUEST, 405, 405),
}


def is_protocol(reason: Reason) -> bool:
    """Whether the message is at fault, and not what it wants."""
    return reason in _KINDS


def status(reason: Reason, era: Era) -> int:
    """The HTTP status of a refusal."""
    kind = _KINDS.get(reason)
    if kind is None:
        return 200
    return kind.modern if era is Era.MODERN else kind.legacy


def status_of(code: int, era: Era) -> int:
    """The HTTP status of an error that a server answered: only the modern era has any but 200."""
    return _STATUS.get(code, 200) if era is Era.MODERN else 200


def failure(
    reason: Reason, request_id: str, data: Mapping[str, Json] | None = None, era: Era = Era.MODERN
) -> Failure:
    """A refusal as an error; `data` goes with what every one says."""
    code = _KINDS[reason].code if reason in _KINDS else DENIED
    if code == UNSUPPORTED and era is Era.LEGACY:
        code = _REQUEST  # the other is not of that era
    return Failure(code, reason.detail, {**(data or {}), **_said(reason, request_id)})


def unsupported(requested: str) -> Mapping[str, Json]:
    """What an error says of a revision that is not spoken, so that a client finds one that is."""
    return {"supported": list(MODERN), "requested": requested}


def refused_call(reason: Reason, request_id: str, era: Era) -> dict[str, Json]:
    """A refusal as the result of the tool call that it refuses."""
    text = f"{reason.detail} {reason.remedy} (request {request_id})"
    complete: dict[str, Json] = {"resultType": "complete"} if era is Era.MODERN else {}
    return {
        "content": [{"type": "text", "text": text}],
        "isError": True,
        **complete,
        "_meta": {REFUSAL: _said(reason, request_id)},
    }


def _said(reason: Reason, request_id: str) -> dict[str, Json]:
    return {
        "code": reason.code,
        "layer": reason.layer.value if reason.layer else None,
        "remedy": reason.remedy,
        "request_id": request_id,
    }
