import pytest
from doubles import inbound

from proxy.jsonrpc import Failure, Message, Notification, Request, Response
from proxy.mcp import Era
from proxy.protocols.mcp.asked import Asked, Kind, meta, of_message, recall, remember
from proxy.values import Json


def test_what_is_remembered_of_each_kind_of_message() -> None:
    request = Request("a", "tools/call", {"_meta": {"progressToken": 7}})
    era = Era.MODERN

    assert of_message(request, era, events=True) == Asked(
        era, "", Kind.REQUEST, "a", "tools/call", events=True, token=7
    )
    assert of_message(Notification("n"), era, events=False) == Asked(
        era, "", Kind.NOTIFICATION, None, "n"
    )
    assert of_message(Response(1, {}), era, events=False) == Asked(era, kind=Kind.RESPONSE)


@pytest.mark.parametrize("token", [True, None, 1.5, {}, ["a"]])
def test_what_is_no_token_is_none(token: Json) -> None:
    request = Request(1, "ping", {"_meta": {"progressToken": token}})

    assert of_message(request, Era.LEGACY, events=True).token is None


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (Request(1, "a", {"_meta": {"b": 1}}), {"b": 1}),
        (Notification("a", {"_meta": 1}), 1),
        (Notification("a"), None),
        (Response(1, {"_meta": {}}), None),
        (Response(None, Failure(1, "")), None),
    ],
)
def test_what_a_message_says_beside_its_parameters(message: Message, said: Json) -> None:
    assert meta(message) == said


def test_a_request_remembers_its_own() -> None:
    one, other = inbound(), inbound()
    remember(one, Asked(Era.MODERN))

    assert recall(one) == Asked(Era.MODERN)
    assert recall(other) is None
