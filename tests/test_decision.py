from dataclasses import FrozenInstanceError

import pytest

from proxy.decision import Allow, ConfigError, Denied, Deny, Facts, Malformed, told
from proxy.reasons import Layer, Reason


def test_denials_are_equal_by_reason_alone() -> None:
    denied = Deny(Reason.RATE_LIMITED, "10.0.0.1 came too often", Facts(retry_after=3.0))

    assert denied == Deny(Reason.RATE_LIMITED)
    assert denied != Deny(Reason.PAIRING_LOCKED)


def test_permissions_are_equal_by_value_alone() -> None:
    assert Allow(1, Facts(runtime="docker")) == Allow(1)
    assert Allow(1) != Allow(2)


def test_permission_is_never_equal_to_a_denial() -> None:
    allowed: object = Allow(Reason.RATE_LIMITED)

    assert allowed != Deny(Reason.RATE_LIMITED)


def test_facts_are_not_shared_between_decisions() -> None:
    first, second = Deny(Reason.RATE_LIMITED), Deny(Reason.RATE_LIMITED)
    first.facts["retry_after"] = 1.0

    assert second.facts == {}


def test_decision_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Allow(1).value = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Deny(Reason.RATE_LIMITED).reason = Reason.HOST_UNKNOWN  # type: ignore[misc]


def test_denied_names_the_layer_and_the_code() -> None:
    denied = Denied(Layer.NETWORK, Reason.RATE_LIMITED, Facts(retry_after=2.0))

    assert str(denied) == "network: rate-limited"
    assert denied.layer is Layer.NETWORK
    assert denied.reason is Reason.RATE_LIMITED
    assert denied.facts == {"retry_after": 2.0}


def test_denied_without_facts_has_none() -> None:
    assert Denied(Layer.NETWORK, Reason.HOST_UNKNOWN).facts == {}


def test_message_of_a_malformed_input_holds_nothing_of_the_input() -> None:
    malformed = Malformed(Reason.BODY_MALFORMED, "s3cret")

    assert str(malformed) == "body-malformed"
    assert malformed.reason is Reason.BODY_MALFORMED
    assert malformed.evidence == "s3cret"


def test_config_error_tells_all_problems_at_once() -> None:
    error = ConfigError(["a:1:1: wrong", "a:2:1: wrong too"])

    assert error.problems == ("a:1:1: wrong", "a:2:1: wrong too")
    assert str(error) == "a:1:1: wrong\na:2:1: wrong too"


def test_an_error_without_words_is_told_by_its_name() -> None:
    assert told(OSError("the engine is gone")) == "the engine is gone"
    assert told(TimeoutError()) == "TimeoutError"
