"""What a client says on OpenClaw's WebSocket."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Malformed
from proxy.protocols.openclaw.frames import Request, connecting, read, refusal

ATTACKS = (
    "",
    "[]",
    "null",
    '{"type":"req","id":"1","method":"health","method":"chat.send"}',
    '{"type":"req","id":"1","method":"health","params":{"a":1,"a":2}}',
    '{"type":"req","id":1,"method":"health"}',
    '{"type":"req","id":"","method":"health"}',
    '{"type":"req","id":"1"}',
    '{"type":"req","id":"1","method":"chat send"}',
    '{"type":"req","id":"1","method":"health\\n"}',
    '{"type":"req","id":"1","method":"health","params":[]}',
    '{"type":"req","id":"1","method":"health","params":null}',
    '{"type":"req","id":"1","method":"health","Method":"chat.send"}',
    '{"type":"res","id":"1","ok":true,"payload":{}}',
    '{"type":"event","event":"x","payload":{}}',
    '{"type":"REQ","id":"1","method":"health"}',
    '{"type":"req","id":"%s","method":"health"}' % ("x" * 257),
    '{"type":"req","id":"1","method":"health","params":{"a":"\\ud800"}}',
    '{"type":"req","id":"\ud800","method":"health"}',
)


@pytest.mark.parametrize("text", ATTACKS)
def test_what_could_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read(text)


@given(st.text() | st.dictionaries(st.text(), st.text()).map(json.dumps))
def test_any_text_is_a_request_or_malformed(text: str) -> None:
    with suppress(Malformed):
        assert isinstance(read(text), Request)


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({}, ["operator.read"]),
        ({"scopes": ["operator.admin", "operator.read"]}, ["operator.read"]),
        ({"scopes": ["operator.admin", "operator.approvals"]}, []),
        ({"scopes": [["operator.read"], None]}, []),
    ],
)
def test_a_client_connects_with_no_more_than_it_has(
    asked: dict[str, object], kept: list[str]
) -> None:
    params = {"minProtocol": 4, "auth": {"token": "x"}, "device": {"id": "d"}, **asked}
    request = read(json.dumps({"type": "req", "id": "1", "method": "connect", "params": params}))
    sent = json.loads(connecting(request, ("operator.read",)))
    assert sent["params"] == {"minProtocol": 4, "role": "operator", "scopes": kept}


@pytest.mark.parametrize(
    "params", [{"role": "node"}, {"role": None}, {"scopes": "operator.read"}, {"scopes": None}]
)
def test_nobody_connects_as_something_else(params: dict[str, object]) -> None:
    request = read(json.dumps({"type": "req", "id": "1", "method": "connect", "params": params}))
    with pytest.raises(Malformed):
        connecting(request, ("operator.read",))


def test_a_refusal_has_the_id_of_its_request() -> None:
    said = json.loads(refusal(Request("7", "config.get", {}), "FORBIDDEN", "no"))
    assert said == {
        "type": "res",
        "id": "7",
        "ok": False,
        "error": {"code": "FORBIDDEN", "message": "no", "retryable": False},
    }
