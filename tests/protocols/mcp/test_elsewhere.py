"""A client that is shown where the operator decides."""

import pytest
from doubles import Clock

from proxy.mcp import Client, Era
from proxy.protocols.mcp.elsewhere import MESSAGE, PURPOSE, approval_of, elsewhere, takes_links
from proxy.protocols.mcp.sealed import States
from proxy.seal import Seal
from proxy.values import Json

URL = "https://127.0.0.1:7443/approvals"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def states(clock: Clock) -> States:
    return States(Seal(bytes(range(32))), clock)


@pytest.mark.parametrize(
    ("able", "takes"),
    [
        ({"elicitation": {"url": {}}}, True),
        ({"elicitation": {"url": {}, "form": {}}}, True),
        ({"elicitation": {"form": {}}}, False),
        ({"elicitation": {}}, False),
        ({"elicitation": {"url": True}}, False),
        ({"elicitation": [{"url": {}}]}, False),
        ({"url": {}}, False),
        ({}, False),
    ],
)
def test_only_who_says_so_is_sent_elsewhere(able: dict[str, Json], *, takes: bool) -> None:
    assert takes_links(Client(Era.MODERN, "2026-07-28", capabilities=able)) is takes
    assert not takes_links(Client(Era.LEGACY, "2025-11-25", capabilities=able))


def test_the_link_leads_to_the_operator_and_holds_nothing_of_the_call(states: States) -> None:
    result = dict(elsewhere("a_1", URL, states))
    state = result.pop("requestState")

    params = {"mode": "url", "message": MESSAGE, "url": URL}
    assert result == {
        "resultType": "input_required",
        "inputRequests": {"operator": {"method": "elicitation/create", "params": params}},
    }
    assert isinstance(state, str)
    assert "a_1" not in state


def test_who_comes_back_with_the_state_is_known_by_it(states: States, clock: Clock) -> None:
    state = elsewhere("a_1", URL, states)["requestState"]

    assert approval_of(state, states) == "a_1"
    clock.now += 86_401
    assert approval_of(state, states) is None


@pytest.mark.parametrize("state", [None, "", "a_1", 1, [], {"approval": "a_1"}, "A" * 100_000])
def test_any_other_state_is_nobodys(state: Json, states: States) -> None:
    assert approval_of(state, states) is None


def test_a_state_of_another_purpose_or_another_key_is_nobodys(states: States, clock: Clock) -> None:
    other = States(Seal(bytes(32)), clock)
    bare = states.issue(PURPOSE, {"approval": 7})

    assert approval_of(states.issue("other", {"approval": "a_1"}), states) is None
    assert approval_of(other.issue(PURPOSE, {"approval": "a_1"}), states) is None
    assert approval_of(bare, states) is None
