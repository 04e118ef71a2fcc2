from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import rows

from proxy.authentication.allowlist import Allowlist
from proxy.config.channels import ChannelsConfig
from proxy.protocols.channels.event import Sender

NOBODY = Sender()
IDS = st.from_regex(r"[A-Za-z0-9._@+-]{1,16}", fullmatch=True)
CHANNELS = st.sampled_from(["telegram", "discord", "slack", "whatsapp", "github"])


@pytest.mark.parametrize(
    ("channel", "entries", "ids", "admitted"),
    [
        # nobody, everybody
        ("telegram", [], ["42"], False),
        ("telegram", [], [], False),
        ("telegram", ["*"], ["42"], True),
        ("telegram", ["*"], [], True),
        ("telegram", ["alice", "*"], ["42", "eve"], True),
        # any of a sender's ids
        ("telegram", ["42"], ["42", "alice"], True),
        ("telegram", ["alice"], ["42", "alice"], True),
        ("telegram", ["7", "alice"], ["42", "bob"], False),
        ("whatsapp", ["15550100"], ["US.1", "15550100"], True),
        # equal, or not at all
        ("telegram", ["alice"], ["42", "alic"], False),
        ("telegram", ["alice"], ["42", "alice2"], False),
        ("telegram", ["alice"], ["42", "Alice"], False),
        ("slack", ["u0123"], ["U0123"], False),
        ("discord", ["111"], ["1111"], False),
        ("discord", ["111"], ["0111"], False),
        ("telegram", ["a.c"], ["abc"], False),
        ("telegram", ["al*"], ["alice"], False),
        # GitHub's logins, and only they, have no case
        ("github", ["OctoCat"], ["583231", "octocat"], True),
        ("github", ["octocat"], ["583231", "OCTOCAT"], True),
        ("github", ["octocat"], ["583231", "octocat2"], False),
        # a sender of whom nothing is known
        ("telegram", ["42"], [], False),
        ("telegram", ["unknown"], [], False),
        # an entry that names nobody, whoever takes the name
        ("telegram", ["unknown"], ["42", "unknown"], False),
        ("telegram", ["Unknown"], ["42", "Unknown"], False),
        ("github", ["unknown"], ["42", "UNKNOWN"], False),
        ("telegram", ["unknown", "42"], ["42", "unknown"], True),
    ],
)
def test_sender_is_admitted_by_an_equal_entry_or_by_everybody(
    channel: str, entries: list[str], ids: list[str], *, admitted: bool
) -> None:
    assert Allowlist(channel, entries).admits(Sender(tuple(ids))) is admitted


@given(CHANNELS, st.lists(IDS), st.lists(IDS))
def test_only_a_listed_id_is_admitted(channel: str, entries: list[str], ids: list[str]) -> None:
    listed = {entry.lower() for entry in entries} & {id_.lower() for id_ in ids}

    assert listed or not Allowlist(channel, entries).admits(Sender(tuple(ids)))
    assert not Allowlist(channel, entries).admits(NOBODY)


@given(CHANNELS, st.lists(IDS), st.lists(IDS))
def test_everybody_is_everybody(channel: str, entries: list[str], ids: list[str]) -> None:
    assert Allowlist(channel, [*entries, "*"]).admits(Sender(tuple(ids)))


@given(CHANNELS, st.lists(IDS))
def test_empty_list_is_nobody(channel: str, ids: list[str]) -> None:
    assert not Allowlist(channel, []).admits(Sender(tuple(ids)))


def test_zeroclaws_cases_hold_but_for_the_nameless() -> None:
    """Where senders without a name are all called "unknown", an entry for it admits all of them."""
    everything: Any = rows("zeroclaw.json.gz")
    cases = [
        row
        for row in everything["allowlist"]
        if row["channel"] in {"telegram", "discord", "whatsapp", "generic case-sensitive"}
    ]
    for row in cases:
        key = "allowed_numbers" if row["channel"] == "whatsapp" else "allowed_users"
        name = row["channel"] if row["channel"] in {"discord", "whatsapp"} else "telegram"
        config = ChannelsConfig.model_validate({name: {key: row["allowlist"]}})
        (channel,) = config.configured()
        senders = row["sender"] if isinstance(row["sender"], list) else [row["sender"]]
        ids = tuple(id_.removeprefix("+") for id_ in senders if id_)
        expected = row["allowed"] and row["allowlist"] != ["unknown"]

        assert Allowlist(name, channel.allowed).admits(Sender(ids)) is expected, row
    assert len(cases) >= 15
