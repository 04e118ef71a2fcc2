"""What nobody waits for is done once it may be, once, and never by a Sidegate that came later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from consenting import SEAL, approvals
from doubles import AGENT, CLIENT, Spy, inbound
from policies import ADD, policy
from wire import until

from proxy.actions import Collect, Operate, ToolCall
from proxy.authorization.approvals import Approvals, Asking, Stored, Wish, boot_of
from proxy.decision import Allow, Decision, Denied, Deny
from proxy.detached import Detached
from proxy.exchange import Clean, Content, Document, Grant, Inbound, Principal
from proxy.isolation.answers import Answers
from proxy.reasons import Layer, Reason
from proxy.running import Running
from proxy.scope import Autonomy
from proxy.state.approvals import Ask, Standing, StandingGrant
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import Store
from proxy.trace import Trace
from proxy.values import Json

VERSION = policy(None, level=Autonomy.SUPERVISED).version
CALL = ToolCall(ADD.name, {"a": 1}, detach=True)
GRANT = Grant("request-1", "tools", CLIENT, Operate("x"), Operate("x"), acting=False)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    yield made
    await made.aclose()


@dataclass
class Layers:
    """Layers 3 to 5 in short: take the ask, and answer, or refuse, with what was set."""

    waiting: Approvals
    answers: list[Json | Reason | asyncio.Event] = field(default_factory=lambda: [{"sum": 3}])
    takes: bool = True
    seen: list[ToolCall] = field(default_factory=list)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def resume(self, wish: Inbound, principal: Principal, trace: Trace) -> Clean:
        call = await wish.route.codec.parse(wish)
        assert isinstance(call, ToolCall)
        self.seen.append(call)
        if self.takes:
            ask = await self.waiting.asks.get(call.ask, self.waiting.clock())
            assert ask is not None
            assert await self.waiting.take(ask, principal, VERSION)
        self.begun.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Reason):
            raise Denied(answer.layer or Layer.AUTHORIZATION, answer)
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            answer = None
        return Clean(Document(answer))


@dataclass
class Bench:
    """A worker, what it works on, and who asks."""

    waiting: Approvals
    layers: Layers
    running: Running
    principal: Principal | None = CLIENT

    async def recall(self, _: Stored) -> Principal | None:
        return self.principal

    def worker(self) -> Detached:
        return Detached(self.waiting, self.recall, self.layers.resume, (Spy(),), self.running)

    async def park(self, *, needed: bool = False, seconds: float = 300.0) -> Ask:
        asking = Asking(VERSION, needed, seconds)
        parked = await self.waiting.park(Wish(CALL, inbound(), CLIENT), asking)
        assert isinstance(parked, Allow)
        return parked.value

    async def approve(self, ask: Ask) -> None:
        now = self.waiting.clock()
        assert await self.waiting.asks.decide({ask.id: now + 9}, approve=True, by="u", now=now)
        self.waiting.wake()

    async def answer(self, ask: Ask, owner: str = CLIENT.id) -> Decision[Content]:
        kept = Answers(self.waiting.asks, SEAL, self.waiting.clock)
        return await kept.run(Collect(ask.id, owner), GRANT)

    async def settled(self, ask: Ask, owner: str = CLIENT.id) -> Decision[Content]:
        """The answer, as soon as it is no longer that there is none yet."""
        async with asyncio.timeout(10):
            while True:
                found = await self.answer(ask, owner)
                if isinstance(found, Deny) or found.value.status != 202:
                    return found
                await asyncio.sleep(0.01)


@pytest.fixture
def bench(store: Store) -> Bench:
    waiting = approvals(store.asks, store.grants)
    return Bench(waiting, Layers(waiting), Running())


@asynccontextmanager
async def working(bench: Bench) -> AsyncIterator[None]:
    task = asyncio.create_task(bench.worker().run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_call_that_needs_nobody_is_done_and_its_answer_kept(bench: Bench) -> None:
    ask = await bench.park()
    async with working(bench):
        done = await bench.settled(ask)

    assert done == Allow(Document({"sum": 3}))
    assert bench.layers.seen == [ToolCall(ADD.name, {"a": 1}, ask=ask.id)]
    assert await bench.answer(ask) == done, "kept for whoever asks again"


async def test_a_call_that_waits_for_a_human_is_done_when_it_is_approved(bench: Bench) -> None:
    ask = await bench.park(needed=True)
    async with working(bench):
        await asyncio.sleep(0.1)
        waiting = await bench.answer(ask)
        assert waiting == Allow(Document({"request_id": ask.id, "status": "pending"}, 202))
        assert not bench.layers.seen
        await bench.approve(ask)

        assert await bench.settled(ask) == Allow(Document({"sum": 3}))


async def test_a_refusal_is_told_to_whoever_comes_back(bench: Bench) -> None:
    ask = await bench.park(needed=True)
    now = bench.waiting.clock()
    await bench.waiting.asks.decide({ask.id: now + 9}, approve=False, by="u", now=now)
    async with working(bench):
        assert await bench.settled(ask) == Deny(Reason.APPROVAL_REFUSED)
    assert not bench.layers.seen


async def test_what_nobody_decided_on_is_told_to_be_late(bench: Bench) -> None:
    ask = await bench.park(needed=True, seconds=1)
    async with working(bench):
        assert await bench.settled(ask) == Deny(Reason.APPROVAL_TIMED_OUT)
    assert not bench.layers.seen


async def test_nobody_else_learns_that_there_is_a_call(bench: Bench) -> None:
    ask = await bench.park()

    assert await bench.answer(ask, "client-2") == Deny(Reason.REQUEST_UNKNOWN)
    assert await bench.answer(replace(ask, id="r_0")) == Deny(Reason.REQUEST_UNKNOWN)


@pytest.mark.parametrize("takes", [False, True], ids=["not begun", "begun"])
async def test_what_is_denied_is_not_done_again(bench: Bench, *, takes: bool) -> None:
    bench.layers.takes = takes
    bench.layers.answers = [Reason.SANDBOX_UNAVAILABLE]
    ask = await bench.park()
    async with working(bench):
        assert await bench.settled(ask) == Deny(Reason.SANDBOX_UNAVAILABLE)
    assert len(bench.layers.seen) == 1


async def test_what_is_stopped_waits_and_is_not_lost(bench: Bench) -> None:
    bench.layers.takes = False
    bench.layers.answers = [Reason.STOPPED_BY_OPERATOR]
    ask = await bench.park()
    async with working(bench):
        await bench.layers.begun.wait()
        await asyncio.sleep(0.1)
        found = await bench.waiting.asks.get(ask.id, bench.waiting.clock())

    assert found is not None
    assert found.standing is Standing.APPROVED


async def test_a_caller_whose_credential_is_gone_has_nothing_done(bench: Bench) -> None:
    bench.principal = None
    ask = await bench.park()
    async with working(bench):
        assert await bench.settled(ask) == Deny(Reason.APPROVAL_VOID)
    assert not bench.layers.seen


async def test_what_an_earlier_run_took_is_lost_and_not_done_again(bench: Bench) -> None:
    ask = await bench.park()
    assert await bench.waiting.take(ask, CLIENT, VERSION)
    async with working(bench):
        assert await bench.settled(ask) == Deny(Reason.REQUEST_LOST)
    assert not bench.layers.seen


async def test_what_an_earlier_run_was_granted_is_void_from_the_start(store: Store) -> None:
    waiting = approvals(store.asks, store.grants, boot=boot_of("holder-1", "run-2"))
    made, now = Bench(waiting, Layers(waiting), Running()), waiting.clock()
    for name, boot in (("old", boot_of("holder-1", "run-1")), ("new", waiting.boot)):
        grant = StandingGrant(name, CLIENT.id, ADD.name, "uid-0", now, now + 60, boot)
        assert await store.grants.add(grant, now)
    ask = await made.park()
    async with working(made):
        await made.settled(ask)

    assert [grant.id for grant in await store.grants.list(now)] == ["new"]


async def test_what_another_sidegate_does_is_left_to_it(bench: Bench, store: Store) -> None:
    """Both see the call, and one is too late: what the other answers is not overwritten."""
    ask = await bench.park()
    bench.layers.takes = False
    bench.layers.answers = [Reason.APPROVAL_VOID]
    now = bench.waiting.clock()

    async def taken(_: Stored) -> Principal:
        assert await store.asks.take(ask.id, ask.binding, "holder-2", now)
        return CLIENT

    worker = Detached(bench.waiting, taken, bench.layers.resume, (Spy(),), bench.running)
    task = asyncio.create_task(worker.run())
    await bench.layers.begun.wait()
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.wait({task})

    found = await store.asks.get(ask.id, now)
    assert found is not None
    assert (found.standing, found.answer) == (Standing.TAKEN, None)


async def test_what_is_cut_off_at_the_end_is_lost(bench: Bench) -> None:
    bench.layers.answers = [asyncio.Event()]
    ask = await bench.park()
    async with working(bench):
        await bench.layers.begun.wait()

    assert await bench.answer(ask) == Deny(Reason.REQUEST_LOST)


async def test_whoever_is_revoked_has_nothing_running(bench: Bench) -> None:
    bench.layers.answers = [asyncio.Event()]
    ask = await bench.park()
    async with working(bench):
        await bench.layers.begun.wait()
        bench.running.end_principal(CLIENT.id)
        assert await bench.settled(ask) == Deny(Reason.REQUEST_LOST)


async def test_a_call_that_fails_does_not_keep_others_from_being_done(bench: Bench) -> None:
    bench.layers.answers = [Reason.LAYER_FAILED, {"sum": 3}]
    first, second = await bench.park(), await bench.park()
    async with working(bench):
        settled = [await bench.settled(first), await bench.settled(second)]

    assert Deny(Reason.LAYER_FAILED) in settled
    assert Allow(Document({"sum": 3})) in settled


async def test_calls_of_one_principal_do_not_keep_another_s_from_being_done(bench: Bench) -> None:
    bench.layers.answers = [asyncio.Event()]
    for _ in range(8):
        await bench.park()
    async with working(bench):
        await until(lambda: len(bench.layers.seen) >= 3)
        await asyncio.sleep(0.1)
        assert len(bench.layers.seen) == 3
        bench.layers.answers = [{"sum": 3}]
        asking = Asking(VERSION, needed=False, seconds=300)
        parked = await bench.waiting.park(Wish(CALL, inbound(), AGENT), asking)
        assert isinstance(parked, Allow)
        bench.principal = AGENT

        done = await bench.settled(parked.value, AGENT.id)

    assert done == Allow(Document({"sum": 3}))
