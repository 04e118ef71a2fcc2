import json
from typing import Any
from urllib.parse import urlencode

import pytest

from proxy.decision import Malformed
from proxy.protocols.channels.event import Event, Sender, digest
from proxy.protocols.channels.slack import read
from proxy.reasons import Reason
from proxy.values import Headers

JSON = Headers((("Content-Type", "application/json"),))
FORM = Headers((("Content-Type", "application/x-www-form-urlencoded"),))
TEAM, ID = "T123ABC456", "Ev123ABC456"
ALICE, BOB, NOBODY = Sender(("U123ABC456",)), Sender(("W222222222",)), Sender()
A, B = ALICE.ids[0], BOB.ids[0]

# Slack docs, Implementing slash commands.
COMMAND = {
    "token": "gIkuvaNzQIHg97ATvDxqgjtO",
    "team_id": TEAM,
    "team_domain": "example",
    "channel_id": "C2147483705",
    "user_id": A,
    "user_name": "bob",
    "command": "/weather",
    "text": "94070",
    "response_url": "https://hooks.slack.com/commands/1234/5678",
    "trigger_id": "13345224609.738474920.8088930838d88f008e0",
}
INTERACTION: dict[str, object] = {
    "type": "block_actions",
    "team": {"id": TEAM, "domain": "example"},
    "user": {"id": A, "username": "bob", "team_id": TEAM},
    "trigger_id": "12466734323.1395872398",
    "message": {"user": B, "text": "quoted"},
}


def callback(event: object, **outer: object) -> bytes:
    body = {"type": "event_callback", "team_id": TEAM, "event_id": ID, "event": event, **outer}
    return json.dumps(body).encode()


def happened(event: object, listened: str | None = None, **outer: object) -> Event:
    return read(callback(event, **outer), JSON, team_id=listened)


def command(listened: str | None = None, **fields: str) -> Event:
    return read(urlencode(COMMAND | fields).encode(), FORM, team_id=listened)


def interaction(listened: str | None = None, **fields: object) -> Event:
    payload = json.dumps(INTERACTION | fields)
    return read(urlencode({"payload": payload}).encode(), FORM, team_id=listened)


@pytest.mark.parametrize(
    ("event", "senders"),
    [
        ({"type": "message", "user": A, "text": "hi"}, [ALICE]),
        ({"type": "app_mention", "user": A, "team": TEAM}, [ALICE]),
        ({"type": "reaction_added", "user": A, "item_user": B}, [ALICE]),
        ({"type": "file_shared", "user_id": A}, [ALICE]),
        ({"type": "team_join", "user": {"id": A, "name": "bob"}}, [ALICE]),
        ({"type": "assistant_thread_started", "assistant_thread": {"user_id": A}}, [ALICE]),
        # a bot has a user of its own, or none
        (
            {"type": "message", "subtype": "bot_message", "bot_id": "B1"},
            [NOBODY],
        ),
        ({"type": "message", "bot_id": "B1", "user": A}, [ALICE]),
        ({"type": "channel_created", "channel": {"creator": A}}, [NOBODY]),
        # edited by the author, by another, and by one who comes with the event itself
        ({"message": {"user": A, "edited": {"user": A}}}, [ALICE]),
        ({"message": {"user": A, "edited": {"user": B}}}, [ALICE, BOB]),
        ({"message": {"user": A}, "previous_message": {"user": A}}, [ALICE]),
        ({"message": {"user": A}, "previous_message": {"user": B}}, [ALICE, BOB]),
        ({"previous_message": {"user": B}}, [BOB]),
        ({"user": A, "message": {"user": B}}, [ALICE, BOB]),
        ({"user": A, "user_id": B}, [ALICE, BOB]),
        ({"type": "message", "user": A, "edited": {"user": B}}, [ALICE, BOB]),
        # a message whose author is not named
        ({"user": A, "message": {"bot_id": "B1"}}, [ALICE, NOBODY]),
        ({"user": A, "message": "hi"}, [ALICE, NOBODY]),
        ({"message": {"user": A}, "previous_message": []}, [ALICE, NOBODY]),
        ({"user": "", "type": "message"}, [NOBODY]),
        ({"user": ["U123ABC456"]}, [NOBODY]),
        ({"user": {"name": "bob"}}, [NOBODY]),
        ({}, [NOBODY]),
    ],
)
def test_event_is_from_all_who_wrote_or_changed_what_it_holds(
    event: dict[str, object], senders: list[Sender]
) -> None:
    found = happened(event)

    assert list(found.senders) == senders
    assert found.key == ID
    assert found.kept(lambda _: True) == callback(event)
    assert (found.kept(lambda sender: sender == ALICE) is not None) is (senders == [ALICE])


def test_command_is_from_the_user_who_typed_it() -> None:
    assert command().senders == (ALICE,)
    assert command().key == COMMAND["trigger_id"]
    assert command(user_id="").senders == (NOBODY,)
    assert command(user_id="*").senders == (NOBODY,)


