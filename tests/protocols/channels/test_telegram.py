import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Malformed
from proxy.protocols.channels.event import Event, Sender
from proxy.protocols.channels.telegram import read
from proxy.reasons import Reason
from proxy.values import Headers

JSON = Headers((("Content-Type", "application/json"),))
ALICE = {"id": 123456789, "is_bot": False, "first_name": "Alice", "username": "alice"}
BOT = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
GROUP = {"id": -1001234567890, "type": "supergroup", "title": "Ours", "username": "ours"}
BY_ALICE, BY_GROUP = Sender(("123456789", "alice")), Sender(("-1001234567890", "ours"))


def update(**kinds: object) -> bytes:
    return json.dumps({"update_id": 10000, **kinds}).encode()


def event(**kinds: object) -> Event:
    return read(update(**kinds), JSON)


MESSAGE = {"message_id": 1, "date": 1441645532, "chat": {"id": 5, "type": "private"}, "text": "hi"}
WRITTEN = [
    *("message", "edited_message", "business_message", "edited_business_message", "guest_message"),
]
ACTED = [
    *("inline_query", "chosen_inline_result", "callback_query", "shipping_query"),
    *("pre_checkout_query", "purchased_paid_media", "my_chat_member", "chat_member"),
    *("chat_join_request",),
]


@pytest.mark.parametrize("kind", WRITTEN + ACTED)
def test_update_is_from_whom_it_says(kind: str) -> None:
    found = event(**{kind: {**MESSAGE, "from": ALICE}})

    assert found.senders == (BY_ALICE,)
    assert found.key == "10000"
    assert found.challenge is None
    assert found.kept(lambda sender: sender == BY_ALICE) == update(
        **{kind: {**MESSAGE, "from": ALICE}}
    )
    assert found.kept(lambda sender: sender != BY_ALICE) is None


@pytest.mark.parametrize(
    ("kind", "fields", "sender"),
    [
        ("business_connection", {"id": "b", "user": ALICE}, BY_ALICE),
        ("message_reaction", {"chat": GROUP, "user": ALICE}, BY_ALICE),
        ("message_reaction", {"chat": GROUP, "actor_chat": GROUP}, BY_GROUP),
        ("poll_answer", {"poll_id": "1", "user": ALICE}, BY_ALICE),
        # Telegram's stand-in for old bots comes beside the chat
        ("poll_answer", {"poll_id": "1", "voter_chat": GROUP, "user": BOT}, BY_GROUP),
        ("channel_post", {"sender_chat": GROUP, "chat": GROUP}, BY_GROUP),
        ("edited_channel_post", {"sender_chat": GROUP, "chat": GROUP}, BY_GROUP),
    ],
)
def test_some_kinds_name_their_sender_elsewhere(
    kind: str, fields: dict[str, object], sender: Sender
) -> None:
    assert event(**{kind: fields}).senders == (sender,)


@pytest.mark.parametrize("kind", WRITTEN)
def test_one_who_writes_as_a_chat_is_that_chat(kind: str) -> None:
    """All anonymous administrators of all groups come from one and the same stand-in."""
    assert event(**{kind: {**MESSAGE, "from": BOT, "sender_chat": GROUP}}).senders == (BY_GROUP,)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("message", {}),
        ("message", {"from": None}),
        ("message", {"from": "alice"}),
        ("message", {"from": [ALICE]}),
        ("message", {"from": {"username": "alice"}}),
        ("message", {"from": {"id": None, "username": "alice"}}),
        ("message", {"from": {"id": "*"}}),
        ("message", {"from": {"id": 1.5}}),
        ("message", {"from": ALICE, "sender_chat": "ours"}),
        ("message", {"user": ALICE}),
        ("message", {"chat": ALICE, "via_bot": ALICE, "forward_from": ALICE}),
        ("message", {"reply_to_message": {"from": ALICE}}),
        ("channel_post", {"from": ALICE}),
        # nobody in particular, or a kind of the future
        ("message_reaction_count", {"chat": GROUP}),
        ("poll", {"id": "1"}),
        ("deleted_business_messages", {"chat": GROUP}),
        ("chat_boost", {"chat": GROUP}),
        ("telepathy", {"from": ALICE}),
    ],
)
def test_of_others_nobody_is_known(kind: str, fields: dict[str, object]) -> None:
    assert event(**{kind: fields}).senders == (Sender(),)


def test_username_may_be_absent_and_is_never_a_number() -> None:
    assert event(message={"from": {"id": 7}}).senders == (Sender(("7",)),)
    assert event(message={"from": {"id": 7, "username": "42"}}).senders == (Sender(("7",)),)


@pytest.mark.parametrize(
    "data",
    [
        update(),
        update(message={"from": ALICE}, edited_message={"from": BOT}),
        update(message={"from": ALICE}, telepathy={}),
        update(message={"from": ALICE}, callback_query=None),
        update(message=None),
        update(message="hi"),
        update(message=[{"from": ALICE}]),
        b'{"update_id":{},"message":{"from":{"id":1}}}',
        b'{"update_id":1,"update_id":2,"message":{"from":{"id":1}}}',
        b'{"update_id":1,"message":{"from":{"id":1},"from":{"id":2}}}',
        b"[]",
        b"update_id=1",
        b"",
    ],
)
def test_what_is_not_one_update_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        read(data, JSON)

    assert refusal.value.reason is Reason.BODY_MALFORMED


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "from", "user", "sender_chat", "message", "update_id", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_any_update_is_an_event_of_one_sender_or_refused(value: object) -> None:
    with contextlib.suppress(Malformed):
        found = read(json.dumps(value).encode(), JSON)

        assert len(found.senders) == 1
        assert found.kept(lambda _: False) is None
