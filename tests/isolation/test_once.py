"""What comes under a key is done at most once, and answered again from memory."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from doubles import CLIENT, Clock, FakeBackend, grant
from wire import OK, Agent, Step, agent, until

from proxy.actions import (
    Command,
    FileList,
    FileRead,
    FileWrite,
    Invoke,
    OpenPath,
    Operate,
    Plan,
    Relay,
)
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Clock as Time
from proxy.exchange import Content, Document, Frame, Grant, OnceKey, Raw, Stream
from proxy.isolation.executor import Executor
from proxy.isolation.kept import MAX_KEPT
from proxy.isolation.once import Keeping, Once
from proxy.isolation.upstream import Upstream
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.state import store
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import Begun, Claim, Standing
from proxy.values import Headers, Json

SEAL = Seal(bytes(range(32)))
KEY = OnceKey("k" * 64, "body")
MESSAGE = OnceKey("m" * 64, "", channel=True)
FILE = OpenPath(-1, "a")  # no double opens it
COMMAND = Command(("id",), 1.0, writes=True)
RELAY = Relay("POST", "/v1/chat", Headers((("Content-Type", "text/plain"),)), b"hello")
INVOKE = Invoke("/tools/add", {"a": 1}, 5.0)
DUPLICATE: Json = {
    "status": "duplicate",
    "idempotent": True,
    "message": "Request already processed for this idempotency key",
}


@dataclass
class Keys:
    """`store.Once` before a real one: verbs that fail, and answers that come when told to."""

    inner: store.Once
    fail: set[str] = field(default_factory=set)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    finishes: asyncio.Event = field(default_factory=asyncio.Event)
    begun: int = 0
    finishing: int = 0
    renewed: int = 0

    async def begin(self, claim: Claim, now: float) -> Standing:
        self._check("begin")
        standing = await self.inner.begin(claim, now)
        self.begun += 1
        await self.answers.wait()
        return standing

    async def renew(self, keys: Collection[str], lease: float, now: float) -> None:
        self._check("renew")
        self.renewed += 1
        await self.inner.renew(keys, lease, now)

    async def finish(self, key: str, answer: bytes | None) -> None:
        self._check("finish")
        self.finishing += 1
        await self.finishes.wait()
        await self.inner.finish(key, answer)

    async def release(self, key: str) -> None:
        self._check("release")
        await self.inner.release(key)

    async def abandon(self, key: str) -> None:
        self._check("abandon")
        await self.inner.abandon(key)

    def _check(self, verb: str) -> None:
        if verb in self.fail:
            raise OSError("no space left on device")


@dataclass
class Work:
    """A backend's work: counted, and answered when it is told to."""

    answer: Decision[Content] | Exception
    go: asyncio.Event = field(default_factory=asyncio.Event)
    done: int = 0
    plans: list[Plan] = field(default_factory=list)

    async def __call__(self, grant: Grant) -> Decision[Content]:
        self.done += 1
        self.plans.append(grant.plan)
        if isinstance(grant.plan, Relay | Invoke) and grant.plan.before is not None:
            await grant.plan.before()
        await self.go.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def work(answer: Decision[Content] | Exception | None = None, *, waits: bool = False) -> Work:
    made = Work(Allow(Document({"ran": True})) if answer is None else answer)
    if not waits:
        made.go.set()
    return made


@dataclass
class Bench:
    """A memory on a real state."""

    store: SqliteStore
    keys: Keys
    once: Once
    clock: Clock
    path: Path

    async def run(self, call: Work, plan: Plan = COMMAND, once: OnceKey = KEY) -> Decision[Raw]:
        return await self.once.run(grant(plan), once, call)

    async def standing(self, once: OnceKey = KEY) -> Begun:
        """What stands against the key for somebody else, such as another replica."""
        now = self.clock()
        body = SEAL.mac("fingerprint of a body", once.fingerprint.encode()).hex()
        claim = Claim(once.key, "client", body, 10, now + 30, now + 3600)
        return (await self.store.once.begin(claim, now)).begun


Open = Callable[..., Bench]


