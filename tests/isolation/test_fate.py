"""Every answer of a backend says that something was done, that it was not, or that nobody knows."""

import pytest
from doubles import frames

from proxy.decision import Allow, Deny, Facts
from proxy.exchange import Document, Stream
from proxy.isolation.fate import Fate, fate, fate_by_status
from proxy.reasons import Layer, Reason
from proxy.values import Headers

DONE, UNDONE, UNKNOWN = Fate
# The fate of each denial: before anything went out, and after.
DENIALS = {
    Reason.SANDBOX_UNAVAILABLE: (UNDONE, UNDONE),
    Reason.SANDBOX_BUSY: (UNDONE, UNDONE),
    Reason.SANDBOX_LOST: (UNKNOWN, UNKNOWN),
    Reason.FILE_TOO_LARGE: (UNDONE, UNDONE),
    Reason.FILE_NOT_TEXT: (UNDONE, UNDONE),
    Reason.FILE_FAILED: (UNDONE, UNDONE),
    Reason.UPSTREAM_MISSING: (UNDONE, UNDONE),
    Reason.UPSTREAM_DOWN: (UNDONE, UNDONE),
    Reason.WORKSPACE_FULL: (UNDONE, UNDONE),
    Reason.UPSTREAM_UNREACHABLE: (UNDONE, UNKNOWN),
    Reason.UPSTREAM_LATE: (UNDONE, UNKNOWN),
    Reason.UPSTREAM_REFUSED: (UNDONE, UNDONE),
    Reason.UPSTREAM_UNREADABLE: (UNKNOWN, UNKNOWN),
    Reason.MCP_UNAVAILABLE: (UNDONE, UNDONE),
    Reason.MCP_REFUSED: (UNDONE, UNDONE),
    Reason.MCP_LATE: (UNKNOWN, UNKNOWN),
    Reason.MCP_UNREADABLE: (UNKNOWN, UNKNOWN),
    Reason.INBOX_FULL: (UNDONE, UNDONE),
    Reason.OPERATION_UNKNOWN: (UNDONE, UNDONE),
}
# Denials of the memory itself, in front of every backend.
OWN = {reason for reason in Reason if reason.code.startswith("idempotency-")}
# What Sidegate itself does has no key to be done once under.
OWN |= {Reason.REQUEST_UNKNOWN, Reason.REQUEST_LOST, Reason.EVENTS_FULL}
OWN |= {Reason.APPROVAL_STALE, Reason.STANDING_GRANT_REFUSED}


def test_every_denial_of_layer_4_has_its_fate() -> None:
    assert set(DENIALS) == {each for each in Reason if each.layer is Layer.ISOLATION} - OWN


@pytest.mark.parametrize("reason", DENIALS, ids=lambda reason: reason.code)
def test_a_denial_says_what_became_of_it(reason: Reason) -> None:
    found = tuple(fate(Deny(reason), sent=sent) for sent in (False, True))

    assert found == DENIALS[reason]


@pytest.mark.parametrize("reason", [Reason.LAYER_FAILED, Reason.TOOL_UNKNOWN])
def test_what_is_not_in_the_table_says_nothing(reason: Reason) -> None:
    assert fate(Deny(reason), sent=False) is UNKNOWN


@pytest.mark.parametrize(
    ("status", "known"),
    [
        *((status, DONE) for status in (200, 204, 302, 400, 403, 404, 409, 499)),
        *((status, UNDONE) for status in (429, 500, 502, 503, 599)),
        (0, UNKNOWN),
    ],
)
def test_a_status_is_the_agent_s_own_word(status: int, known: Fate) -> None:
    unreadable = Deny(Reason.UPSTREAM_UNREADABLE, facts=Facts(upstream_status=status))

    assert fate_by_status(status) is known
    assert fate(Allow(Document({}, status)), sent=True) is known
    assert fate(unreadable, sent=True) is known


def test_a_stream_is_known_by_its_head() -> None:
    assert fate(Allow(Stream(502, Headers(), frames())), sent=True) is UNDONE
