"""The state of a modern server is its client's and that call's, and nobody else's."""

from collections.abc import Mapping

import pytest
from mcp_doubles import FakeServer, House, modern, modern_call, result

from proxy.isolation.mcp.link import Sent
from proxy.jsonrpc import Request, Response
from proxy.mcp import Era
from proxy.values import Json

STATE = "what the server wants to see again"
WANTS: Mapping[str, Json] = {
    "resultType": "input_required",
    "inputRequests": {"k": {"method": "elicitation/create", "params": {"message": "?"}}},
    "requestState": STATE,
}
ANSWERS: Mapping[str, Json] = {"k": {"action": "accept", "content": {}}}


def asks(sent: Sent) -> Response:
    """Asks until it has an answer."""
    assert isinstance(sent.message, Request)
    done = "inputResponses" in sent.message.params
    return Response(sent.message.id, {"resultType": "complete"} if done else WANTS)


async def asked(house: House, **of: object) -> str:
    state = result(await house.call(modern(), modern_call(), **of))["requestState"]  # type: ignore[arg-type]
    assert isinstance(state, str)
    return state


async def test_the_client_sees_nothing_of_it_and_the_server_all() -> None:
    server = FakeServer(asks, Era.MODERN)
    house = House(one=server)
    state = await asked(house)
    done = await house.call(modern(), modern_call(2, inputResponses=ANSWERS, requestState=state))

    assert STATE not in state
    assert result(done) == {"resultType": "complete"}
    assert isinstance(server.said[-1].message, Request)
    assert server.said[-1].message.params["requestState"] == STATE


@pytest.mark.parametrize(
    "forged", [STATE, "", "x", 1, None, {"a": "b"}, "A" * 70_000], ids=lambda each: str(each)[:9]
)
async def test_what_was_not_given_here_goes_nowhere(forged: Json) -> None:
    server = FakeServer(asks, Era.MODERN)
    house = House(one=server)
    answer = await house.call(modern(), modern_call(2, inputResponses=ANSWERS, requestState=forged))

    assert "error" in str(answer)
    assert not server.said


async def test_it_is_no_other_call_s_and_no_other_owner_s() -> None:
    server = FakeServer(asks, Era.MODERN)
    house = House(one=server)
    state = await asked(house)
    said = len(server.said)
    retry: dict[str, Json] = {"inputResponses": ANSWERS, "requestState": state}

    for other in (
        await house.call(modern(), modern_call(2, arguments={"a": "other"}, **retry)),
        await house.call(modern(), modern_call(2, name="other", **retry)),
        await house.call(modern(), modern_call(2, **retry), owner="somebody else"),
    ):
        assert "Invalid requestState" in str(other)
    assert len(server.said) == said


@pytest.mark.parametrize("state", [1, None, {"a": 1}, "x" * 70_000], ids=lambda each: str(each)[:9])
async def test_a_state_that_cannot_come_back_is_no_answer(state: Json) -> None:
    house = House(
        one=FakeServer(lambda _: Response(1, {**WANTS, "requestState": state}), Era.MODERN)
    )

    assert "mcp-unreadable" in str(await house.call(modern(), modern_call()))
