import json

import pytest

from proxy.decision import Malformed
from proxy.protocols.channels.discord import read
from proxy.protocols.channels.event import Event, Sender
from proxy.reasons import Reason
from proxy.values import Headers

JSON = Headers((("Content-Type", "application/json"),))
ALICE = {"id": "80351110224678912", "username": "alice"}
BOB = {"id": "53908232506183680", "username": "bob"}
BY_ALICE, BY_BOB = Sender(("80351110224678912",)), Sender(("53908232506183680",))
ID = "786008729715212338"


def interaction(**fields: object) -> bytes:
    return json.dumps({"id": ID, "type": 2, "token": "t", "version": 1, **fields}).encode()


def event(**fields: object) -> Event:
    return read(interaction(**fields), JSON)


@pytest.mark.parametrize("kind", [2, 3, 4, 5, 99])
def test_interaction_is_from_its_user(kind: int) -> None:
    in_server = event(type=kind, member={"user": ALICE, "nick": "bob"})
    in_private = event(type=kind, user=ALICE)

    for found in (in_server, in_private):
        assert found.senders == (BY_ALICE,)
        assert found.key == ID
        assert found.challenge is None
    assert in_private.kept(lambda sender: sender == BY_ALICE) == interaction(type=kind, user=ALICE)


def test_where_two_are_named_both_have_to_be_admitted() -> None:
    found = event(member={"user": ALICE}, user=BOB)

    assert found.senders == (BY_ALICE, BY_BOB)
    assert found.kept(lambda sender: sender == BY_ALICE) is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"member": {}},
        {"member": {"user": None}},
        {"member": {"user": {"username": "alice"}}},
        {"member": [{"user": ALICE}]},
        {"user": "80351110224678912"},
        {"user": {"id": None}},
        {"user": {"id": "a b"}},
        {"message": {"author": ALICE}, "data": {"target_id": ALICE["id"]}},
    ],
)
def test_without_an_id_nobody_is_known(fields: dict[str, object]) -> None:
    assert event(**fields).senders == (Sender(),)


@pytest.mark.parametrize(
    "data", [interaction(type=1, user=BOB), interaction(type=1), b'{"type":1}']
)
def test_ping_is_answered_and_never_delivered(data: bytes) -> None:
    found = read(data, JSON)

    assert found.challenge == {"type": 1}
    assert found.kept(lambda _: True) is None


@pytest.mark.parametrize(
    "data",
    [
        # a webhook event, in which 1 is no ping, and its own ping
        interaction(type=1, event={"type": "APPLICATION_AUTHORIZED"}),
        interaction(type=0),
        interaction(type=True, user=ALICE),
        interaction(type=1.0),
        interaction(type="1"),
        interaction(type=None),
        interaction(type=-1),
        interaction(id="a b", user=ALICE),
        b"[]",
        b"{}",
    ],
)
def test_what_is_no_interaction_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        read(data, JSON)

    assert refusal.value.reason is Reason.BODY_MALFORMED
