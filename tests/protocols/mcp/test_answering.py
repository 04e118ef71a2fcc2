import json
from typing import Any

import pytest

from proxy.decision import Denied, Facts
from proxy.exchange import Answer, Document
from proxy.mcp import Era
from proxy.protocols.mcp.answering import refusal, response
from proxy.protocols.mcp.asked import Asked, Kind
from proxy.protocols.mcp.failures import REFUSAL
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

CALL = Asked(Era.LEGACY, "2025-11-25", Kind.REQUEST, "a", "tools/call")
LIST = Asked(Era.LEGACY, "2025-11-25", Kind.REQUEST, 1, "tools/list")
MODERN = Asked(Era.MODERN, "2099-01-01", Kind.REQUEST, 1, "tools/list")
TOLD = Asked(Era.LEGACY, kind=Kind.NOTIFICATION, method="notifications/cancelled")
ANSWERED = Asked(Era.LEGACY, kind=Kind.RESPONSE)
VERB = Asked(Era.LEGACY, kind=Kind.VERB, events=True)
UNREAD = Asked(Era.LEGACY)


def body(answer: Answer) -> Any:
    assert isinstance(answer.body, bytes)
    assert answer.headers.get("content-type") == "application/json"
    assert answer.headers.get("cache-control") == "no-store"
    return json.loads(answer.body)


def refused(asked: Asked, reason: Reason, **facts: float) -> Answer:
    told = Facts(retry_after=facts["wait"]) if facts else Facts()
    return refusal(asked, Denied(reason.layer or Layer.AUTHORIZATION, reason, told), "r-1")


@pytest.mark.parametrize("id_", [1, 0, "1", "", -5])
def test_an_answer_has_the_id_of_its_request(id_: str | int) -> None:
    asked = Asked(Era.LEGACY, kind=Kind.REQUEST, id=id_, method="tools/list")

    answer = response(asked, Document({"result": {"tools": []}}, rpc=True))

    assert answer.status == 200
    assert body(answer) == {"jsonrpc": "2.0", "id": id_, "result": {"tools": []}}


def test_the_headers_of_a_document_go_before_it() -> None:
    document = Document({"result": {}}, rpc=True, headers=Headers((("Mcp-Session-Id", "s"),)))

    assert response(LIST, document).headers.get("mcp-session-id") == "s"


@pytest.mark.parametrize(
    ("asked", "code", "given", "status"),
    [
        (MODERN, -32601, 200, 404),
        (MODERN, -32602, 200, 400),
        (MODERN, -32603, 200, 200),
        (MODERN, -32602, 503, 503),
        (LIST, -32601, 200, 200),
        (LIST, -32602, 400, 400),
    ],
)
def test_an_error_of_a_server_has_the_status_of_its_era(
    asked: Asked, code: int, given: int, status: int
) -> None:
    error: Json = {"error": {"code": code, "message": "no"}}

    answer = response(asked, Document(error, given, rpc=True))

    assert answer.status == status
    assert body(answer)["error"] == {"code": code, "message": "no"}


@pytest.mark.parametrize(("status", "failed"), [(200, False), (202, False), (409, True)])
def test_a_tool_of_our_own_is_answered_as_a_tool(status: int, *, failed: bool) -> None:
    answer = response(CALL, Document({"content": "text"}, status))

    assert answer.status == 200
    result = body(answer)["result"]
    assert result["content"] == [{"type": "text", "text": "text"}]
    assert result["isError"] is failed


@pytest.mark.parametrize(("value", "result"), [({"a": 1}, {"a": 1}), (None, {}), ([1], {})])
def test_what_else_is_known_is_a_result(value: Json, result: Json) -> None:
    assert body(response(LIST, Document(value)))["result"] == result


@pytest.mark.parametrize("asked", [TOLD, ANSWERED, VERB])
def test_what_is_no_request_is_only_taken(asked: Asked) -> None:
    answer = response(asked, Document(None, 202))

    assert (answer.status, answer.body) == (202, b"")
    assert answer.headers.get("content-type") is None


