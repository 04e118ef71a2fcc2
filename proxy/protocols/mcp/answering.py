"""Answers and refusals of MCP, as one document each."""

import math
from collections.abc import Mapping
from http import HTTPStatus

from proxy.decision import Denied
from proxy.exchange import Answer, Document
from proxy.jsonrpc import Failure, Response, as_json
from proxy.mcp import Era
from proxy.protocols.mcp import failures
from proxy.protocols.mcp.asked import Asked, Kind
from proxy.protocols.mcp.shown import call_result
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.values import Headers, Json

_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_CALL = "tools/call"


def response(asked: Asked, document: Document) -> Answer:
    """A document as the answer to what was asked."""
    if document.rpc:
        return _responded(asked, document)
    if asked.kind is not Kind.REQUEST:
        return Answer(document.status, document.headers, b"")
    value = document.value
    if asked.method == _CALL:
        result = call_result(value, asked.era)
        result["isError"] = document.status >= HTTPStatus.BAD_REQUEST
        value = result
    body = {"result": value if isinstance(value, Mapping) else {}}
    return _written(asked, 200, body, document.headers)


def refusal(asked: Asked, denied: Denied, request_id: str) -> Answer:
    """A refusal in MCP."""
    reason, era = denied.reason, asked.era
    headers = Headers(tuple(_beside(denied)))
    if asked.kind is Kind.REQUEST and asked.method == _CALL and not failures.is_protocol(reason):
        result = failures.refused_call(reason, request_id, era)
        return _written(asked, 200, {"result": result}, headers)
    status = _status(asked, reason)
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = "POST" if era is Era.MODERN else "POST, DELETE"
        headers = Headers((*headers, ("Allow", allow)))
    if status == HTTPStatus.ACCEPTED:
        return Answer(status, headers, b"")
    unsupported = reason is Reason.REVISION_UNSUPPORTED and era is Era.MODERN
    data = failures.unsupported(asked.revision) if unsupported else None
    failed = failures.failure(reason, request_id, data, era)
    return _failed(asked, status, failed, headers)


def _status(asked: Asked, reason: Reason) -> int:
    """The HTTP status of a refusal.

    Who only tells something waits for no error, and has nothing to do with one: it is taken, and
    left. What is no message of JSON-RPC has only HTTP to be told by.
    """
    status = failures.status(reason, asked.era)
    quiet = not failures.is_protocol(reason) or reason is Reason.METHOD_UNKNOWN
    match asked.kind:
        case Kind.NOTIFICATION | Kind.RESPONSE if quiet:
            return HTTPStatus.ACCEPTED
        case Kind.VERB if reason is Reason.METHOD_UNKNOWN:
            return HTTPStatus.METHOD_NOT_ALLOWED
        case Kind.VERB | Kind.UNREAD if quiet:
            return reason.status
    return status


def _responded(asked: Asked, document: Document) -> Answer:
    assert isinstance(document.value, Mapping)
    status = document.status
    match document.value:
        case {"error": {"code": int(code)}} if status == HTTPStatus.OK:
            status = failures.status_of(code, asked.era)
    return _written(asked, status, document.value, document.headers)


def _failed(asked: Asked, status: int, failure: Failure, headers: Headers) -> Answer:
    body = as_json(Response(asked.id, failure))
    return Answer(status, Headers((*_JSON, *headers)), dumps(body))


def _written(asked: Asked, status: int, said: Mapping[str, Json], headers: Headers) -> Answer:
    body = {"jsonrpc": "2.0", "id": asked.id, **said}
    return Answer(status, Headers((*_JSON, *headers)), dumps(body))


def _beside(denied: Denied) -> list[tuple[str, str]]:
    wait = denied.facts.get("retry_after")
    return [("Retry-After", str(max(1, math.ceil(wait))))] if wait is not None else []
