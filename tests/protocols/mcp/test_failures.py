import pytest

from proxy.mcp import Era
from proxy.protocols.mcp.failures import (
    DENIED,
    REFUSAL,
    failure,
    is_protocol,
    refused_call,
    status,
    status_of,
    unsupported,
)
from proxy.reasons import Reason


@pytest.mark.parametrize(
    ("reason", "code", "modern", "legacy"),
    [
        (Reason.HEADER_MISMATCH, -32020, 400, 400),
        (Reason.REVISION_UNSUPPORTED, -32022, 400, 400),
        (Reason.BODY_MALFORMED, -32700, 400, 400),
        (Reason.BODY_UNTYPED, -32700, 400, 400),
        (Reason.MESSAGE_MALFORMED, -32600, 400, 400),
        (Reason.SESSION_MISSING, -32600, 400, 400),
        (Reason.BATCH_UNSUPPORTED, -32600, 400, 400),
        (Reason.PARAMETERS_INVALID, -32602, 400, 400),
        (Reason.METHOD_UNKNOWN, -32601, 404, 200),
        (Reason.SESSION_UNKNOWN, -32001, 404, 404),
        (Reason.VERB_UNSUPPORTED, -32600, 405, 405),
        (Reason.TOOL_DENIED, DENIED, 200, 200),
        (Reason.APPROVAL_REFUSED, DENIED, 200, 200),
        (Reason.MCP_UNAVAILABLE, DENIED, 200, 200),
        (Reason.LAYER_FAILED, DENIED, 200, 200),
    ],
)
def test_the_code_and_status_of_a_refusal(
    reason: Reason, code: int, modern: int, legacy: int
) -> None:
    assert failure(reason, "r-1").code == code
    assert status(reason, Era.MODERN) == modern
    assert status(reason, Era.LEGACY) == legacy
    assert is_protocol(reason) is (code != DENIED)


def test_a_legacy_client_is_told_of_revisions_in_its_own_code() -> None:
    assert failure(Reason.REVISION_UNSUPPORTED, "r-1", era=Era.LEGACY).code == -32600


def test_a_client_of_another_revision_is_told_which_is_spoken() -> None:
    found = failure(Reason.REVISION_UNSUPPORTED, "r-1", unsupported("2027-01-01")).data

    assert isinstance(found, dict)
    assert found["supported"] == ["2026-07-28"]
    assert found["requested"] == "2027-01-01"
    assert found["request_id"] == "r-1"


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_says_why_and_what_helps(reason: Reason) -> None:
    said = {
        "code": reason.code,
        "layer": reason.layer.value if reason.layer else None,
        "remedy": reason.remedy,
        "request_id": "r-1",
    }

    assert failure(reason, "r-1").message == reason.detail
    assert failure(reason, "r-1").data == said
    assert refused_call(reason, "r-1", Era.LEGACY)["_meta"] == {REFUSAL: said}


def test_a_refused_call_is_a_result_that_a_model_reads() -> None:
    reason = Reason.TOOL_DENIED

    result = refused_call(reason, "r-1", Era.MODERN)

    assert result["isError"] is True
    assert result["resultType"] == "complete"
    text = f"{reason.detail} {reason.remedy} (request r-1)"
    assert result["content"] == [{"type": "text", "text": text}]
    assert "resultType" not in refused_call(reason, "r-1", Era.LEGACY)


@pytest.mark.parametrize(
    ("code", "modern"),
    [(-32601, 404), (-32602, 400), (-32021, 400), (-32603, 200), (-32010, 200), (1, 200)],
)
def test_the_status_of_a_servers_error(code: int, modern: int) -> None:
    assert status_of(code, Era.MODERN) == modern
    assert status_of(code, Era.LEGACY) == 200