@pytest.mark.parametrize("era", Era)
def test_a_call_that_is_denied_has_a_result_that_a_model_reads(era: Era) -> None:
    asked = Asked(era, kind=Kind.REQUEST, id="a", method="tools/call")
    for reason in (Reason.TOOL_DENIED, Reason.MCP_LATE, Reason.STATE_UNAVAILABLE):
        answer = refused(asked, reason)

        assert answer.status == 200
        said = body(answer)
        assert said["id"] == "a"
        assert said["result"]["isError"] is True
        assert said["result"]["_meta"][REFUSAL]["code"] == reason.code


@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        (Reason.SESSION_UNKNOWN, 404, -32001),
        (Reason.HEADER_MISMATCH, 400, -32020),
        (Reason.PARAMETERS_INVALID, 400, -32602),
        (Reason.METHOD_UNKNOWN, 200, -32601),
    ],
)
def test_a_call_that_is_at_fault_has_an_error(reason: Reason, status: int, code: int) -> None:
    answer = refused(CALL, reason)

    assert answer.status == status
    assert body(answer)["error"]["code"] == code


def test_what_is_denied_beside_calls_has_an_error_that_ends_nothing() -> None:
    answer = refused(LIST, Reason.STOPPED_BY_OPERATOR)

    assert answer.status == 200
    assert body(answer)["error"]["code"] == -32010
    assert body(answer)["error"]["data"]["code"] == "stopped-by-operator"


def test_what_is_not_spoken_is_told_with_what_is() -> None:
    answer = refused(MODERN, Reason.REVISION_UNSUPPORTED)

    assert answer.status == 400
    data = body(answer)["error"]["data"]
    assert (data["supported"], data["requested"]) == (["2026-07-28"], "2099-01-01")
    assert "supported" not in body(refused(LIST, Reason.REVISION_UNSUPPORTED))["error"]["data"]


def test_what_was_not_read_is_answered_to_nobody() -> None:
    answer = refused(UNREAD, Reason.BODY_MALFORMED)

    assert answer.status == 400
    assert body(answer)["id"] is None
    assert body(answer)["error"]["code"] == -32700


def test_what_was_too_large_keeps_its_status() -> None:
    assert refused(UNREAD, Reason.BODY_TOO_LARGE).status == 413


@pytest.mark.parametrize("asked", [TOLD, ANSWERED])
def test_who_tells_something_hears_only_of_its_own_faults(asked: Asked) -> None:
    for reason in (Reason.METHOD_UNKNOWN, Reason.STOPPED_BY_OPERATOR):
        answer = refused(asked, reason)
        assert (answer.status, answer.body) == (202, b"")

    assert refused(asked, Reason.SESSION_UNKNOWN).status == 404
    assert refused(asked, Reason.SESSION_MISSING).status == 400


@pytest.mark.parametrize(
    ("era", "reason", "status", "allow"),
    [
        (Era.MODERN, Reason.VERB_UNSUPPORTED, 405, "POST"),
        (Era.LEGACY, Reason.METHOD_UNKNOWN, 405, "POST, DELETE"),
        (Era.LEGACY, Reason.SESSION_UNKNOWN, 404, None),
        (Era.LEGACY, Reason.SESSION_MISSING, 400, None),
        (Era.LEGACY, Reason.STOPPED_BY_OPERATOR, 503, None),
    ],
)
def test_who_listens_is_told_by_status(
    era: Era, reason: Reason, status: int, allow: str | None
) -> None:
    answer = refused(Asked(era, kind=Kind.VERB), reason)

    assert answer.status == status
    assert answer.headers.get("allow") == allow
    assert body(answer)["id"] is None


def test_when_to_come_again_is_kept() -> None:
    assert refused(CALL, Reason.TOOL_RATE_LIMITED, wait=1.2).headers.get("retry-after") == "2"


@pytest.mark.parametrize("asked", [CALL, LIST, MODERN, TOLD, ANSWERED, VERB, UNREAD])
@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_has_an_answer(asked: Asked, reason: Reason) -> None:
    answer = refused(asked, reason)

    assert answer.status == 202 or body(answer)["jsonrpc"] == "2.0"