@pytest.fixture
async def open_(tmp_path: Path) -> AsyncIterator[Open]:
    """Open a memory on the state of this test; a second time, it is that of a replica."""
    async with AsyncExitStack() as stack:

        def run(
            keeping: Keeping = Keeping(),  # noqa: B008 - frozen
            clock: Time | None = None,
            seal: Seal = SEAL,
        ) -> Bench:
            path = tmp_path / "sidegate.db"
            made = SqliteStore(str(path), SEAL)
            stack.push_async_callback(made.aclose)
            keys = Keys(made.once)
            keys.answers.set()
            keys.finishes.set()
            standing = Clock()
            once = Once(keys, seal, clock or standing, keeping)
            stack.push_async_callback(once.aclose)
            return Bench(made, keys, once, standing, path)

        yield run


@pytest.fixture
def bench(open_: Open) -> Bench:
    return open_()


def content(decision: Decision[Raw]) -> Content:
    assert isinstance(decision, Allow)
    return decision.value.content


async def text(decision: Decision[Raw]) -> bytes:
    found = content(decision)
    assert isinstance(found, Stream)
    data = b"".join([frame.data async for frame in found.frames])
    found.release()
    return data


def stream(
    *pieces: bytes, status: int = 200, fields: Iterable[tuple[str, str]] = ()
) -> Decision[Content]:
    async def frames() -> AsyncIterator[Frame]:
        for piece in pieces:
            yield Frame("body", piece)

    return Allow(Stream(status, Headers(tuple(fields)), frames()))


# Once, and again from memory


@pytest.mark.parametrize(
    "plan", [COMMAND, FileWrite(FILE, "x"), INVOKE, RELAY], ids=lambda plan: type(plan).__name__
)
async def test_what_was_done_is_answered_again_and_not_done(bench: Bench, plan: Plan) -> None:
    first, second = work(Allow(Document({"n": 1}, 201), Facts(rule="r"))), work()

    done = await bench.run(first, plan)
    again = await bench.run(second, plan)

    assert done == Allow(Raw(grant(plan), Document({"n": 1}, 201)))
    assert again == Allow(Raw(grant(plan), Document({"n": 1}, 201), replayed=True))
    assert (first.done, second.done) == (1, 0)
    assert (done.facts, again.facts) == ({"rule": "r"}, {})


async def test_a_stream_is_answered_again_without_its_cookies(bench: Bench) -> None:
    fields = (("Content-Type", "text/plain"), ("Set-Cookie", "session=1"), ("ETag", "e"))

    first = await bench.run(work(stream(b"one", b"two", status=201, fields=fields)), RELAY)
    cookies = content(first).headers.get("set-cookie")
    seen = await text(first)
    again = await bench.run(work(), RELAY)

    assert (seen, cookies) == (b"onetwo", "session=1")
    assert isinstance(again, Allow)
    assert again.value.replayed
    replayed = content(again)
    assert isinstance(replayed, Stream)
    assert (replayed.status, replayed.headers) == (201, Headers((fields[0], fields[2])))
    assert await text(again) == b"onetwo"


async def test_another_key_is_another_call(bench: Bench) -> None:
    call = work()

    await bench.run(call)
    await bench.run(call, once=replace(KEY, key="l" * 64))

    assert call.done == 2


async def test_a_key_of_another_request_is_refused(bench: Bench) -> None:
    await bench.run(work())

    done = await bench.run(call := work(), once=replace(KEY, fingerprint="other"))

    assert done == Deny(Reason.IDEMPOTENCY_MISMATCH)
    assert call.done == 0


async def test_while_it_runs_nobody_else_does_it(bench: Bench) -> None:
    slow = work(waits=True)
    first = asyncio.create_task(bench.run(slow))
    await until(lambda: slow.done)

    second = await bench.run(call := work())
    slow.go.set()

    assert second == Deny(Reason.IDEMPOTENCY_IN_FLIGHT)
    assert second.facts == {"retry_after": 1.0}
    assert call.done == 0
    assert isinstance(await first, Allow)


async def test_after_its_time_a_key_is_a_new_one(open_: Open) -> None:
    bench, call = open_(Keeping(seconds=60)), work()

    await bench.run(call)
    bench.clock.now += 61
    await bench.run(call)

    assert call.done == 2


