import pytest

from proxy.jsonrpc import Failure, Message, Notification, Request, Response
from proxy.protection.spoken import beside, reworded, said_in
from proxy.values import Json


@pytest.mark.parametrize(
    "message",
    [
        Request(1, "x", {"a": "b"}),
        Request("1", "x"),
        Notification("x", {"a": ["b"]}),
        Response(1, {"content": {"text": "b"}}),
        Response(1, {}),
        Response(None, Failure(-1, "no")),
        Response("2", Failure(-1, "no", {"a": "b"})),
    ],
)
def test_a_message_in_its_own_words_is_itself(message: Message) -> None:
    assert reworded(message, said_in(message)) == message


@pytest.mark.parametrize(
    ("message", "said", "other"),
    [
        (Request(1, "x", {"a": "b"}), {"a": "*"}, Request(1, "x", {"a": "*"})),
        (Response(1, {"a": "b"}), {"result": {"a": "*"}}, Response(1, {"a": "*"})),
        (
            Response(1, Failure(-1, "b", "b")),
            {"error": {"code": 5, "message": "*", "data": "*"}},
            Response(1, Failure(-1, "*", "*")),
        ),
    ],
)
def test_other_words_change_nothing_else(
    message: Message, said: dict[str, Json], other: Message
) -> None:
    assert reworded(message, said) == other


def test_what_is_judged_with_a_call_is_not_beside_it() -> None:
    params: dict[str, Json] = {
        "name": "x",
        "arguments": {},
        "_meta": {},
        "inputResponses": {"a": 1},
    }

    assert beside(params) == {"inputResponses": {"a": 1}}