def test_interaction_is_from_the_user_who_acts_and_not_from_whom_the_message_is() -> None:
    assert interaction().senders == (ALICE,)
    assert interaction().key == INTERACTION["trigger_id"]
    assert interaction(user=None).senders == (NOBODY,)
    assert interaction(user=A).senders == (NOBODY,)


def test_what_slack_gives_no_id_is_known_by_its_bytes() -> None:
    for found in (interaction(trigger_id=None), read(b'{"type":"app_rate_limited"}', JSON)):
        assert found.key == digest(found.data)
    assert read(b'{"type":"app_rate_limited"}', JSON).senders == (NOBODY,)


def test_url_verification_is_answered_and_never_delivered() -> None:
    challenge = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
    body = {"token": "Jhj5dZrVaK7ZwHHjRyZWjbDl", "challenge": challenge, "type": "url_verification"}
    for team_id in (None, TEAM):
        found = read(json.dumps(body).encode(), JSON, team_id=team_id)

        assert found.challenge == {"challenge": challenge}
        assert found.kept(lambda _: True) is None


@pytest.mark.parametrize(
    ("event", "outer"),
    [
        ({"user": A}, {"team_id": "T999"}),
        ({"user": A}, {"team_id": None}),
        ({"user": A}, {"team_id": [TEAM]}),
        ({"user": A}, {"team_id": {}}),
        # in a channel shared with others, the sender's own workspace is another
        ({"user": A, "team": "T999"}, {}),
        ({"user": A, "user_team": "T999"}, {}),
        ({"user": A, "source_team": "T999"}, {}),
        ({"message": {"user": A, "team": "T999"}}, {}),
        ({"message": {"user": A}, "previous_message": {"user": A, "user_team": "T999"}}, {}),
    ],
)
def test_nobody_admits_what_comes_from_another_workspace(
    event: dict[str, object], outer: dict[str, Any]
) -> None:
    assert happened(event, TEAM, **outer).kept(lambda _: True) is None
    assert happened(event, **outer).kept(lambda _: True) is not None


def test_workspace_of_commands_and_interactions_is_compared_too() -> None:
    other = {"id": A, "team_id": "T999"}

    assert command(TEAM).senders == (ALICE,)
    assert command(TEAM, team_id="T999").senders == ()
    assert interaction(TEAM).senders == (ALICE,)
    assert interaction(TEAM, team=None).senders == (ALICE,)
    assert interaction(TEAM, team={"id": "T999"}).senders == ()
    assert interaction(TEAM, user=other).senders == ()
    assert interaction(TEAM, user=other, team=None).senders == ()
    assert interaction(TEAM, user={"id": A}, team=None).senders == ()
    assert happened({"user": A, "team": TEAM, "user_team": TEAM}, TEAM).senders == (ALICE,)


@pytest.mark.parametrize(
    ("data", "headers"),
    [
        # one type and the other's body
        (urlencode(COMMAND).encode(), JSON),
        (callback({"user": A}), FORM),
        # both kinds of form, or neither
        (urlencode({**COMMAND, "payload": "{}"}).encode(), FORM),
        (urlencode({"user_id": A}).encode(), FORM),
        (b"", FORM),
        # a field that comes twice
        (urlencode(COMMAND).encode() + b"&user_id=U999", FORM),
        (b"payload=%7B%7D&payload=%7B%7D", FORM),
        (b"payload=%7B%22user%22:1%7D", FORM),
        (b"payload=%5B%5D", FORM),
        (b'payload=%7B"a":1%7D', FORM),
        (b"payload=%7B%22a%22%3A1%2C%22a%22%3A2%7D", FORM),
        # no event
        (b"[]", JSON),
        (b"{}", JSON),
        (b'{"type":1}', JSON),
        (callback(None), JSON),
        (callback("hi"), JSON),
        (callback([{"user": A}]), JSON),
        (callback({"user": A}, event_id="a b"), JSON),
        (b'{"type":"event_callback","event_id":"Ev1","event":{"user":"U1","user":"U2"}}', JSON),
        # no challenge that can be given back
        (b'{"type":"url_verification"}', JSON),
        (b'{"type":"url_verification","challenge":1}', JSON),
        (b'{"type":"url_verification","challenge":""}', JSON),
        (b'{"type":"url_verification","challenge":"a\\nb"}', JSON),
        (b'{"type":"url_verification","challenge":"' + b"x" * 513 + b'"}', JSON),
    ],
)
def test_what_is_no_post_of_slack_is_refused(data: bytes, headers: Headers) -> None:
    with pytest.raises(Malformed) as refusal:
        read(data, headers)

    assert refusal.value.reason is Reason.BODY_MALFORMED


@pytest.mark.parametrize("trigger", ["", "a b", "x" * 256])
def test_trigger_that_is_no_id_is_refused(trigger: str) -> None:
    with pytest.raises(Malformed):
        command(trigger_id=trigger)
    with pytest.raises(Malformed):
        interaction(trigger_id=trigger)


def test_post_without_one_type_is_refused() -> None:
    for headers in (Headers(), Headers((*JSON.fields, *FORM.fields))):
        with pytest.raises(Malformed) as refusal:
            read(callback({"user": A}), headers)

        assert refusal.value.reason is Reason.BODY_UNTYPED