async def test_a_full_memory_forgets_what_is_done_and_refuses_where_all_runs(open_: Open) -> None:
    bench, slow = open_(Keeping(keys=1)), work(waits=True)
    await bench.run(work(), once=replace(KEY, key="a" * 64))
    first = asyncio.create_task(bench.run(slow))
    await until(lambda: slow.done)

    done = await bench.run(call := work(), once=replace(KEY, key="l" * 64))
    slow.go.set()
    await first

    assert done == Deny(Reason.IDEMPOTENCY_FULL)
    assert call.done == 0


async def test_what_is_kept_is_there_after_a_restart_and_sealed(open_: Open) -> None:
    first, call = open_(), work()
    await first.run(work(Allow(Document("the quick brown fox"))))
    await first.once.aclose()
    await first.store.aclose()

    again = await open_().run(call)

    assert content(again) == Document("the quick brown fox")
    assert call.done == 0
    kept = b"".join(each.read_bytes() for each in first.path.parent.iterdir())
    assert KEY.key.encode() in kept
    assert b"quick" not in kept


async def test_an_answer_under_another_master_key_is_none(open_: Open) -> None:
    await open_().run(work())

    done = await open_(seal=Seal(bytes(32))).run(call := work())

    assert done == Deny(Reason.IDEMPOTENCY_MISMATCH)
    assert call.done == 0


async def test_an_answer_moved_to_another_key_is_none(bench: Bench) -> None:
    """Who can write to the state must not choose what is answered."""
    other = replace(KEY, key="l" * 64)
    await bench.run(work())
    await bench.run(work(Allow(Document("bait"))), once=other)
    with sqlite3.connect(bench.path) as connection:
        bait = connection.execute("SELECT answer FROM once WHERE key = ?", (other.key,)).fetchone()
        connection.execute("UPDATE once SET answer = ? WHERE key = ?", (*bait, KEY.key))
    connection.close()

    assert await bench.run(work()) == Deny(Reason.IDEMPOTENCY_UNKNOWN)


# What is not kept


@pytest.mark.parametrize(
    ("answer", "plan", "second"),
    [
        # not done: tried again
        (Deny(Reason.SANDBOX_BUSY), COMMAND, None),
        (Deny(Reason.SANDBOX_UNAVAILABLE), COMMAND, None),
        (Deny(Reason.FILE_FAILED), FileWrite(FILE, "x"), None),
        (Deny(Reason.UPSTREAM_REFUSED), INVOKE, None),
        (Allow(Document({}, 500)), INVOKE, None),
        (Allow(Document({}, 429)), INVOKE, None),
        # done: answered again
        (Allow(Document({}, 404)), INVOKE, Document({}, 404)),
        # nobody knows
        (Deny(Reason.SANDBOX_LOST), COMMAND, Reason.IDEMPOTENCY_UNKNOWN),
        (Deny(Reason.UPSTREAM_LATE), INVOKE, Reason.IDEMPOTENCY_UNKNOWN),
        (Deny(Reason.UPSTREAM_UNREACHABLE), RELAY, Reason.IDEMPOTENCY_UNKNOWN),
        (ZeroDivisionError(), COMMAND, Reason.IDEMPOTENCY_UNKNOWN),
        (ZeroDivisionError(), RELAY, Reason.IDEMPOTENCY_UNKNOWN),
        # done, and the answer is lost
        (
            Deny(Reason.UPSTREAM_UNREADABLE, facts=Facts(upstream_status=200)),
            INVOKE,
            Reason.IDEMPOTENCY_ANSWER_LOST,
        ),
        (Allow(Document("x" * MAX_KEPT)), COMMAND, Reason.IDEMPOTENCY_ANSWER_LOST),
    ],
    ids=lambda value: value.reason.code if isinstance(value, Deny) else type(value).__name__,
)
async def test_the_second_request_finds_what_became_of_the_first(
    bench: Bench,
    answer: Decision[Content] | Exception,
    plan: Plan,
    second: Reason | Document | None,
) -> None:
    if isinstance(answer, Exception):
        with pytest.raises(type(answer)):
            await bench.run(work(answer), plan)
    else:
        await bench.run(work(answer), plan)
    call = work()

    done = await bench.run(call, plan)

    if isinstance(second, Reason):
        assert done == Deny(second)
    else:
        assert content(done) == (second or Document({"ran": True}))
    assert call.done == (second is None)


