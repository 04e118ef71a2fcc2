"""Asking a human: what was approved happens once, and nothing else happens."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from consenting import SEAL, approvals, authorizer
from doubles import CLIENT, Clock, inbound
from policies import ADD, policy

from proxy.actions import Action, Invoke, Known, ToolCall
from proxy.authorization.approvals import Approvals, Asking, Wish, boot_of
from proxy.authorization.authorizer import Authorizer
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Grant, Inbound, Principal, Role, Route
from proxy.protocols.rest import RestCodec, ToolCodec
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.scope import Autonomy
from proxy.state.approvals import Ask, Standing, StandingGrant
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import Store
from proxy.values import Json

TOOLS = Route("tools", frozenset({"POST"}), "/tools/{name}", ToolCodec(), door="tools")
OTHER = Principal("client-2", Role.CLIENT)
ONE: Mapping[str, Json] = {"a": 1}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    yield made
    await made.aclose()


def queue(store: Store, clock: Clock | None = None) -> Approvals:
    return approvals(store.asks, store.grants, clock=clock)


def guarded(waiting: Approvals, *, always: bool = False, seconds: float = 300.0) -> Authorizer:
    """Layer 3 at level supervised, which asks about `ADD`."""
    asks = (ADD.name,) if always else ()
    rules = policy(None, level=Autonomy.SUPERVISED, always_ask=asks)
    return authorizer(rules, queue=waiting, seconds=seconds)


def call(
    arguments: Mapping[str, Json] = ONE, *, apart: bool = False, key: str = "", tool: str = ADD.name
) -> Inbound:
    headers = {"Content-Type": "application/json"}
    headers |= {"Prefer": "respond-async"} if apart else {}
    headers |= {"Idempotency-Key": key} if key else {}
    body = dumps({"arguments": arguments})
    return inbound(
        TOOLS, method="POST", path=f"/tools/{tool}", capture=tool, headers=headers, body=body
    )


async def pending(waiting: Approvals, count: int = 1) -> list[Ask]:
    """The asks that wait, as soon as there are so many."""
    async with asyncio.timeout(5):
        while True:
            asks = await waiting.asks.list(waiting.clock())
            open_asks = [ask for ask in asks if ask.standing is Standing.PENDING]
            if len(open_asks) >= count:
                return open_asks
            await asyncio.sleep(0.01)


async def ruled(waiting: Approvals, *asks: Ask, approve: bool = True) -> None:
    now = waiting.clock()
    lasting = {ask.id: now + 300 for ask in asks}
    assert await waiting.asks.decide(lasting, approve=approve, by="uid-0", now=now)
    waiting.wake()


def waits(
    layer: Authorizer, wish: Inbound, who: Principal = CLIENT
) -> "asyncio.Task[Decision[Grant]]":
    return asyncio.create_task(layer.authorize(wish, who))


async def test_an_approved_call_is_granted_and_says_under_which_approval(store: Store) -> None:
    waiting = queue(store, clock=Clock())
    task = waits(guarded(waiting), call())
    (ask,) = await pending(waiting)
    await ruled(waiting, ask)
    granted = await task

    assert isinstance(granted, Allow)
    assert granted.value.plan == Invoke(ADD.path, ONE, ADD.seconds)
    assert granted.facts["approval"] == ask.id
    assert granted.facts["waited"] == 0.0


async def test_a_refused_call_is_denied(store: Store) -> None:
    waiting = queue(store)
    task = waits(guarded(waiting), call())
    (ask,) = await pending(waiting)
    await ruled(waiting, ask, approve=False)

    assert await task == Deny(Reason.APPROVAL_REFUSED)


async def test_a_call_that_nobody_decides_on_is_denied_in_the_end(store: Store) -> None:
    clock = Clock()
    waiting = queue(store, clock=clock)
    task = waits(guarded(waiting, seconds=30), call())
    (ask,) = await pending(waiting)
    clock.now += 31
    assert await task == Deny(Reason.APPROVAL_TIMED_OUT)

    assert not await store.asks.decide({ask.id: clock() + 9}, approve=True, by="x", now=clock())


async def test_without_time_to_wait_nobody_is_asked(store: Store) -> None:
    denied = await guarded(queue(store), seconds=0).authorize(call(), CLIENT)

    assert denied == Deny(Reason.APPROVAL_REQUIRED)
    assert not await store.asks.list(0.0)


async def test_of_two_equal_calls_one_approval_lets_one_through(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    tasks = [waits(layer, call()) for _ in range(2)]
    (ask,) = await pending(waiting)
    await asyncio.sleep(0.1)
    await ruled(waiting, ask)
    decisions = await asyncio.gather(*tasks)

    assert sum(isinstance(each, Allow) for each in decisions) == 1
    assert [each for each in decisions if isinstance(each, Deny)] == [Deny(Reason.APPROVAL_VOID)]


async def test_a_call_that_was_done_and_waited_for_leaves_nothing(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    for _ in range(3):
        task = waits(layer, call())
        await ruled(waiting, *await pending(waiting))
        assert isinstance(await task, Allow)

        assert not await store.asks.list(waiting.clock())


async def test_a_twin_that_looks_too_late_is_void_and_never_done(store: Store) -> None:
    """Its ask is gone before it has heard that it was approved."""
    waiting = queue(store)
    version = policy(None, level=Autonomy.SUPERVISED).version
    task = waits(guarded(waiting), call())
    (ask,) = await pending(waiting)
    now = waiting.clock()
    assert await waiting.asks.decide({ask.id: now + 300}, approve=True, by="x", now=now)
    assert await waiting.take(ask, CLIENT, version)

    assert await task == Deny(Reason.APPROVAL_VOID)


async def test_whoever_left_collects_with_the_same_call(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    left = waits(layer, call())
    (ask,) = await pending(waiting)
    left.cancel()
    await asyncio.wait({left})
    await ruled(waiting, ask)

    granted = await layer.authorize(call(), CLIENT)
    assert isinstance(granted, Allow)
    assert granted.facts["approval"] == ask.id
    again = waits(layer, call())
    (other,) = await pending(waiting)
    assert other.id != ask.id, "an approval is used once"
    again.cancel()


@pytest.mark.parametrize(
    ("wish", "who"),
    [(call({"a": 2}), CLIENT), (call({"a": 1, "b": None}), CLIENT), (call(), OTHER)],
    ids=["other argument", "more arguments", "other principal"],
)
async def test_an_approval_is_good_for_nothing_else(
    store: Store, wish: Inbound, who: Principal
) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    first = waits(layer, call())
    (ask,) = await pending(waiting)
    first.cancel()
    await ruled(waiting, ask)
    task = waits(layer, wish, who)
    (other,) = await pending(waiting)

    assert other.id != ask.id
    task.cancel()


async def test_an_approval_ends_with_the_rules_it_was_given_under(store: Store) -> None:
    waiting = queue(store)
    (ask, principal) = await _approved(waiting)

    assert not await waiting.take(ask, principal, "other rules")
    assert await waiting.take(ask, principal, policy(None, level=Autonomy.SUPERVISED).version)


async def test_what_was_approved_is_decided_anew_before_it_is_taken(store: Store) -> None:
    """The operator allowed it, and the rules no longer do: the approval is not used up."""
    waiting = queue(store)
    (ask, _) = await _approved(waiting)
    rules = policy(None, level=Autonomy.SUPERVISED, tools=())
    denied = await authorizer(rules, queue=waiting, seconds=300).authorize(call(), CLIENT)

    assert denied == Deny(Reason.TOOL_UNKNOWN)
    found = await store.asks.get(ask.id, waiting.clock())
    assert found is not None
    assert found.standing is Standing.APPROVED


async def test_a_call_whose_content_was_changed_is_not_taken(store: Store) -> None:
    waiting = queue(store)
    (ask, principal) = await _approved(waiting)
    version = policy(None, level=Autonomy.SUPERVISED).version

    assert not await waiting.take(replace(ask, content=ask.content[:-1]), principal, version)


async def test_a_standing_grant_asks_nobody_until_it_ends(store: Store) -> None:
    clock = Clock()
    waiting = queue(store, clock=clock)
    grant = StandingGrant("g", CLIENT.id, ADD.name, "uid-0", clock(), clock() + 60)
    assert await store.grants.add(grant, clock())

    assert isinstance(await guarded(waiting).authorize(call(), CLIENT), Allow)
    clock.now += 61
    task = waits(guarded(waiting), call())
    assert await pending(waiting)
    task.cancel()


@pytest.mark.parametrize(
    ("principal", "tool", "boot"),
    [("client-2", ADD.name, ""), (CLIENT.id, "agent.run", ""), (CLIENT.id, ADD.name, "boot-0")],
    ids=["of another", "for another tool", "of an earlier run"],
)
async def test_a_standing_grant_covers_nothing_else(
    store: Store, principal: str, tool: str, boot: str
) -> None:
    waiting = queue(store)
    now = waiting.clock()
    await store.grants.add(StandingGrant("g", principal, tool, "uid-0", now, now + 60, boot), now)
    task = waits(guarded(waiting), call())

    assert await pending(waiting)
    task.cancel()


async def test_what_always_asks_is_covered_by_no_grant(store: Store) -> None:
    waiting = queue(store)
    now = waiting.clock()
    await store.grants.add(StandingGrant("g", CLIENT.id, ADD.name, "uid-0", now, now + 60), now)
    task = waits(guarded(waiting, always=True), call())

    assert await pending(waiting)
    task.cancel()


async def test_a_call_apart_is_answered_at_once_and_kept(store: Store) -> None:
    waiting = queue(store)
    granted = await guarded(waiting).authorize(call(apart=True), CLIENT)

    assert isinstance(granted, Allow)
    (ask,) = await store.asks.list(waiting.clock())
    pending_now: Json = {"request_id": ask.id, "status": "pending"}
    assert granted.value.plan == Known(pending_now, 202)
    assert not granted.value.acting
    assert ask.detached
    assert waiting.opened(ask).arguments == ONE


async def test_a_call_apart_that_needs_nobody_is_ready_and_each_is_its_own(store: Store) -> None:
    waiting = queue(store)
    layer = authorizer(policy(None, level=Autonomy.FULL), queue=waiting, seconds=300)
    for _ in range(2):
        assert isinstance(await layer.authorize(call(apart=True), CLIENT), Allow)

    asks = await store.asks.list(waiting.clock())
    assert [ask.standing for ask in asks] == [Standing.APPROVED] * 2


async def test_under_a_key_a_call_apart_is_the_same_whatever_became_of_it(store: Store) -> None:
    waiting = queue(store)
    layer = authorizer(policy(None, level=Autonomy.FULL), queue=waiting, seconds=300)
    await layer.authorize(call(apart=True, key="k"), CLIENT)
    (ask,) = await store.asks.list(waiting.clock())
    assert await waiting.take(ask, CLIENT, policy(None, level=Autonomy.FULL).version)
    again = await layer.authorize(call(apart=True, key="k"), CLIENT)
    other = await layer.authorize(call({"a": 2}, apart=True, key="k"), CLIENT)

    assert isinstance(again, Allow)
    assert len(await store.asks.list(waiting.clock())) == 1
    assert other == Deny(Reason.IDEMPOTENCY_MISMATCH)


async def test_under_a_key_calls_apart_at_one_time_are_one(store: Store) -> None:
    waiting = queue(store)
    layer = authorizer(policy(None, level=Autonomy.FULL), queue=waiting, seconds=300)
    calls = [call({"a": number // 5}, apart=True, key="k") for number in range(10)]
    decisions = await asyncio.gather(*(layer.authorize(each, CLIENT) for each in calls))

    assert len(await store.asks.list(waiting.clock())) == 1
    denied = [each for each in decisions if isinstance(each, Deny)]
    assert denied == [Deny(Reason.IDEMPOTENCY_MISMATCH)] * 5


async def test_under_a_key_a_call_apart_is_found_in_a_full_queue(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    for number in range(50):
        wish = call({"a": number}, apart=True, key=f"key-{number}")
        assert isinstance(await layer.authorize(wish, CLIENT), Allow)

    again = await layer.authorize(call({"a": 7}, apart=True, key="key-7"), CLIENT)
    other = await layer.authorize(call({"a": 8}, apart=True, key="key-7"), CLIENT)
    more = await layer.authorize(call({"a": 50}, apart=True, key="key-50"), CLIENT)
    assert isinstance(again, Allow)
    assert other == Deny(Reason.IDEMPOTENCY_MISMATCH)
    assert more == Deny(Reason.APPROVALS_FULL)


async def test_what_is_over_shuts_nobody_out(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    for number in range(60):
        assert isinstance(await layer.authorize(call({"a": number}, apart=True), CLIENT), Allow)
        await ruled(waiting, *await pending(waiting), approve=False)

    assert len(await store.asks.list(waiting.clock())) == 60


async def test_grants_of_earlier_runs_of_this_one_are_void_and_no_others(store: Store) -> None:
    waiting = approvals(store.asks, store.grants, boot=boot_of("holder-1", "run-2"))
    now = waiting.clock()
    boots = {
        "lasting": "",
        "this run": waiting.boot,
        "earlier": boot_of("holder-1", "run-1"),
        "another's": boot_of("holder-2", "run-1"),
        "another's of a longer name": boot_of("holder-12", "run-1"),
    }
    for name, boot in boots.items():
        await store.grants.add(StandingGrant(name, "p", "t", "uid-0", now, now + 60, boot), now)

    assert await waiting.void() == 1
    assert await waiting.void() == 0
    left = {grant.id for grant in await store.grants.list(now)}
    assert left == boots.keys() - {"earlier"}


async def test_one_who_asks_too_much_is_refused_and_others_are_not(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    decisions = [
        await layer.authorize(call({"a": number}, apart=True), CLIENT) for number in range(51)
    ]

    assert [isinstance(each, Allow) for each in decisions] == [True] * 50 + [False]
    assert decisions[-1] == Deny(Reason.APPROVALS_FULL)
    assert isinstance(await layer.authorize(call(apart=True), OTHER), Allow)


async def _approved(waiting: Approvals) -> tuple[Ask, Principal]:
    """An ask for `call()` that was approved, and whose caller has left."""
    task = waits(guarded(waiting), call())
    (ask,) = await pending(waiting)
    task.cancel()
    await asyncio.wait({task})
    await ruled(waiting, ask)
    return ask, CLIENT


async def test_an_approval_is_not_collected_with_another_credential(store: Store) -> None:
    """The token was replaced, perhaps because another had it."""
    waiting = queue(store)
    layer = guarded(waiting)
    first = waits(layer, call(), replace(CLIENT, presented="old"))
    (ask,) = await pending(waiting)
    first.cancel()
    await ruled(waiting, ask)
    task = waits(layer, call(), replace(CLIENT, presented="new"))
    (other,) = await pending(waiting)

    assert other.id != ask.id
    task.cancel()


async def test_what_was_kept_is_done_under_the_key_it_came_with(store: Store) -> None:
    waiting = queue(store)
    layer = authorizer(policy(None, level=Autonomy.FULL), queue=waiting, seconds=300)
    at_once = await layer.authorize(call(key="k"), CLIENT)
    await layer.authorize(call(apart=True, key="k"), CLIENT)
    (ask,) = await store.asks.list(waiting.clock())
    resumed = await layer.authorize(resuming(ask), CLIENT)

    assert isinstance(at_once, Allow)
    assert isinstance(resumed, Allow)
    assert at_once.value.once is not None
    assert resumed.value.once == at_once.value.once


@dataclass(frozen=True)
class _Resuming(RestCodec):
    ask: Ask

    async def parse(self, inbound: Inbound) -> Action:
        return ToolCall(ADD.name, ONE, ask=self.ask.id)


def resuming(ask: Ask) -> Inbound:
    """The call of an ask, as it is taken up again."""
    route = Route("requests", frozenset({"POST"}), "/tools/x", _Resuming(ask))
    return inbound(route, method="POST", path=f"/tools/{ADD.name}")


@pytest.mark.parametrize("note", ["", "npm test: runs the project's own scripts"])
async def test_what_a_call_means_is_kept_with_it_and_ties_it_to_nothing(
    store: Store, note: str
) -> None:
    waiting = queue(store)
    asking = Asking("rules-1", needed=True, seconds=300, note=note)
    wish = Wish(ToolCall("shell", {"command": "npm test"}), call(), CLIENT)

    parked = await waiting.park(wish, asking)

    assert isinstance(parked, Allow)
    stored = waiting.opened(parked.value)
    assert stored.note == note
    other = waiting.binding(replace(stored, note="another"), CLIENT, "rules-1")
    assert other == parked.value.binding


# Who has less patience than the operator


class Hurried(ToolCodec):
    """Reads calls whose callers wait for next to nothing."""

    async def parse(self, inbound: Inbound) -> Action:
        action = await super().parse(inbound)
        assert isinstance(action, ToolCall)
        return replace(action, patience=0.05)


def hurried(arguments: Mapping[str, Json] = ONE) -> Inbound:
    return replace(call(arguments), route=replace(TOOLS, codec=Hurried()))


async def left_open(waiting: Approvals, layer: Authorizer) -> Ask:
    """The ask of a hurried call, whose caller was told that it is pending."""
    denied = await layer.authorize(hurried(), CLIENT)
    (ask,) = await pending(waiting)
    assert denied == Deny(Reason.APPROVAL_PENDING)
    assert denied.facts["approval"] == ask.id
    return ask


async def test_who_is_in_a_hurry_is_told_that_it_waits_and_the_ask_stays_open(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    ask = await left_open(waiting, layer)
    again = await left_open(waiting, layer)

    assert again.id == ask.id
    assert again.expires == ask.expires


async def test_who_comes_back_after_the_operator_said_yes_is_let_through_once(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    ask = await left_open(waiting, layer)
    await ruled(waiting, ask)

    granted = await layer.authorize(hurried(), CLIENT)
    assert isinstance(granted, Allow)
    assert granted.facts["approval"] == ask.id
    assert (await left_open(waiting, layer)).id != ask.id, "an approval is used once"


async def test_who_comes_back_while_it_waits_hears_the_operator_at_once(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    ask = await left_open(waiting, layer)
    task = waits(layer, call())
    await asyncio.sleep(0.05)
    await ruled(waiting, ask)

    assert isinstance(await task, Allow)


@pytest.mark.parametrize("patient", [False, True])
async def test_who_comes_back_after_a_no_hears_it_once(store: Store, *, patient: bool) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    ask = await left_open(waiting, layer)
    await ruled(waiting, ask, approve=False)

    denied = await layer.authorize(call() if patient else hurried(), CLIENT)
    assert denied == Deny(Reason.APPROVAL_REFUSED)
    assert denied.facts["approval"] == ask.id
    assert (await left_open(waiting, layer)).id != ask.id


async def test_who_comes_back_when_its_time_is_over_hears_so_once(store: Store) -> None:
    clock = Clock()
    waiting = queue(store, clock=clock)
    now = clock()
    layer = guarded(waiting)
    done = asyncio.create_task(layer.authorize(hurried(), CLIENT))
    (ask,) = await pending(waiting)
    clock.now = now + 1
    assert await done == Deny(Reason.APPROVAL_PENDING)
    clock.now = now + 301

    denied = await layer.authorize(hurried(), CLIENT)
    assert denied == Deny(Reason.APPROVAL_TIMED_OUT)
    assert denied.facts["approval"] == ask.id
    other = asyncio.create_task(layer.authorize(hurried(), CLIENT))
    assert (await pending(waiting))[0].id != ask.id
    other.cancel()


async def test_what_one_was_refused_another_does_not_hear_of(store: Store) -> None:
    waiting = queue(store)
    layer = guarded(waiting)
    await ruled(waiting, await left_open(waiting, layer), approve=False)

    task = waits(layer, hurried(), OTHER)
    (ask,) = await pending(waiting)
    assert ask.principal == OTHER.id
    await task


async def test_patience_does_not_outlast_the_operators(store: Store) -> None:
    clock = Clock()
    waiting = queue(store, clock=clock)
    layer = guarded(waiting, seconds=30)
    task = asyncio.create_task(layer.authorize(hurried(), CLIENT))
    await pending(waiting)
    clock.now += 31

    assert await task == Deny(Reason.APPROVAL_TIMED_OUT)
