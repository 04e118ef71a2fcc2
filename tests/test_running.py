"""Requests under way, and who ends them."""

import asyncio
import time
from dataclasses import dataclass, field

import pytest
from doubles import CLIENT, grant, inbound

from proxy.actions import Action, Listing
from proxy.decision import Allow, Decision
from proxy.exchange import Principal, Role
from proxy.reasons import Layer
from proxy.running import Ended, Entry, Running, Wanted
from proxy.trace import Trace


class Call:
    """One request that runs until it is ended."""

    def __init__(
        self, running: Running, principal: str | None = None, *, stubborn: float = 0
    ) -> None:
        who = Principal(principal, Role.CLIENT) if principal else None
        self._running = running
        self._trace = Trace(inbound(), (), principal=who)
        self._stubborn = stubborn
        self.entry: Entry | None = None
        self.finish = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        with self._running.entered(self._trace) as self.entry:
            try:
                await self.finish.wait()
            except asyncio.CancelledError:
                await asyncio.sleep(self._stubborn)
                raise

    @property
    def ended(self) -> Ended:
        assert self.entry is not None
        return self.entry.ended


async def begun(*calls: Call) -> None:
    await asyncio.sleep(0)
    assert all(call.entry for call in calls)


async def test_a_request_is_listed_for_as_long_as_it_runs() -> None:
    running = Running()
    first, second = Call(running), Call(running)
    await begun(first, second)
    assert len(running) == 2

    first.finish.set()
    second.task.cancel()
    await asyncio.wait({first.task, second.task})

    assert len(running) == 0


async def test_who_is_ended_by_nobody_left() -> None:
    call = Call(Running())
    await begun(call)

    call.task.cancel()
    await asyncio.wait({call.task})

    assert call.ended is Ended.CLIENT_LEFT


async def test_the_end_of_a_credential_is_the_end_of_what_runs_for_it_alone() -> None:
    running = Running()
    mine, also_mine = Call(running, "client-1"), Call(running, "client-1")
    others, nobodys = Call(running, "client-2"), Call(running)
    await begun(mine, also_mine, others, nobodys)

    running.end_principal("client-1")
    await asyncio.wait({mine.task, also_mine.task}, timeout=5)

    assert (mine.task.cancelled(), also_mine.task.cancelled()) == (True, True)
    assert (mine.ended, also_mine.ended) == (Ended.TOKEN_REVOKED, Ended.TOKEN_REVOKED)
    assert (others.task.done(), nobodys.task.done()) == (False, False)
    await running.drain(0)


async def test_what_is_wanted_is_ended_with_the_reason_and_nothing_else() -> None:
    running = Running()
    mine, others, nobodys = Call(running, "client-1"), Call(running, "client-2"), Call(running)
    granted = Call(running, "client-1")
    await begun(mine, others, nobodys, granted)
    assert granted.entry is not None
    granted.entry.trace.grant = grant()
    asked: list[tuple[str, Action | None]] = []

    def wanted(principal: Principal, action: Action | None) -> bool:
        asked.append((principal.id, action))
        return action is not None

    running.end(wanted, Ended.STOPPED)
    await asyncio.wait({granted.task}, timeout=5)

    known: list[tuple[str, Action | None]] = [("client-1", None), ("client-2", None)]
    assert asked == [*known, ("client-1", grant().action)]
    assert granted.ended is Ended.STOPPED
    assert not any(call.task.done() for call in (mine, others, nobodys))
    await running.drain(0)


@dataclass
class Elsewhere:
    """`Holder` that remembers what was to be ended."""

    ended: list[Wanted] = field(default_factory=list)

    def principals(self) -> frozenset[str]:
        return frozenset({"client-9"})

    def end(self, wanted: Wanted) -> None:
        self.ended.append(wanted)


async def test_what_runs_elsewhere_is_ended_too() -> None:
    elsewhere = Elsewhere()
    running = Running(elsewhere)

    running.end(lambda _, action: action is None, Ended.STOPPED)
    running.end_principal("client-9")

    stop, gone = elsewhere.ended
    assert running.principals() == {"client-9"}
    assert (stop(CLIENT, None), stop(CLIENT, Listing())) == (True, False)
    assert gone(Principal("client-9", Role.CLIENT), None)
    assert not gone(CLIENT, None)


async def test_ending_a_principal_that_runs_nothing_ends_nothing() -> None:
    Running().end_principal("client-1")


async def test_a_principal_is_one_who_runs_something_and_is_known() -> None:
    running = Running()
    assert running.principals() == frozenset()

    calls = [Call(running, name) for name in ("client-1", "client-1", "client-2", None)]
    await begun(*calls)
    assert running.principals() == {"client-1", "client-2"}

    calls[0].finish.set()
    calls[2].finish.set()
    await asyncio.wait({calls[0].task, calls[2].task}, timeout=5)
    assert running.principals() == {"client-1"}

    await running.drain(0)
    assert running.principals() == frozenset()


async def test_who_is_recognized_while_it_runs_is_one_from_then_on() -> None:
    running = Running()
    trace = Trace(inbound(), ())
    with running.entered(trace):
        assert running.principals() == frozenset()

        await trace.step(Layer.AUTHENTICATION, recognized("client-1"))

        assert running.principals() == {"client-1"}


async def recognized(name: str) -> Decision[Principal]:
    return Allow(Principal(name, Role.CLIENT))


async def test_a_drain_lets_what_ends_by_itself_end() -> None:
    running = Running()
    call = Call(running)
    await begun(call)
    draining = asyncio.create_task(running.drain(30))
    await asyncio.sleep(0)

    call.finish.set()
    async with asyncio.timeout(5):
        await draining

    assert not call.task.cancelled()


async def test_a_drain_ends_the_rest_and_waits_until_it_is_gone() -> None:
    running = Running()
    quick, stubborn = Call(running), Call(running, stubborn=0.3)
    await begun(quick, stubborn)
    started = time.monotonic()

    await running.drain(0.5)

    assert 0.5 <= time.monotonic() - started < 5
    assert (quick.task.cancelled(), stubborn.task.cancelled()) == (True, True)
    assert (quick.ended, stubborn.ended) == (Ended.STOPPED, Ended.STOPPED)
    assert len(running) == 0


async def test_a_drain_does_not_wait_for_ever() -> None:
    running = Running()
    call = Call(running, stubborn=30)
    await begun(call)
    started = time.monotonic()

    await running.drain(0.2)

    assert time.monotonic() - started < 5
    assert not call.task.done()
    call.task.cancel()
    await asyncio.wait({call.task})


async def test_a_drain_of_nothing_is_over_at_once() -> None:
    started = time.monotonic()

    await Running().drain(30)

    assert time.monotonic() - started < 1


@pytest.mark.parametrize("ended", Ended)
def test_every_end_has_a_word_for_the_record(ended: Ended) -> None:
    assert ended.value in {"broken-off", "client-left", "token-revoked", "stopped"}