async def test_a_larger_stream_flows_whole_and_is_lost(bench: Bench) -> None:
    pieces = [b"x" * 65536] * 6

    first = await text(await bench.run(work(stream(*pieces)), RELAY))

    assert len(first) == 6 * 65536
    assert await bench.run(work(), RELAY) == Deny(Reason.IDEMPOTENCY_ANSWER_LOST)


async def test_a_stream_of_a_failure_leaves_the_key_free(bench: Bench) -> None:
    await text(await bench.run(work(stream(b"oops", status=502)), RELAY))

    assert await text(await bench.run(work(stream(b"well")), RELAY)) == b"well"


# ZeroClaw's manner


async def test_in_zeroclaw_s_manner_what_was_done_is_a_word(open_: Open) -> None:
    bench = open_(Keeping(zeroclaw=True))
    slow = work(Allow(Document("x" * MAX_KEPT)), waits=True)
    first = asyncio.create_task(bench.run(slow))
    await until(lambda: slow.done)

    running = await bench.run(work())
    slow.go.set()
    await first
    after = await bench.run(work())
    other = await bench.run(work(), once=replace(KEY, fingerprint="other"))

    assert running == after == Allow(Raw(grant(COMMAND), Document(DUPLICATE)))
    assert other == Deny(Reason.IDEMPOTENCY_MISMATCH)


async def test_even_then_nobody_pretends_to_know(open_: Open) -> None:
    bench = open_(Keeping(zeroclaw=True))
    await bench.run(work(Deny(Reason.SANDBOX_LOST)))

    assert await bench.run(work()) == Deny(Reason.IDEMPOTENCY_UNKNOWN)


# Messages of providers


async def test_a_provider_s_message_is_remembered_for_a_week(open_: Open) -> None:
    bench, call = open_(Keeping(seconds=1, keys=1)), work()
    await bench.run(work(), RELAY, MESSAGE)
    bench.clock.now += 6.9 * 86400

    await bench.run(call, RELAY, MESSAGE)
    within = call.done
    bench.clock.now += 0.2 * 86400
    await bench.run(call, RELAY, MESSAGE)

    assert (within, call.done) == (0, 1)


async def test_clients_and_providers_do_not_crowd_each_other_out(open_: Open) -> None:
    bench, call = open_(Keeping(keys=1)), work()
    await bench.run(work(), RELAY, MESSAGE)
    await bench.run(work())

    await bench.run(call, RELAY, MESSAGE)
    await bench.run(call)

    assert call.done == 0


@pytest.mark.parametrize("size", [4000, 5000])
async def test_a_provider_is_told_that_it_came_whatever_was_answered(
    bench: Bench, size: int
) -> None:
    await bench.run(work(Allow(Document("x" * size))), RELAY, MESSAGE)

    again = await bench.run(work(), RELAY, MESSAGE)

    told: Json = "x" * size if size < 4096 else DUPLICATE
    assert content(again) == Document(told)


@pytest.mark.parametrize("zeroclaw", [False, True])
async def test_a_provider_that_repeats_too_early_must_wait(open_: Open, *, zeroclaw: bool) -> None:
    """To say that it was received would lose it, were the first attempt to fail."""
    bench, slow = open_(Keeping(zeroclaw=zeroclaw)), work(waits=True)
    first = asyncio.create_task(bench.run(slow, RELAY, MESSAGE))
    await until(lambda: slow.done)

    assert await bench.run(work(), RELAY, MESSAGE) == Deny(Reason.IDEMPOTENCY_IN_FLIGHT)
    slow.go.set()
    await first


async def test_the_agent_is_told_a_message_s_key_and_a_client_s_own(bench: Bench) -> None:
    message, request = work(), work()

    await bench.run(message, RELAY, MESSAGE)
    await bench.run(request, RELAY)

    assert isinstance(message.plans[0], Relay)
    assert message.plans[0].headers.get("idempotency-key") == MESSAGE.key
    assert request.plans == [RELAY]


# Who leaves


