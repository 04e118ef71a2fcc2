import pytest

from proxy.jsonrpc import Failure, Message, Notification, Request, Response, as_json
from proxy.values import Json


@pytest.mark.parametrize(
    ("message", "written"),
    [
        (Request(1, "ping"), {"jsonrpc": "2.0", "id": 1, "method": "ping"}),
        (
            Request("a", "tools/list", {"cursor": "x"}),
            {"jsonrpc": "2.0", "id": "a", "method": "tools/list", "params": {"cursor": "x"}},
        ),
        (Notification("n"), {"jsonrpc": "2.0", "method": "n"}),
        (Notification("n", {"a": 1}), {"jsonrpc": "2.0", "method": "n", "params": {"a": 1}}),
        (Response(1, {}), {"jsonrpc": "2.0", "id": 1, "result": {}}),
        (
            Response(None, Failure(-32700, "no")),
            {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "no"}},
        ),
        (
            Response(2, Failure(-1, "no", {"why": None})),
            {
                "jsonrpc": "2.0",
                "id": 2,
                "error": {"code": -1, "message": "no", "data": {"why": None}},
            },
        ),
    ],
)
def test_a_message_is_written_as_json_rpc_has_it(message: Message, written: Json) -> None:
    assert as_json(message) == written


def test_an_empty_result_is_still_there() -> None:
    assert "result" in as_json(Response(1, {}))
