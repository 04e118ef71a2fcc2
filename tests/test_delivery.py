"""Every letter reaches the agent, once; where that is not known, it says so."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest
from consenting import authorizer
from doubles import CLIENT, FakeBackend, Spy, grant
from policies import policy
from structlog.testing import capture_logs
from wire import OK, Agent, Step, agent, until, until_done

from proxy.actions import Enqueue, Relay
from proxy.authorization.authorizer import Authorizer
from proxy.delivery import Deliveries, Pace
from proxy.exchange import Clean, Inbound, Principal
from proxy.isolation.attempt import NOT_ALLOWED, REFUSED, UNKNOWN, UNREACHED, UNREADABLE, UNTAKEN
from proxy.isolation.executor import Executor
from proxy.isolation.inbox import DurableInbox
from proxy.isolation.once import Keeping, Once
from proxy.isolation.upstream import Upstream
from proxy.protection.redactor import Redactor
from proxy.reasons import Layer
from proxy.running import Running
from proxy.scope import Scope
from proxy.seal import Seal
from proxy.state import letters
from proxy.state.letters import Condition, Letter
from proxy.state.sqlite.store import SqliteStore
from proxy.trace import Trace
from proxy.values import Headers

SEAL = Seal(bytes(range(32)))
SENDER = replace(CLIENT, id="slack:U1")
PACE = Pace(look=0.05, attempt=5.0, lease=30.0, first=0.05, longest=0.2, away=0.05, last=0.5)
ID = "a" * 64


def response(status: str, *fields: str, body: bytes = b"") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@dataclass
class Between:
    """`letters.Inbox` before a real one: what was asked, and verbs that fail so many times.

    `first` and `then` are done before and after the real verb.
    """

    inner: letters.Inbox
    asked: list[str] = field(default_factory=list)
    fail: dict[str, int] = field(default_factory=dict)
    first: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    then: dict[str, Callable[[], Awaitable[object]]] = field(default_factory=dict)

    def __getattr__(self, verb: str) -> Callable[..., Awaitable[object]]:
        async def ask(*arguments: object) -> object:
            self.asked.append(verb)
            if self.fail.get(verb, 0) > 0:
                self.fail[verb] -= 1
                raise OSError("no space left on device")
            if verb in self.first:
                await self.first[verb]()
            work: Awaitable[object] = getattr(self.inner, verb)(*arguments)
            found = await work
            if verb in self.then:
                await self.then[verb]()
            return found

        return ask


@dataclass
class Desk:
    """A worker over a real state, real layers 3 to 5, and an agent that is down at first."""

    store: SqliteStore
    between: Between
    port: int
    stack: AsyncExitStack
    spy: Spy = field(default_factory=Spy)
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    allowed: dict[str, Principal] = field(default_factory=lambda: {SENDER.id: SENDER})
    layers: tuple[Authorizer, Executor, Redactor] | None = None
    running: Running = field(default_factory=Running)

    async def put(self, *names: str, said: bytes = b"hello") -> None:
        backend = DurableInbox(self.store.inbox, SEAL, time.time, self.woken.set)
        for name in names or (ID,):
            relay = Relay("POST", f"/hooks/slack?n={name[:1]}", Headers((("X-Note", "1"),)), said)
            plan = Enqueue(relay, name, "slack", "/webhook/slack")
            await backend.run(plan, grant(plan, SENDER))

    def worker(self, pace: Pace = PACE, seal: Seal = SEAL) -> Deliveries:
        return Deliveries(
            cast("letters.Inbox", self.between),
            seal,
            time.time,
            self.woken,
            lambda name, _headers, _body: self.allowed.get(name),
            self.resume,
            (self.spy,),
            self.running,
            pace,
        )

    def start(self, pace: Pace = PACE, seal: Seal = SEAL) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.worker(pace, seal).run())
        self.stack.push_async_callback(stop, task)
        return task

    async def resume(self, inbound: Inbound, principal: Principal, trace: Trace) -> Clean:
        assert self.layers is not None
        authorizer, executor, redactor = self.layers
        granted = await trace.step(Layer.AUTHORIZATION, authorizer.authorize(inbound, principal))
        raw = await trace.step(Layer.ISOLATION, executor.execute(granted))
        return await trace.step(Layer.PROTECTION, redactor.redact(raw))

    async def agent(self, *answer: Step) -> Agent:
        return await self.stack.enter_async_context(agent(*answer, port=self.port))

    async def letters(self) -> list[Letter]:
        return await self.store.inbox.list(time.time())

    async def letter(self) -> Letter | None:
        return next(iter(await self.letters()), None)

    async def dead(self, why: str) -> None:
        """Wait until the letter is dead, for this reason."""

        async def buried() -> bool:
            letter = await self.letter()
            return letter is not None and letter.condition is Condition.DEAD

        await until_done(buried)
        letter = await self.letter()
        assert letter is not None
        assert letter.why == why

    async def empty(self) -> None:
        """Wait until everything is delivered."""

        async def delivered() -> bool:
            return not await self.letters()

        await until_done(delivered)


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def free_port() -> int:
    with socket.socket() as ends:
        ends.bind(("127.0.0.1", 0))
        return int(ends.getsockname()[1])


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        state = SqliteStore(str(tmp_path / "state.db"), SEAL)
        stack.push_async_callback(state.aclose)
        made = Desk(state, Between(state.inbox), free_port(), stack)
        upstream = Upstream(f"http://127.0.0.1:{made.port}", {})
        stack.push_async_callback(upstream.aclose)
        once = Once(state.once, SEAL, time.time, Keeping())
        nowhere = FakeBackend()
        made.layers = (
            authorizer(policy(None)),
            Executor(nowhere, nowhere, upstream, nowhere, nowhere, nowhere, nowhere, once),
            Redactor(()),
        )
        yield made


# The way of a letter


async def test_a_letter_arrives_as_the_message_that_came(desk: Desk) -> None:
    double = await desk.agent()
    desk.start()

    await desk.put()
    await desk.empty()

    (seen,) = double.seen
    assert (seen.line, seen.body) == ("POST /hooks/slack?n=a HTTP/1.1", b"hello")
    for name, value in (
        ("x-note", "1"),
        ("idempotency-key", ID),
        ("x-request-id", "request-1"),
        ("x-sidegate-principal", "slack:U1"),
    ):
        assert seen.all(name) == [value]


async def test_a_letter_passes_layers_3_to_5_and_is_on_record(desk: Desk) -> None:
    await desk.agent()
    desk.start()

    await desk.put()
    await until(lambda: desk.spy.outcomes)

    layers = [step.layer for step in desk.spy.steps]
    assert layers == [Layer.AUTHORIZATION, Layer.ISOLATION, Layer.PROTECTION]
    (outcome,) = desk.spy.outcomes
    assert (outcome.status, outcome.cancelled) == (200, "")


async def test_a_letter_that_is_put_goes_out_at_once(desk: Desk) -> None:
    double = await desk.agent()
    desk.start(replace(PACE, look=60))
    await asyncio.sleep(0.1)
    started = time.monotonic()

    await desk.put()
    await until(lambda: double.seen)

    assert time.monotonic() - started < 1


async def test_the_next_goes_out_as_soon_as_there_is_room(desk: Desk) -> None:
    double = await desk.agent()
    await desk.put(*(letter * 64 for letter in "abc"))
    started = time.monotonic()

    desk.start(replace(PACE, look=60, at_once=1))
    await until(lambda: len(double.seen) == 3)

    assert time.monotonic() - started < 2


async def test_a_letter_that_was_delivered_is_not_taken_again(desk: Desk) -> None:
    double = await desk.agent()
    desk.start()
    await desk.put()
    await desk.empty()

    await desk.put()
    await asyncio.sleep(0.3)

    assert len(double.seen) == 1
    assert await desk.letters() == []


async def test_the_agent_is_heard_out(desk: Desk) -> None:
    """Many a server ends its work when its client leaves."""
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    double = await desk.agent(head, b"one", 0.2, b"two", 0.2, b"three")
    desk.start()

    await desk.put()
    await until(lambda: desk.spy.outcomes)

    assert double.left == 0
    assert desk.spy.outcomes[0].seconds > 0.35


async def test_letters_go_out_in_order(desk: Desk) -> None:
    double = await desk.agent()
    names = [letter * 64 for letter in "abcdef0123456789"]
    await desk.put(*names)

    desk.start(replace(PACE, at_once=1))
    await desk.empty()

    assert [seen.all("idempotency-key") for seen in double.seen] == [[name] for name in names]


async def test_so_many_go_out_at_one_time(desk: Desk) -> None:
    double = await desk.agent(0.3, OK)
    await desk.put(*(letter * 64 for letter in "abcdef"))

    desk.start(replace(PACE, at_once=4))
    await until(lambda: len(double.seen) == 4)
    await asyncio.sleep(0.15)
    at_first = len(double.seen)
    await desk.empty()

    assert (at_first, len(double.seen)) == (4, 6)


# An agent that is not well


async def test_an_agent_that_is_down_is_waited_for_and_gets_it_once(desk: Desk) -> None:
    desk.start()
    await desk.put()
    await until(lambda: desk.between.asked.count("postpone") >= 3)
    asked = list(desk.between.asked)

    double = await desk.agent()
    await desk.empty()
    await asyncio.sleep(0.3)

    assert "sending" not in asked
    assert desk.between.asked.count("sending") == 1
    assert len(double.seen) == 1


@pytest.mark.parametrize("status", ["500 Oops", "503 Later", "429 Later"])
async def test_an_agent_that_did_not_take_it_gets_it_again_under_its_key(
    desk: Desk, status: str
) -> None:
    double = await desk.agent(response(status))
    desk.start()
    await desk.put()
    await until(lambda: len(double.seen) == 2)

    double.answer = (OK,)
    await desk.empty()
    count = len(double.seen)
    await asyncio.sleep(0.3)

    assert count == len(double.seen)
    assert {tuple(seen.all("idempotency-key")) for seen in double.seen} == {(ID,)}


async def test_an_agent_that_refuses_it_is_not_asked_again(desk: Desk) -> None:
    double = await desk.agent(response("404 Not Found"))
    desk.start()

    await desk.put()
    await desk.dead(REFUSED)
    await asyncio.sleep(0.3)

    assert len(double.seen) == 1


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((30.0,), id="silence"),
        pytest.param((b"",), id="the connection is closed"),
        pytest.param((b"hello\r\n\r\n",), id="not HTTP"),
        pytest.param((b"HTTP/1.1 200 OK\r\nContent-",), id="half a head"),
    ],
)
async def test_an_agent_that_does_not_answer_may_have_it(
    desk: Desk, pieces: tuple[Step, ...]
) -> None:
    double = await desk.agent(*pieces)
    desk.start(replace(PACE, attempt=0.3))

    await desk.put()
    await desk.dead(UNKNOWN)
    await asyncio.sleep(0.3)

    assert len(double.seen) == 1


@pytest.mark.parametrize("rest", [(), (30.0,)], ids=["breaks off", "never ends"])
async def test_half_an_answer_is_an_answer(desk: Desk, rest: tuple[Step, ...]) -> None:
    double = await desk.agent(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", *rest)
    desk.start(replace(PACE, attempt=0.3))

    await desk.put()
    await desk.empty()
    await until(lambda: desk.spy.outcomes)

    assert len(double.seen) == 1
    assert desk.spy.outcomes[0].cancelled == "broken-off"


async def test_an_answer_that_cannot_be_read_is_an_answer(desk: Desk) -> None:
    double = await desk.agent(response("200 OK", "Content-Encoding: gzip", body=b"x"))
    desk.start()

    await desk.put()
    await desk.empty()

    assert len(double.seen) == 1


async def test_after_a_day_the_agent_is_given_up(desk: Desk) -> None:
    desk.start(replace(PACE, tries=3))

    await desk.put()
    await desk.dead(UNREACHED)

    assert desk.between.asked.count("postpone") == 2


async def test_so_it_is_where_it_never_takes_it(desk: Desk) -> None:
    double = await desk.agent(response("503 Later"))
    desk.start(replace(PACE, tries=3))

    await desk.put()
    await desk.dead(UNTAKEN)

    assert len(double.seen) == 3


def test_attempts_grow_rarer_and_fill_a_day() -> None:
    pace, letter = Pace(), Letter("0" * 64, "slack", b"", 0.0, 0.0)
    pauses = [pace.pause(replace(letter, attempts=number)) for number in range(pace.tries - 1)]
    spread = [pace.pause(replace(letter, id=f"{number:04x}")) for number in range(0, 65536, 4095)]

    assert pauses[:12] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]
    assert 86_000 < sum(pauses) < 87_000
    assert min(spread) == 1.0
    assert 1.09 < max(spread) <= 1.1


# A letter that must not go


async def test_a_letter_that_became_another_s_does_not_go_out(desk: Desk) -> None:
    """Ours took longer to reach the agent than it was claimed for, and a replica claimed it."""
    double = await desk.agent()

    async def slow() -> None:
        desk.between.first.clear()
        later = time.time() + 60
        letter = await desk.store.inbox.claim(later, later + 60)
        assert letter is not None

    desk.between.first["sending"] = slow
    desk.start()
    await desk.put()
    await until(lambda: desk.spy.outcomes)
    await asyncio.sleep(0.2)

    assert double.seen == []
    assert [letter.condition for letter in await desk.letters()] == [Condition.WAITING]


async def test_who_may_no_longer_send_is_not_delivered(desk: Desk) -> None:
    double = await desk.agent()
    desk.allowed.clear()
    desk.start()

    await desk.put()
    await desk.dead(NOT_ALLOWED)

    assert double.seen == []


async def test_nor_is_one_whose_scope_no_longer_covers_it(desk: Desk) -> None:
    double = await desk.agent()
    desk.allowed[SENDER.id] = replace(SENDER, scope=Scope(routes=("/other",)))
    desk.start()

    await desk.put()
    await desk.dead(NOT_ALLOWED)

    assert double.seen == []


async def test_a_letter_under_another_master_key_is_kept_for_who_has_it(desk: Desk) -> None:
    double = await desk.agent()
    desk.start(seal=Seal(bytes(32)))

    await desk.put()
    await desk.dead(UNREADABLE)

    assert double.seen == []


async def test_a_letter_that_is_dropped_at_the_last_moment_does_not_go_out(desk: Desk) -> None:
    double = await desk.agent()
    desk.between.first["sending"] = lambda: desk.store.inbox.drop(ID)
    desk.start()

    await desk.put()
    await until(lambda: desk.spy.outcomes)
    await asyncio.sleep(0.2)

    assert double.seen == []
    assert await desk.letters() == []
    assert not {"postpone", "bury", "delivered"} & set(desk.between.asked)


async def test_a_dead_letter_that_is_retried_goes_out(desk: Desk) -> None:
    double = await desk.agent(response("400 Bad Request"))
    desk.start()
    await desk.put()
    await desk.dead(REFUSED)

    double.answer = (OK,)
    await desk.store.inbox.retry(ID, time.time())
    await desk.empty()

    assert len(double.seen) == 2


# The end of a worker


async def test_what_is_under_way_may_end(desk: Desk) -> None:
    double = await desk.agent(0.2, OK)
    task = desk.start()
    await desk.put()
    await until(lambda: double.seen)

    await stop(task)

    assert await desk.letters() == []


async def test_what_does_not_end_is_cut_off_in_time(desk: Desk) -> None:
    double = await desk.agent(30.0)
    task = desk.start()
    await desk.put()
    await until(lambda: double.seen)
    started = time.monotonic()

    await stop(task)

    assert time.monotonic() - started < 1.5
    await desk.dead(UNKNOWN)
    assert desk.spy.outcomes[0].cancelled == "stopped"


@pytest.mark.parametrize("moment", ["first", "then"])
async def test_what_had_not_gone_out_goes_out_next_time(desk: Desk, moment: str) -> None:
    """Even where the state had it down as being sent already, and could not say so any more."""
    double, reached = await desk.agent(), asyncio.Event()
    hooks = desk.between.first if moment == "first" else desk.between.then

    async def slow() -> None:
        reached.set()
        await asyncio.sleep(30)

    hooks["sending"] = slow
    task = desk.start()
    await desk.put()
    await reached.wait()
    await stop(task)
    hooks.clear()
    before = len(double.seen)

    desk.start()
    await desk.empty()

    assert (before, len(double.seen)) == (0, 1)


async def test_a_letter_that_is_claimed_as_the_worker_stops_is_given_back(desk: Desk) -> None:
    await desk.put()
    claimed = asyncio.Event()

    async def slow() -> None:
        claimed.set()
        await asyncio.sleep(0.2)

    desk.between.then["claim"] = slow
    task = desk.start()
    await claimed.wait()
    await stop(task)
    del desk.between.then["claim"]

    double = await desk.agent()
    desk.start()
    await desk.empty()

    assert len(double.seen) == 1


async def test_what_a_killed_worker_had_sent_is_buried_and_the_rest_delivered(desk: Desk) -> None:
    await desk.put("a" * 64, "b" * 64)
    long_ago = time.time()
    for name in ("a" * 64, "b" * 64):
        letter = await desk.store.inbox.claim(long_ago, long_ago + 0.3)
        assert letter is not None
        assert letter.id == name
    assert await desk.store.inbox.sending("a" * 64, long_ago + 0.3, long_ago + 0.6)
    double = await desk.agent()

    with capture_logs() as lines:
        desk.start()
        await until(lambda: double.seen)
        await desk.dead(UNKNOWN)

    assert [seen.all("idempotency-key") for seen in double.seen] == [["b" * 64]]
    assert [line["count"] for line in lines if line["event"] == "letters cut off"] == [1]


# A state that is away


async def test_an_outage_is_waited_out_and_told_once(desk: Desk) -> None:
    double = await desk.agent()
    desk.between.fail["claim"] = 4

    with capture_logs() as lines:
        desk.start()
        await desk.put()
        await desk.empty()

    away = [line for line in lines if line["event"] == "inbox unavailable"]
    assert len(double.seen) == 1
    assert [(line["log_level"], line["error"]) for line in away] == [
        ("error", "no space left on device")
    ]


async def test_the_next_outage_is_told_too(desk: Desk) -> None:
    with capture_logs() as lines:
        desk.start()
        for _ in range(2):
            desk.between.fail["recover"] = 2
            await until(lambda: not desk.between.fail["recover"])
            asked = len(desk.between.asked)
            await until(lambda asked=asked: len(desk.between.asked) > asked + 3)  # type: ignore[misc]

    assert [line["event"] for line in lines] == ["inbox unavailable"] * 2


async def test_a_fault_of_ours_does_not_end_the_worker(desk: Desk) -> None:
    await desk.agent()
    faults = iter((ZeroDivisionError(), KeyError()))

    async def fail() -> None:
        if fault := next(faults, None):
            raise fault

    desk.between.first["recover"] = fail
    with capture_logs() as lines:
        desk.start()
        await desk.put()
        await desk.empty()

    assert [line["event"] for line in lines][:2] == ["inbox failed"] * 2


async def test_what_arrived_is_put_on_record_when_the_state_is_back(desk: Desk) -> None:
    double = await desk.agent()
    desk.between.fail["delivered"] = 3
    desk.start()

    await desk.put()
    await desk.empty()

    assert len(double.seen) == 1
    assert desk.between.asked.count("delivered") == 4


async def test_what_cannot_be_put_on_record_does_not_go_out(desk: Desk) -> None:
    double = await desk.agent()
    desk.between.fail["sending"] = 2
    desk.start()

    await desk.put()
    await desk.empty()

    assert len(double.seen) == 1
    assert desk.between.asked.count("sending") == 3


async def test_each_end_is_one_line_without_a_word_of_the_message(desk: Desk) -> None:
    double = await desk.agent(response("500 Oops"))

    with capture_logs() as lines:
        desk.start()
        await desk.put(said=b"my secret")
        await until(lambda: double.seen)
        double.answer = (response("403 No"),)
        await desk.dead(REFUSED)

    told = [line for line in lines if line["event"] == "letter"]
    assert {line["ending"] for line in told[:-1]} == {"later"}
    assert told[-1] == {
        "event": "letter",
        "log_level": "warning",
        "letter": ID,
        "channel": "slack",
        "ending": "dead",
        "why": REFUSED,
    }
    assert "secret" not in str(lines)
