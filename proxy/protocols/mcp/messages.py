"""JSON to the messages of `jsonrpc`: exactly one of the three, with nothing beside it.

A message that one reader takes for a request and another for a notification passes a check that it
was never meant for, so a member that does not belong to it refuses it whole.
"""

import re
from collections.abc import Mapping, Sequence

from proxy.decision import Malformed
from proxy.jsonrpc import Failure, Id, Message, Notification, Request, Response
from proxy.protocols.strict_json import loads
from proxy.reasons import Reason
from proxy.values import Json

MAX_ID = 256
"""Characters of an id that is a text."""
MAX_ANSWERED = 4096
"""Characters of one that is answered: ours wrap those of servers, see `names.tagged`."""
_EXACT = (1 << 53) - 1  # past it, readers that have only doubles take two numbers for one
_METHOD = re.compile(r"[!-~]{1,128}", re.ASCII)
_CODE = 1 << 31
_MESSAGE = 65536


def loads_message(data: bytes) -> Message:
    """The one message that `data` means; raises Malformed."""
    return read(loads(data))


def read(value: Json) -> Message:
    """The one message that `value` is; raises Malformed."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        raise Malformed(Reason.BATCH_UNSUPPORTED)
    if not isinstance(value, Mapping) or value.get("jsonrpc") != "2.0":
        raise _malformed("not JSON-RPC 2.0")
    match value.keys() - {"jsonrpc"}:
        case members if {"method"} <= members <= {"id", "method", "params"}:
            return _said(value)
        case members if members in ({"id", "result"}, {"id", "error"}, {"error"}):
            return _answered(value)
    raise _malformed("members")


def is_id(value: Json, most: int = MAX_ID) -> bool:
    """Whether a request may be known by `value`: a text, or a whole number that all read alike."""
    if isinstance(value, str):
        return len(value) <= most
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _EXACT


def _said(value: Mapping[str, Json]) -> Request | Notification:
    method, params = value["method"], value.get("params", {})
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise _malformed("method")
    if not isinstance(params, Mapping):
        raise _malformed("params")
    if "id" not in value:
        return Notification(method, params)
    return Request(_id(value["id"], MAX_ID), method, params)


def _answered(value: Mapping[str, Json]) -> Response:
    if "error" in value:
        id_ = value.get("id")  # some leave out the one that they could not read
        known = None if id_ is None else _id(id_, MAX_ANSWERED)
        return Response(known, _failure(value["error"]))
    result = value["result"]
    if not isinstance(result, Mapping):
        raise _malformed("result")
    return Response(_id(value["id"], MAX_ANSWERED), result)


def _failure(error: Json) -> Failure:
    if not isinstance(error, Mapping) or not error.keys() <= {"code", "message", "data"}:
        raise _malformed("error")
    code, message = error.get("code"), error.get("message")
    if not isinstance(code, int) or isinstance(code, bool) or abs(code) > _CODE:
        raise _malformed("error code")
    if not isinstance(message, str) or len(message) > _MESSAGE:
        raise _malformed("error message")
    return Failure(code, message, error.get("data"))


def _id(value: Json, most: int) -> Id:
    if not is_id(value, most):
        raise _malformed("id")
    assert isinstance(value, str | int)
    return value


def _malformed(evidence: str) -> Malformed:
    return Malformed(Reason.MESSAGE_MALFORMED, evidence)
