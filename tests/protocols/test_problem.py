import json
from http import HTTPStatus
from typing import Any

import pytest

from proxy.decision import Denied, Facts
from proxy.exchange import Answer
from proxy.protocols.problem import problem
from proxy.reasons import Layer, Reason

# DESIGN.md section 5.
FIELDS = ["type", "title", "status", "detail", "code", "layer", "remedy", "request_id"]

every_reason = pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.code)


def refusal(reason: Reason, facts: Facts | None = None) -> Answer:
    return problem(Denied(reason.layer or Layer.ISOLATION, reason, facts), "request-1")


def body(answer: Answer) -> dict[str, Any]:
    assert isinstance(answer.body, bytes)
    value = json.loads(answer.body)
    assert isinstance(value, dict)
    return value


@every_reason
def test_problem_is_constant_but_for_the_request(reason: Reason) -> None:
    answer = refusal(reason)

    assert answer.status == reason.status
    assert list(body(answer)) == FIELDS
    assert body(answer) == {
        "type": f"urn:sidegate:reason:{reason.code}",
        "title": HTTPStatus(reason.status).phrase,
        "status": reason.status,
        "detail": reason.detail,
        "code": reason.code,
        "layer": reason.layer or "isolation",
        "remedy": reason.remedy,
        "request_id": "request-1",
    }


@every_reason
def test_problem_says_its_type_and_is_not_stored(reason: Reason) -> None:
    headers = refusal(reason).headers

    assert headers.all("Content-Type") == ["application/problem+json"]
    assert headers.all("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("layer", Layer)
def test_failure_is_that_of_the_layer_it_happened_in(layer: Layer) -> None:
    answer = problem(Denied(layer, Reason.LAYER_FAILED), "request-1")

    assert body(answer)["layer"] == layer.value


@pytest.mark.parametrize(
    ("reason", "challenge"),
    [
        (Reason.TOKEN_MISSING, ['Bearer realm="sidegate"']),
        (Reason.TOKEN_UNKNOWN, ['Bearer realm="sidegate", error="invalid_token"']),
        (Reason.CODE_WRONG, []),
        (Reason.PEER_UNTRUSTED, []),
        (Reason.ROLE_INSUFFICIENT, []),
        (Reason.RATE_LIMITED, []),
    ],
)
def test_only_401_says_how_to_authenticate(reason: Reason, challenge: list[str]) -> None:
    assert refusal(reason).headers.all("WWW-Authenticate") == challenge


@every_reason
def test_401_and_the_challenge_go_together(reason: Reason) -> None:
    challenge = refusal(reason).headers.get("WWW-Authenticate")

    assert (challenge is not None) is (reason.status == 401)


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        *((0.0, "1"), (0.001, "1"), (0.5, "1"), (1.0, "1"), (1.001, "2"), (59.2, "60")),
        *((299.999, "300"), (300.0, "300"), (-5.0, "1"), (3600, "3600")),
    ],
)
def test_retry_after_is_whole_seconds_rounded_up(wait: float, seconds: str) -> None:
    answer = refusal(Reason.RATE_LIMITED, Facts(retry_after=wait))

    assert answer.headers.all("Retry-After") == [seconds]


@every_reason
def test_without_a_time_to_wait_none_is_told(reason: Reason) -> None:
    assert refusal(reason).headers.get("Retry-After") is None


@pytest.mark.parametrize(
    "reason", [Reason.RATE_LIMITED, Reason.PAIRING_LOCKED, Reason.SANDBOX_BUSY]
)
def test_whatever_is_limited_can_say_when_to_come_again(reason: Reason) -> None:
    assert refusal(reason, Facts(retry_after=2.0)).headers.get("Retry-After") == "2"


@every_reason
def test_facts_are_not_shown(reason: Reason) -> None:
    facts = Facts(rule="s3cret.key", runtime="docker", result="lost", pairing="s3cret")
    answer = refusal(reason, facts)

    assert "s3cret" not in repr(answer)
    assert answer == refusal(reason)
