import re

import pytest

from proxy.reasons import Layer, Reason

# DESIGN.md section 5: the statuses of refusals, and of hostile bytes (501, 505).
STATUSES = {400, 401, 403, 404, 405, 408, 409, 413, 415, 421, 422, 429, 501, 502, 503, 504, 505}

every_reason = pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.code)


def test_the_layers_stand_in_order() -> None:
    assert list(Layer) == ["network", "authentication", "authorization", "isolation", "protection"]


def test_codes_are_unique() -> None:
    codes = [reason.code for reason in Reason]

    assert len(codes) == len(set(codes))


def test_no_reason_is_another_name_of_one() -> None:
    assert len(Reason.__members__) == len(list(Reason))


@every_reason
def test_code_is_the_name_in_kebab_case(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)+", reason.code)
    assert reason.code == reason.name.lower().replace("_", "-")


@every_reason
def test_status_is_one_that_the_wire_contract_knows(reason: Reason) -> None:
    assert 400 <= reason.status <= 599
    assert reason.status in STATUSES


@every_reason
def test_detail_and_remedy_are_sentences(reason: Reason) -> None:
    for sentence in (reason.detail, reason.remedy):
        assert re.fullmatch(r"[A-Z][ -~]+\.", sentence)
        assert len(sentence) <= 120


@every_reason
def test_sentences_leave_no_room_for_input(reason: Reason) -> None:
    assert not re.search(r"[{}%]|\bNone\b", reason.detail + reason.remedy)


def test_what_has_no_layer_may_be_found_by_any_of_several() -> None:
    ownerless = {reason for reason in Reason if reason.layer is None}

    assert ownerless == {
        *(Reason.LAYER_FAILED, Reason.AUDIT_UNAVAILABLE, Reason.STATE_UNAVAILABLE),
        Reason.RATE_LIMITED,
        *(Reason.BODY_TOO_LARGE, Reason.BODY_LATE, Reason.BODY_MALFORMED, Reason.BODY_UNTYPED),
    }


def test_only_authentication_asks_who_you_are() -> None:
    asking = {reason.layer for reason in Reason if reason.status == 401}

    assert asking == {Layer.AUTHENTICATION}


@pytest.mark.parametrize("status", [502, 504])
def test_only_isolation_blames_the_upstream(status: int) -> None:
    assert {reason.layer for reason in Reason if reason.status == status} == {Layer.ISOLATION}
