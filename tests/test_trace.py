"""The record of one request: what a layer answers takes effect here, and nowhere else."""

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from doubles import CLIENT, Spy, frames, grant, inbound
from duplex import FakeAgent

from proxy.actions import Command, FileRead, OpenPath
from proxy.decision import Allow, Decision, Denied, Deny, Facts, Malformed, Quota
from proxy.exchange import Clean, Document, Grant, Peer, Raw, Stream
from proxy.reasons import Layer, Reason
from proxy.trace import Observer, Outcome, Step, Trace
from proxy.values import Headers

COMMAND = Command(("id",), 1.0, writes=True)


def trace(*observers: Observer) -> Trace:
    return Trace(inbound(), observers)


async def answers(decision: Decision[object]) -> Decision[object]:
    return decision


async def raises(error: BaseException) -> Decision[object]:
    raise error


@dataclass
class Slow:
    """`Observer` that ends no call before it is let go."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def step(self, trace: Trace, step: Step) -> None:
        self.begun.set()
        await self.go.wait()

    async def close(self, trace: Trace, outcome: Outcome) -> None:
        self.begun.set()
        await self.go.wait()


class Broken:
    """`Observer` that can write nothing, whatever it is."""

    async def step(self, trace: Trace, step: Step) -> None:
        raise OSError("no space left on device")

    async def close(self, trace: Trace, outcome: Outcome) -> None:
        raise OSError("no space left on device")


# A layer's answer


async def test_the_value_of_an_allow_is_handed_on_and_recorded() -> None:
    spy = Spy()

    value = await trace(spy).step(Layer.NETWORK, answers(Allow(Peer("a"))))

    assert value == Peer("a")
    (step,) = spy.steps
    assert (step.layer, step.decision) == (Layer.NETWORK, Allow(Peer("a")))
    assert 0 <= step.seconds < 1


async def test_a_deny_is_recorded_and_raised_with_its_facts() -> None:
    spy = Spy()
    denial = Deny(Reason.RATE_LIMITED, "evidence", Facts(retry_after=7.0))
    request = trace(spy)

    with pytest.raises(Denied) as raised:
        await request.step(Layer.NETWORK, answers(denial))

    assert (raised.value.layer, raised.value.reason) == (Layer.NETWORK, Reason.RATE_LIMITED)
    assert raised.value.facts == {"retry_after": 7.0}
    assert request.denied is raised.value
    assert spy.steps[0].decision is denial


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Malformed(Reason.BODY_UNTYPED), Reason.BODY_UNTYPED),
        (Malformed(Reason.BODY_TOO_LARGE), Reason.BODY_TOO_LARGE),
        (ValueError("a bug"), Reason.LAYER_FAILED),
        (OSError("a disk"), Reason.LAYER_FAILED),
        (AssertionError(), Reason.LAYER_FAILED),
        (TimeoutError(), Reason.LAYER_FAILED),
        (RecursionError(), Reason.LAYER_FAILED),
        (Denied(Layer.NETWORK, Reason.ROUTE_UNKNOWN), Reason.LAYER_FAILED),
    ],
    ids=repr,
)
async def test_whatever_a_layer_raises_is_no_permission(error: Exception, reason: Reason) -> None:
    spy = Spy()

    with pytest.raises(Denied) as raised:
        await trace(spy).step(Layer.AUTHORIZATION, raises(error))

    assert (raised.value.layer, raised.value.reason) == (Layer.AUTHORIZATION, reason)
    assert spy.steps[0].decision == Deny(reason)


async def test_a_failed_layer_tells_the_record_what_kind_of_error_it_was_and_no_more() -> None:
    spy = Spy()

    with pytest.raises(Denied):
        await trace(spy).step(Layer.ISOLATION, raises(ValueError("token zc_secret")))

    decision = spy.steps[0].decision
    assert isinstance(decision, Deny)
    assert decision.evidence == "ValueError"
    assert Reason.LAYER_FAILED.status == 503


async def test_a_cancelled_layer_stays_cancelled() -> None:
    spy = Spy()

    with pytest.raises(asyncio.CancelledError):
        await trace(spy).step(Layer.ISOLATION, raises(asyncio.CancelledError()))

    assert spy.steps == []


async def test_the_time_of_a_human_is_not_the_layer_s() -> None:
    spy = Spy()

    await trace(spy).step(Layer.AUTHORIZATION, answers(Allow(CLIENT, Facts(waited=3600.0))))

    assert spy.steps[0].seconds == 0.0


# What cannot be recorded


async def test_what_cannot_be_audited_is_not_done() -> None:
    """The grant of an acting call is the last that happens: no layer is asked after it."""
    full, after = Spy(full=True), Spy()
    given = grant(COMMAND, acting=True)

    with pytest.raises(Denied) as raised:
        await trace(full, after).step(Layer.AUTHORIZATION, answers(Allow(given)))

    assert raised.value.reason is Reason.AUDIT_UNAVAILABLE
    assert raised.value.layer is Layer.AUTHORIZATION
    assert Reason.AUDIT_UNAVAILABLE.status == 503
    assert after.steps[0].decision == Deny(Reason.AUDIT_UNAVAILABLE)


async def test_what_only_reads_goes_on_where_the_record_may_lag() -> None:
    given = grant(COMMAND, acting=False)

    assert await trace(Spy(full=True)).step(Layer.AUTHORIZATION, answers(Allow(given))) is given


async def test_a_denial_that_cannot_be_audited_stays_a_denial() -> None:
    with pytest.raises(Denied) as raised:
        await trace(Broken()).step(Layer.NETWORK, answers(Deny(Reason.HOST_UNKNOWN)))

    assert raised.value.reason in {Reason.AUDIT_UNAVAILABLE, Reason.HOST_UNKNOWN}


async def test_cancelled_while_it_is_recorded_is_cancelled() -> None:
    slow = Slow()
    request = trace(slow)
    task = asyncio.create_task(
        request.step(Layer.AUTHORIZATION, answers(Allow(grant(COMMAND, acting=True))))
    )
    await slow.begun.wait()

    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()
    assert request.grant is not None


# The end


@pytest.fixture
def open_path(tmp_path: Path) -> OpenPath:
    (tmp_path / "a").write_text("x")
    return OpenPath(os.open(tmp_path / "a", os.O_RDONLY))


def is_open(path: OpenPath) -> bool:
    return os.path.lexists(f"/proc/self/fd/{path.descriptor}")


@pytest.mark.parametrize(
    "ending",
    ["answered", "denied later", "layer failed", "not audited", "cancelled", "record cancelled"],
)
async def test_the_file_of_a_grant_is_given_back_however_it_ends(
    open_path: OpenPath, ending: str
) -> None:
    slow = Slow()
    observers: dict[str, Observer] = {"not audited": Spy(full=True), "record cancelled": slow}
    request = trace(observers.get(ending, Spy()))
    given = grant(FileRead(open_path), acting=ending == "not audited")

    async def handle() -> None:
        await request.step(Layer.AUTHORIZATION, answers(Allow(given)))
        if ending == "denied later":
            await request.step(Layer.ISOLATION, answers(Deny(Reason.FILE_FAILED)))
        if ending == "layer failed":
            await request.step(Layer.ISOLATION, raises(ValueError()))
        if ending == "cancelled":
            await request.step(Layer.ISOLATION, raises(asyncio.CancelledError()))

    task = asyncio.create_task(handle())
    if ending == "record cancelled":
        await slow.begun.wait()
        task.cancel()
        slow.go.set()
    await asyncio.wait({task})
    assert is_open(open_path)

    await request.close(200)

    assert not is_open(open_path)
    if not task.cancelled():
        task.exception()


async def test_a_socket_is_released_at_the_end() -> None:
    released: list[bool] = []
    request = trace()
    socket = replace(FakeAgent().socket, release=lambda: released.append(True))
    await request.step(Layer.ISOLATION, answers(Allow(Raw(grant(COMMAND), socket))))
    assert released == []

    await request.close(101)

    assert released == [True]


async def test_a_stream_is_released_at_the_end_read_or_not() -> None:
    released: list[bool] = []
    request = trace()
    given = grant(COMMAND)
    stream = Stream(200, Headers(), frames(b"x"), release=lambda: released.append(True))
    await request.step(Layer.ISOLATION, answers(Allow(Raw(given, stream))))
    assert released == []

    await request.close(200)

    assert released == [True]


async def test_the_record_knows_principal_and_grant_as_soon_as_they_are_there() -> None:
    request = trace()
    given = grant(COMMAND)

    await request.step(Layer.AUTHENTICATION, answers(Allow(CLIENT)))
    await request.step(Layer.AUTHORIZATION, answers(Allow(given)))

    assert request.principal is CLIENT
    assert request.grant is given


async def test_the_record_knows_who_was_let_in() -> None:
    request = trace()
    await request.step(Layer.NETWORK, answers(Allow(Peer("10.0.0.1"))))

    assert request.peer == Peer("10.0.0.1")


async def test_the_record_knows_every_rate_that_was_counted() -> None:
    first, second = Quota("pair", 10, 60, 9, 6.0), Quota("tools", 600, 60, 0, 60.0, 0.1)
    request = trace()
    await request.step(Layer.NETWORK, answers(Allow(Peer("a"), Facts(quota=first))))
    await request.step(Layer.AUTHENTICATION, answers(Allow(CLIENT)))

    with pytest.raises(Denied):
        await request.step(
            Layer.AUTHORIZATION, answers(Deny(Reason.TOOL_RATE_LIMITED, facts=Facts(quota=second)))
        )

    assert request.quotas == [first, second]


async def test_the_outcome_is_told_to_each_observer() -> None:
    first, second = Spy(), Spy()
    request = trace(first, second)
    tally: Counter[str] = Counter()
    await request.step(Layer.PROTECTION, answers(Allow(Clean(Document({}), tally=tally))))
    tally["token"] += 2  # while the answer was sent

    await request.close(502, "broken-off")

    (outcome,) = first.outcomes
    assert second.outcomes == [outcome]
    assert (outcome.status, outcome.cancelled) == (502, "broken-off")
    assert outcome.redactions == {"token": 2}
    assert 0 <= outcome.seconds < 1


async def test_what_was_masked_in_the_request_counts_with_what_was_in_the_answer() -> None:
    spy = Spy()
    request = trace(spy)
    masked = Counter(token=1)
    for decision in (Allow(1, Facts(masked=masked)), Allow(2)):
        await request.step(Layer.AUTHORIZATION, answers(decision))
    clean = Clean(Document({}), tally=Counter(token=2, held=1))
    await request.step(Layer.PROTECTION, answers(Allow(clean)))
    masked["github-pat"] += 1  # while the body was sent on

    await request.close(200)
    assert spy.outcomes[0].redactions == {"token": 3, "held": 1, "github-pat": 1}


async def test_an_observer_that_fails_at_the_end_hides_nothing_from_the_next() -> None:
    spy = Spy()

    await trace(Broken(), spy).close(200)

    assert len(spy.outcomes) == 1


async def test_a_cancellation_at_the_end_waits_for_every_observer() -> None:
    slow, spy = Slow(), Spy()
    task = asyncio.create_task(trace(slow, spy).close(200))
    await slow.begun.wait()

    task.cancel()
    await asyncio.sleep(0)
    slow.go.set()
    await asyncio.wait({task})

    assert len(spy.outcomes) == 1


async def test_a_pending_layer_is_awaited_once() -> None:
    asked = []

    async def layer() -> Decision[object]:
        asked.append(True)
        return Allow(None)

    pending: Awaitable[Decision[object]] = layer()
    await trace(Spy(), Spy()).step(Layer.NETWORK, pending)

    assert asked == [True]


def test_a_grant_is_closed_only_where_it_holds_a_file() -> None:
    given: Grant = grant(COMMAND)

    given.close()
    given.close()


async def test_what_becomes_known_while_an_answer_is_sent_is_in_the_outcome() -> None:
    spy = Spy()
    request = trace(spy)
    given = grant(COMMAND)
    stream = Stream(200, Headers(), frames(b"a"))
    await request.step(Layer.AUTHORIZATION, answers(Allow(given)))
    await request.step(Layer.ISOLATION, answers(Allow(Raw(given, stream))))

    given.late["result"] = "lost"
    await request.close(200)

    (outcome,) = spy.outcomes
    assert outcome.facts == {"result": "lost"}


async def test_of_an_answer_that_was_known_as_a_whole_the_outcome_adds_nothing() -> None:
    spy = Spy()
    request = trace(spy)
    done = Allow(Raw(grant(COMMAND), Document({})), Facts(result="ok"))
    await request.step(Layer.ISOLATION, answers(done))

    await request.close(200)

    (outcome,) = spy.outcomes
    assert outcome.facts == {}
