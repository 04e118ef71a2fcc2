"""The frames that a client sends on OpenClaw's WebSocket, protocol 4.

They are read so that OpenClaw finds the same in them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.decision import Malformed
from proxy.protocols.strict_json import dumps, loads_object
from proxy.reasons import Reason
from proxy.values import Json

_MEMBERS = frozenset({"type", "id", "method", "params", "traceparent", "expectedProfileId"})
_METHOD = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_MOST_ID = 256
# What proves an identity to OpenClaw. Sidegate says who its clients are, and nobody else does.
_PROOFS = ("auth", "device")


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a method."""

    id: str
    method: str
    params: Mapping[str, Json]


def read(text: str) -> Request:
    """The request that a message is; raises Malformed: clients send no other frames."""
    frame = loads_object(text.encode("utf-8", "surrogatepass"))
    params = frame.get("params", {})
    match frame:
        case {"type": "req", "id": str(number), "method": str(method)} if (
            set(frame) <= _MEMBERS
            and isinstance(params, Mapping)
            and 0 < len(number) <= _MOST_ID
            and _METHOD.fullmatch(method)
        ):
            return Request(number, method, params)
    raise Malformed(Reason.MESSAGE_MALFORMED)


def connecting(request: Request, scopes: Sequence[str]) -> str:
    """`connect` as it goes on: as an operator, with those of the scopes asked for that it may have.

    Raises Malformed where the scopes are not names, or it would be something else than an operator.
    """
    asked = request.params.get("scopes", list(scopes))
    if request.params.get("role", "operator") != "operator" or not isinstance(asked, list | tuple):
        raise Malformed(Reason.PARAMETERS_INVALID)
    kept = [scope for scope in scopes if scope in asked]
    params = {name: value for name, value in request.params.items() if name not in _PROOFS}
    frame: Json = {
        "type": "req",
        "id": request.id,
        "method": request.method,
        "params": {**params, "role": "operator", "scopes": kept},
    }
    return dumps(frame).decode()


def refusal(request: Request, code: str, message: str) -> str:
    """The answer to a request that is not passed on."""
    error: Json = {"code": code, "message": message, "retryable": False}
    return dumps({"type": "res", "id": request.id, "ok": False, "error": error}).decode()