@pytest.mark.parametrize(
    ("plan", "second"),
    [
        (COMMAND, Reason.IDEMPOTENCY_UNKNOWN),
        (FileWrite(FILE, "x"), Reason.IDEMPOTENCY_UNKNOWN),
        (FileRead(FILE), None),
        (FileList(FILE), None),
    ],
    ids=lambda value: "" if isinstance(value, Reason) else type(value).__name__,
)
async def test_what_ends_with_its_caller_is_cut_off(
    bench: Bench, plan: Plan, second: Reason | None
) -> None:
    slow = work(waits=True)
    first = asyncio.create_task(bench.run(slow, plan))
    await until(lambda: slow.done)
    first.cancel()
    await asyncio.wait({first})

    done = await bench.run(work(), plan)

    assert first.cancelled()
    assert done == Deny(second) if second else isinstance(done, Allow)


@pytest.mark.parametrize("plan", [RELAY, INVOKE], ids=lambda plan: type(plan).__name__)
async def test_what_the_agent_does_goes_on_for_one_who_comes_back(bench: Bench, plan: Plan) -> None:
    slow = work(waits=True)
    first = asyncio.create_task(bench.run(slow, plan))
    await until(lambda: slow.done)
    first.cancel()
    await asyncio.wait({first})

    meanwhile = await bench.run(work(), plan)
    slow.go.set()
    await until(lambda: not bench.once.running)
    after = await bench.run(call := work(), plan)

    assert first.cancelled()
    assert meanwhile == Deny(Reason.IDEMPOTENCY_IN_FLIGHT)
    assert content(after) == Document({"ran": True})
    assert (slow.done, call.done) == (1, 0)


async def test_who_leaves_what_the_agent_does_leaves_on_record_that_it_was_asked(
    bench: Bench,
) -> None:
    slow, given = work(waits=True), grant(INVOKE)
    first = asyncio.create_task(bench.once.run(given, KEY, slow))
    await until(lambda: slow.done)
    first.cancel()
    await asyncio.wait({first})
    slow.go.set()

    assert given.late == Facts(upstream_status=0)


async def test_the_end_of_the_request_does_not_cut_its_stream(bench: Bench) -> None:
    """The trace releases every stream, read or not."""
    first = await bench.run(work(stream(*[b"x" * 1000] * 50)), RELAY)
    content(first).release()  # type: ignore[union-attr]
    await until(lambda: not bench.once.running)

    assert await text(await bench.run(work(), RELAY)) == b"x" * 50_000


async def test_who_leaves_before_the_key_was_taken_leaves_it_free(bench: Bench) -> None:
    bench.keys.answers.clear()
    first = asyncio.create_task(bench.run(call := work()))
    await until(lambda: bench.keys.begun)
    first.cancel()
    await asyncio.wait({first})

    bench.keys.answers.set()
    done = None
    while not isinstance(done, Allow):
        done = await bench.run(work())

    assert first.cancelled()
    assert call.done == 0


@pytest.mark.parametrize("plan", [COMMAND, RELAY], ids=lambda plan: type(plan).__name__)
async def test_who_leaves_when_it_is_done_finds_it_done(bench: Bench, plan: Plan) -> None:
    bench.keys.finishes.clear()
    first = asyncio.create_task(bench.run(work(), plan))
    await until(lambda: bench.keys.finishing)
    first.cancel()
    await asyncio.wait({first})

    bench.keys.finishes.set()
    await bench.once.aclose()
    again = await bench.run(call := work(), plan)

    assert first.cancelled()
    assert content(again) == Document({"ran": True})
    assert call.done == 0


@pytest.mark.slow
async def test_many_who_left_do_not_keep_all_connections(bench: Bench) -> None:
    slow = work(waits=True)
    for number in range(257):
        once = replace(KEY, key=f"{number:064}")
        call = asyncio.create_task(bench.run(slow, RELAY, once))
        await until(lambda number=number: slow.done > number)  # type: ignore[misc]
        call.cancel()
        await asyncio.wait({call})
    await until(lambda: bench.once.running == 256)

    oldest = await bench.run(work(), RELAY, replace(KEY, key=f"{0:064}"))
    slow.go.set()

    assert oldest == Deny(Reason.IDEMPOTENCY_UNKNOWN)


