"""A letter is tried again where it surely did not arrive, and nowhere else."""

import pytest

from proxy.decision import Denied, Facts
from proxy.isolation.attempt import (
    NOT_ALLOWED,
    REFUSED,
    UNKNOWN,
    UNREACHED,
    UNTAKEN,
    Attempt,
    Ending,
    Verdict,
)
from proxy.reasons import Layer, Reason
from proxy.state import letters
from proxy.state.letters import Letter

LETTER = Letter("a" * 64, "slack", b"", 0.0, 0.0, held=15.0)
LATER, DELIVERED = Verdict(Ending.LATER, UNREACHED), Verdict(Ending.DELIVERED)
DEAD = Verdict(Ending.DEAD, UNKNOWN)


class Inbox:
    """`letters.Inbox` of which only `sending` is asked."""

    def __init__(self, *, waiting: bool | OSError) -> None:
        self.waiting = waiting
        self.asked: list[tuple[str, float, float]] = []

    async def sending(self, letter_id: str, held: float, lease: float) -> bool:
        self.asked.append((letter_id, held, lease))
        if isinstance(self.waiting, OSError):
            raise self.waiting
        return self.waiting

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


def attempt(*, waiting: bool | OSError = True) -> Attempt:
    inbox: letters.Inbox = Inbox(waiting=waiting)  # type: ignore[assignment]
    return Attempt(LETTER, inbox, 100.0)


async def sent() -> Attempt:
    made = attempt()
    await made.before()
    return made


def denied(reason: Reason, layer: Layer = Layer.ISOLATION, status: int | None = None) -> Denied:
    return Denied(layer, reason, Facts() if status is None else Facts(upstream_status=status))


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, DELIVERED) for status in (200, 202, 204, 302, 304)),
        *((status, Verdict(Ending.LATER, UNTAKEN)) for status in (429, 500, 502, 503)),
        *((status, Verdict(Ending.DEAD, REFUSED)) for status in (400, 401, 403, 404, 413, 422)),
    ],
)
async def test_the_agent_s_status_decides(status: int, verdict: Verdict) -> None:
    unreadable = denied(Reason.UPSTREAM_UNREADABLE, status=status)

    assert (await sent()).answered(status) == verdict
    assert (await sent()).denied(unreadable) == verdict


@pytest.mark.parametrize(
    "refusal",
    [
        denied(Reason.UPSTREAM_UNREACHABLE, status=0),
        denied(Reason.UPSTREAM_LATE, status=0),
        denied(Reason.UPSTREAM_MISSING),
        denied(Reason.LAYER_FAILED),
        denied(Reason.AUDIT_UNAVAILABLE, Layer.AUTHORIZATION),
        denied(Reason.LAYER_FAILED, Layer.PROTECTION),
    ],
    ids=lambda refusal: f"{refusal.reason.code} in {refusal.layer}",
)
async def test_without_a_status_it_counts_whether_it_went_out(refusal: Denied) -> None:
    assert attempt().denied(refusal) == LATER
    assert (await sent()).denied(refusal) == DEAD


async def test_so_it_does_where_it_is_cut_off() -> None:
    assert attempt().cut_off() == LATER
    assert (await sent()).cut_off() == DEAD


@pytest.mark.parametrize("reason", [Reason.SCOPE_INSUFFICIENT, Reason.ROLE_INSUFFICIENT])
def test_a_sender_that_may_no_longer_send_is_not_tried_again(reason: Reason) -> None:
    refusal = denied(reason, Layer.AUTHORIZATION)

    assert attempt().denied(refusal) == Verdict(Ending.DEAD, NOT_ALLOWED)


async def test_a_letter_that_was_dropped_does_not_go_out() -> None:
    made = attempt(waiting=False)

    with pytest.raises(OSError, match="dropped"):
        await made.before()

    refusal = denied(Reason.UPSTREAM_UNREACHABLE, status=0)
    assert made.denied(refusal) == Verdict(Ending.DROPPED)
    assert not made.sent


async def test_a_letter_is_ours_under_the_lease_that_it_was_taken_by() -> None:
    """Where the state did not say which, it is held by one of the two, and nobody else's."""
    waiting, gone = attempt(), await sent()
    failed = attempt(waiting=OSError("no space left on device"))
    with pytest.raises(OSError, match="no space"):
        await failed.before()

    assert (waiting.held, gone.held, failed.held) == ((15.0,), (100.0,), (15.0, 100.0))
    assert gone.inbox.asked == [("a" * 64, 15.0, 100.0)]  # type: ignore[attr-defined]
    assert failed.cut_off() == LATER
