import json

import pytest

from proxy.decision import Malformed
from proxy.protocols.channels.event import Event, Sender
from proxy.protocols.channels.github import read
from proxy.reasons import Reason
from proxy.values import Headers

ID = "72d3162e-cc78-11e3-81ab-4c9367dc0958"
OCTOCAT = {"login": "Octocat", "id": 583231, "type": "User"}


def headers(kind: str = "issues", delivery: str = ID) -> Headers:
    pairs = {"Content-Type": "application/json", "X-GitHub-Event": kind}
    return Headers((*pairs.items(), ("X-GitHub-Delivery", delivery)))


def event(**fields: object) -> Event:
    return read(json.dumps(fields).encode(), headers())


def test_delivery_is_from_its_sender() -> None:
    found = event(action="opened", issue={"user": {"login": "eve", "id": 7}}, sender=OCTOCAT)

    assert found.senders == (Sender(("583231", "Octocat")),)
    assert found.key == ID
    assert found.challenge is None
    assert found.kept(lambda _: True) == found.data


@pytest.mark.parametrize(
    ("sender", "ids"),
    [
        # whose login is somebody else's number
        ({"id": 7, "login": "583231"}, ("7",)),
        ({"id": 7, "login": "dependabot[bot]"}, ("7",)),
        ({"id": 7}, ("7",)),
        ({"login": "Octocat"}, ()),
        ({"id": None, "login": "Octocat"}, ()),
        ("Octocat", ()),
        (None, ()),
    ],
)
def test_login_counts_beside_an_id_only(sender: object, ids: tuple[str, ...]) -> None:
    assert event(sender=sender).senders == (Sender(ids),)


def test_ping_is_answered_and_never_delivered() -> None:
    found = read(json.dumps({"zen": "Keep it", "sender": OCTOCAT}).encode(), headers("ping"))

    assert found.challenge == {"status": "ok"}
    assert found.kept(lambda _: True) is None


@pytest.mark.parametrize(
    "given",
    [
        Headers((*headers().fields, ("x-github-delivery", ID))),
        Headers((*headers().fields, ("X-GITHUB-EVENT", "ping"))),
        headers(delivery=""),
        headers(delivery="a b"),
        headers(delivery="x" * 256),
    ],
)
def test_delivery_has_at_most_one_id_and_one_kind(given: Headers) -> None:
    with pytest.raises(Malformed) as refusal:
        read(b"{}", given)

    assert refusal.value.reason is Reason.BODY_MALFORMED


def test_form_that_github_can_send_too_is_refused() -> None:
    fields = dict(headers().fields) | {"Content-Type": "application/x-www-form-urlencoded"}
    with pytest.raises(Malformed) as refusal:
        read(b"payload=%7B%7D", Headers(tuple(fields.items())))

    assert refusal.value.reason is Reason.BODY_UNTYPED