async def test_what_runs_on_ends_with_its_principal(bench: Bench) -> None:
    slow = work(waits=True)
    first = asyncio.create_task(bench.run(slow, RELAY))
    await until(lambda: slow.done)
    first.cancel()
    await asyncio.wait({first})

    bench.once.end(lambda principal, _: principal.id == "somebody")
    await asyncio.sleep(0.05)
    others = bench.once.running
    bench.once.end(lambda principal, action: (principal, action) == (CLIENT, Operate("health")))
    await until(lambda: not bench.once.running)

    assert others == 1
    assert await bench.run(work(), RELAY) == Deny(Reason.IDEMPOTENCY_UNKNOWN)


# Leases, and the end


async def test_a_key_is_held_for_as_long_as_it_runs(open_: Open) -> None:
    ours = open_(Keeping(lease=0.3), time.time)
    theirs = open_(Keeping(lease=0.3), time.time)
    slow = work(waits=True)
    first = asyncio.create_task(ours.run(slow))
    await until(lambda: slow.done)

    found = []
    for _ in range(10):
        await asyncio.sleep(0.1)
        found.append(await theirs.run(work()))
    slow.go.set()
    await first

    assert found == [Deny(Reason.IDEMPOTENCY_IN_FLIGHT)] * 10
    assert content(await theirs.run(work())) == Document({"ran": True})


async def test_a_key_that_is_let_go_is_not_held(open_: Open) -> None:
    bench = open_(Keeping(lease=0.06), time.time)

    await bench.run(work())
    await asyncio.sleep(0.3)

    assert bench.keys.renewed == 0


async def test_who_was_killed_leaves_a_key_of_which_nobody_knows(open_: Open) -> None:
    killed, slow = open_(), work(waits=True)  # it renews nothing: its clock is ahead of its sleep
    first = asyncio.create_task(killed.run(slow))
    await until(lambda: slow.done)
    other = open_()

    early = await other.run(work())
    other.clock.now += 31
    late = await other.run(work())
    slow.go.set()
    await first

    assert early == Deny(Reason.IDEMPOTENCY_IN_FLIGHT)
    assert late == Deny(Reason.IDEMPOTENCY_UNKNOWN)


async def test_a_lease_that_fails_once_is_renewed_the_next_time(open_: Open) -> None:
    ours, theirs = open_(Keeping(lease=0.6), time.time), open_(Keeping(), time.time)
    ours.keys.fail.add("renew")
    slow = work(waits=True)
    first = asyncio.create_task(ours.run(slow))
    await asyncio.sleep(0.3)

    ours.keys.fail.clear()
    await asyncio.sleep(0.7)
    found = await theirs.run(work())
    slow.go.set()
    await first

    assert found == Deny(Reason.IDEMPOTENCY_IN_FLIGHT)


async def test_at_the_end_what_runs_is_given_up_in_time(bench: Bench) -> None:
    slow, endless = work(waits=True), work(stream(b"x"))
    endless.answer = Allow(Stream(200, Headers(), _endless()))
    waiting = asyncio.create_task(bench.run(slow, RELAY))
    await until(lambda: slow.done)
    other = replace(KEY, key="l" * 64)
    reading = asyncio.create_task(text(await bench.run(endless, RELAY, other)))
    await asyncio.sleep(0)
    started = time.monotonic()

    await bench.once.aclose()

    assert time.monotonic() - started < 1
    for task in (waiting, reading):
        with pytest.raises(OSError, match="given up"):
            await task
    assert await bench.standing() is Begun.UNKNOWN
    assert await bench.standing(other) is Begun.UNKNOWN


async def _endless() -> AsyncIterator[Frame]:
    while True:
        await asyncio.sleep(0.01)
        yield Frame("body", b"x")


# A state that fails


async def test_without_a_memory_nothing_is_done(bench: Bench) -> None:
    bench.keys.fail.add("begin")

    assert await bench.run(call := work()) == Deny(Reason.STATE_UNAVAILABLE)
    assert call.done == 0


@pytest.mark.parametrize("plan", [COMMAND, RELAY], ids=lambda plan: type(plan).__name__)
async def test_what_was_done_is_answered_although_it_cannot_be_kept(
    open_: Open, plan: Plan
) -> None:
    bench = open_()
    bench.keys.fail.update(("finish", "abandon", "release"))

    done = await bench.run(work(), plan)
    bench.clock.now += 31

    assert content(done) == Document({"ran": True})
    assert await bench.run(work(), plan) == Deny(Reason.IDEMPOTENCY_UNKNOWN)


