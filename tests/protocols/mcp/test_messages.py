import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Malformed
from proxy.jsonrpc import Failure, Message, Notification, Request, Response, as_json
from proxy.protocols.mcp.messages import MAX_ANSWERED, MAX_ID, is_id, loads_message, read
from proxy.reasons import Reason
from proxy.values import Json

HOSTILE: dict[str, Json] = {
    "no object": 1,
    "null": None,
    "a text": "ping",
    "no version": {"id": 1, "method": "ping"},
    "another version": {"jsonrpc": "1.0", "id": 1, "method": "ping"},
    "a version that is a number": {"jsonrpc": 2.0, "id": 1, "method": "ping"},
    "an id that is true": {"jsonrpc": "2.0", "id": True, "method": "ping"},
    "an id that is a float": {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
    "an id that is a whole float": {"jsonrpc": "2.0", "id": 1.0, "method": "ping"},
    "an id that is null": {"jsonrpc": "2.0", "id": None, "method": "ping"},
    "an id that is a list": {"jsonrpc": "2.0", "id": [1], "method": "ping"},
    "a huge id": {"jsonrpc": "2.0", "id": "x" * (MAX_ID + 1), "method": "ping"},
    "a number past doubles": {"jsonrpc": "2.0", "id": 1 << 53, "method": "ping"},
    "no method": {"jsonrpc": "2.0", "id": 1},
    "a method and a result": {"jsonrpc": "2.0", "id": 1, "method": "ping", "result": {}},
    "a method and an error": {"jsonrpc": "2.0", "method": "ping", "error": {}},
    "a result and an error": {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {},
        "error": {"code": 1, "message": ""},
    },
    "a result without an id": {"jsonrpc": "2.0", "result": {}},
    "a result of nobody": {"jsonrpc": "2.0", "id": None, "result": {}},
    "a result that is a list": {"jsonrpc": "2.0", "id": 1, "result": []},
    "a result that is null": {"jsonrpc": "2.0", "id": 1, "result": None},
    "a member more": {"jsonrpc": "2.0", "id": 1, "method": "ping", "extra": 1},
    "a key in another case": {"jsonrpc": "2.0", "id": 1, "Method": "ping"},
    "a method that is a number": {"jsonrpc": "2.0", "id": 1, "method": 1},
    "an empty method": {"jsonrpc": "2.0", "id": 1, "method": ""},
    "a method with a space": {"jsonrpc": "2.0", "id": 1, "method": "tools/call "},
    "a method with a line end": {"jsonrpc": "2.0", "id": 1, "method": "ping\n"},
    "a method in other letters": {"jsonrpc": "2.0", "id": 1, "method": "p\u0131ng"},
    "parameters in a list": {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []},
    "parameters that are null": {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": None},
    "an error that is a text": {"jsonrpc": "2.0", "id": 1, "error": "no"},
    "an error without a code": {"jsonrpc": "2.0", "id": 1, "error": {"message": ""}},
    "a code that is true": {"jsonrpc": "2.0", "id": 1, "error": {"code": True, "message": ""}},
    "a code that is huge": {"jsonrpc": "2.0", "id": 1, "error": {"code": 1 << 40, "message": ""}},
    "an error without words": {"jsonrpc": "2.0", "id": 1, "error": {"code": 1}},
    "an error with more": {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "", "a": 1}},
    "a huge id of a response": {"jsonrpc": "2.0", "id": "x" * (MAX_ANSWERED + 1), "result": {}},
}

ids = st.text(max_size=MAX_ID) | st.integers(-(1 << 53) + 1, (1 << 53) - 1)
methods = st.from_regex(r"[!-~]{1,128}", fullmatch=True)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 60), 1 << 60) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=9), values, max_size=4)
errors = st.builds(
    Failure, st.integers(-(1 << 31), 1 << 31), st.text(), values.filter(lambda each: each != {})
)
messages = st.one_of(
    st.builds(Request, ids, methods, objects),
    st.builds(Notification, methods, objects),
    st.builds(Response, ids, objects),
    st.builds(Response, st.none() | ids, errors),
)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=list(HOSTILE))
def test_what_is_not_exactly_one_message_is_refused(value: Json) -> None:
    with pytest.raises(Malformed) as caught:
        read(value)

    assert caught.value.reason is Reason.MESSAGE_MALFORMED


@pytest.mark.parametrize("value", [[], [{"jsonrpc": "2.0", "id": 1, "method": "ping"}]])
def test_several_messages_are_refused_as_such(value: Json) -> None:
    with pytest.raises(Malformed) as caught:
        read(value)

    assert caught.value.reason is Reason.BATCH_UNSUPPORTED


@pytest.mark.parametrize(
    "data",
    [
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1,"a":2}}',
        b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}{}',
        b'\xff{"jsonrpc":"2.0"}',
        b"",
    ],
)
def test_bytes_that_two_readers_take_differently_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        loads_message(data)

    assert caught.value.reason is Reason.BODY_MALFORMED


@given(messages)
def test_a_message_is_read_as_it_was_written(message: Message) -> None:
    assert loads_message(json.dumps(as_json(message)).encode()) == message


@given(objects)
def test_any_object_is_a_message_or_is_refused(value: Json) -> None:
    reason: Reason | None = Reason.MESSAGE_MALFORMED
    try:
        read(value)
    except Malformed as malformed:
        reason = malformed.reason

    assert reason is Reason.MESSAGE_MALFORMED


def test_an_error_may_leave_out_the_id_that_could_not_be_read() -> None:
    error: Json = {"code": -32700, "message": "Parse error"}

    assert read({"jsonrpc": "2.0", "error": error}) == read(
        {"jsonrpc": "2.0", "id": None, "error": error}
    )


@pytest.mark.parametrize("value", [0, -1, "", "1", (1 << 53) - 1])
def test_texts_and_whole_numbers_are_ids(value: Json) -> None:
    assert is_id(value)
