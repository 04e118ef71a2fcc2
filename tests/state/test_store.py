import inspect
from dataclasses import FrozenInstanceError

import pytest

from proxy.exchange import Role
from proxy.state import store
from proxy.state.store import Codes, Redeemed, Redemption, TokenRecord, Tokens

VERBS = [
    pytest.param(verb, id=f"{interface.__name__}.{name}")
    for interface in (Codes, Tokens)
    for name, verb in vars(interface).items()
    if inspect.isfunction(verb) and not name.startswith("_")
]


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_of_the_state_are_asynchronous(verb: object) -> None:
    assert inspect.iscoroutinefunction(verb)


def test_outcomes_are_the_words_of_the_metric() -> None:
    assert [outcome.value for outcome in Redeemed] == ["paired", "wrong", "locked"]


def test_only_a_lockout_says_how_long_to_wait() -> None:
    assert Redemption(Redeemed.WRONG).retry_after == 0.0
    assert Redemption(Redeemed.LOCKED, 3.0).retry_after == 3.0


def test_record_has_no_place_for_a_token() -> None:
    assert TokenRecord.__slots__ == ("id", "digest", "role", "label", "created")


def test_record_cannot_be_changed() -> None:
    record = TokenRecord("id", b"digest", Role.CLIENT, "", 0.0)
    with pytest.raises(FrozenInstanceError):
        record.role = Role.OPERATOR  # type: ignore[misc]


def test_interface_names_no_database() -> None:
    assert "sql" not in inspect.getsource(store).lower()