async def test_a_stream_flows_to_its_end_although_it_cannot_be_kept(bench: Bench) -> None:
    bench.keys.fail.add("finish")

    assert await text(await bench.run(work(stream(b"one", b"two")), RELAY)) == b"onetwo"


# With a real agent


Reach = Callable[..., Awaitable[tuple[Agent, Executor]]]


@pytest.fixture
async def reach(open_: Open) -> AsyncIterator[Reach]:
    """An agent that gives this answer, behind a whole layer 4."""
    async with AsyncExitStack() as stack:

        async def run(*answer: Step) -> tuple[Agent, Executor]:
            double = await stack.enter_async_context(agent(*answer))
            upstream = Upstream(double.url, {})
            stack.push_async_callback(upstream.aclose)
            nowhere = FakeBackend()
            once = open_().once
            return double, Executor(
                nowhere, nowhere, upstream, nowhere, nowhere, nowhere, nowhere, once
            )

        yield run


def keyed(plan: Plan) -> Grant:
    return replace(grant(plan), once=KEY)


async def test_forty_at_one_time_make_one_delivery(reach: Reach) -> None:
    double, layer = await reach(0.2, OK)

    async def one() -> bytes | Reason:
        done = await layer.execute(keyed(RELAY))
        return done.reason if isinstance(done, Deny) else await text(done)

    found = await asyncio.gather(*(one() for _ in range(40)))
    after = await one()

    assert len(double.seen) == 1
    assert found.count(Reason.IDEMPOTENCY_IN_FLIGHT) == 39
    assert after == b'{"sum":    3}'


async def test_a_client_that_leaves_finds_the_agent_s_answer(reach: Reach) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"
    double, layer = await reach(0.2, head, b"one", 0.2, b"two")
    first = asyncio.create_task(layer.execute(keyed(RELAY)))
    await until(lambda: double.seen)
    first.cancel()
    await until(lambda: not layer.once.running)

    again = await layer.execute(keyed(RELAY))

    assert await text(again) == b"onetwo"
    assert (len(double.seen), double.left) == (1, 0)


async def test_an_agent_that_is_down_leaves_the_key_free(reach: Reach) -> None:
    double, layer = await reach()
    nobody = Upstream("http://127.0.0.1:1", {})

    first = await replace(layer, upstream=nobody).execute(keyed(RELAY))
    second = await layer.execute(keyed(RELAY))
    await nobody.aclose()

    assert first == Deny(Reason.UPSTREAM_UNREACHABLE)
    assert await text(second) == b'{"sum":    3}'
    assert len(double.seen) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"",), id="no answer"),
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{",), id="half an answer"),
        pytest.param((b"hello\r\n\r\n",), id="not HTTP"),
    ],
)
async def test_an_agent_that_breaks_off_leaves_it_open_what_it_did(
    reach: Reach, pieces: tuple[Step, ...]
) -> None:
    double, layer = await reach(*pieces)
    first = await layer.execute(keyed(RELAY))
    if isinstance(first, Allow):
        with pytest.raises(Exception, match="payload"):
            await text(first)

    assert await layer.execute(keyed(RELAY)) == Deny(Reason.IDEMPOTENCY_UNKNOWN)
    assert len(double.seen) == 1


@dataclass
class Flood:
    """An agent whose answer is as long as it is read, up to a size."""

    size: int = 64 << 20
    sent: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while self.sent < self.size:
            writer.write(b"x" * 65536)
            await writer.drain()
            self.sent += 65536
        writer.close()


async def test_an_agent_sends_no_more_than_its_client_reads(reach: Reach) -> None:
    flood = Flood()
    server = await asyncio.start_server(flood.serve, "127.0.0.1", 0)
    upstream = Upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", {})
    _, layer = await reach()
    found = content(await replace(layer, upstream=upstream).execute(keyed(RELAY)))
    assert isinstance(found, Stream)
    pieces = aiter(found.frames)
    size = len((await anext(pieces)).data)

    await asyncio.sleep(0.3)
    stalled = flood.sent
    size += sum([len(frame.data) async for frame in pieces])
    found.release()
    await upstream.aclose()
    server.close()

    assert stalled < flood.size / 4  # what the buffers of two sockets hold
    assert size == flood.size
