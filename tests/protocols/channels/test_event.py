import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Malformed
from proxy.protocols.channels import READERS
from proxy.protocols.channels.event import Event, Sender, digest, identity, key_of, person
from proxy.reasons import Reason
from proxy.values import Json

ALICE, BOB, NOBODY = Sender(("1", "alice")), Sender(("2",)), Sender()


def nobody(_: Sender) -> bool:
    return False


def everybody(_: Sender) -> bool:
    return True


def only_alice(sender: Sender) -> bool:
    return sender == ALICE


def test_there_is_a_reader_for_each_channel() -> None:
    assert {*READERS} == {"telegram", "discord", "slack", "whatsapp", "github", "standard"}


@pytest.mark.parametrize(
    ("senders", "alone", "all_of_them"),
    [
        ((), None, None),
        ((ALICE,), b"data", b"data"),
        ((BOB,), None, b"data"),
        ((NOBODY,), None, b"data"),
        ((ALICE, ALICE), b"data", b"data"),
        ((ALICE, BOB), None, b"data"),
        ((NOBODY, ALICE), None, b"data"),
    ],
)
def test_post_that_cannot_be_cut_is_kept_whole_or_not_at_all(
    senders: tuple[Sender, ...], alone: bytes | None, all_of_them: bytes | None
) -> None:
    event = Event("1", senders, b"data")

    assert event.kept(only_alice) == alone
    assert event.kept(everybody) == all_of_them
    assert event.kept(nobody) is None


def test_post_that_can_be_cut_is_cut_only_where_somebody_is_left() -> None:
    event = Event("1", (ALICE, BOB), b"data", trim=lambda admits: b"%d" % admits(BOB))

    assert event.kept(only_alice) == b"0"
    assert event.kept(everybody) == b"1"
    assert event.kept(nobody) is None


def test_what_was_said_is_in_no_text_of_an_event() -> None:
    assert "secret" not in repr(Event("1", (ALICE,), b"secret"))


@pytest.mark.parametrize(
    ("lasting", "name", "ids"),
    [
        (42, "alice", ("42", "alice")),
        ("U0123", None, ("U0123",)),
        (-1001234567890, "news", ("-1001234567890", "news")),
        (42, "42abc", ("42", "42abc")),
        (42, 7, ("42",)),
        # a name that would pass for the id of somebody else
        (42, "7", ("42",)),
        (42, "-7", ("42",)),
        (42, "+7", ("42",)),
        # a name that is none
        (42, "", ("42",)),
        (42, "al ice", ("42",)),
        (42, "*", ("42",)),
        (42, "dependabot[bot]", ("42",)),
        (42, ["alice"], ("42",)),
        # without the id, no name counts
        (None, "alice", ()),
        ("", "alice", ()),
        (True, "alice", ()),
        (4.2, "alice", ()),
        ({"id": 42}, "alice", ()),
        ([42], "alice", ()),
        ("*", "alice", ()),
        ("a b", "alice", ()),
        ("4\n", "alice", ()),
        ("\u0664", "alice", ()),
        ("x" * 129, "alice", ()),
        (10**200, "alice", ()),
    ],
)
def test_person_is_the_id_that_lasts_and_then_a_name(
    lasting: Json, name: Json, ids: tuple[str, ...]
) -> None:
    assert person(lasting, name) == Sender(ids)


@given(st.text() | st.integers() | st.booleans() | st.none() | st.floats())
def test_identity_is_plain_short_and_never_everybody(value: Json) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._@+-]{0,128}", identity(value))


@pytest.mark.parametrize(("value", "key"), [(0, "0"), (10**6, "1000000"), ("Ev:1/a=", "Ev:1/a=")])
def test_key_is_what_the_provider_says(value: Json, key: str) -> None:
    assert key_of(value, b"data") == key


@pytest.mark.parametrize("value", ["", True, 1.5, [], {}, "a b", "a\n", "\xe9", "x" * 256])
def test_what_is_no_key_is_refused(value: Json) -> None:
    with pytest.raises(Malformed) as refusal:
        key_of(value, b"data")

    assert refusal.value.reason is Reason.BODY_MALFORMED


def test_event_without_an_id_is_known_by_its_digest() -> None:
    assert key_of(None, b"a") == digest(b"a") != key_of(None, b"b")
    assert key_of(digest(b"a"), b"b") == digest(b"a")
