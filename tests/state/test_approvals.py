"""The laws of what waits for the operator and was ruled, and that every store keeps them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from state.backends import BACKENDS, NAMES

from proxy.state.approvals import (
    MAX_ASK_BYTES,
    MAX_ASKS,
    MAX_ASKS_EACH,
    MAX_KEPT_EACH,
    MAX_STANDING,
    MAX_STOPS,
    TAKEN_SECONDS,
    Ask,
    Progress,
    Standing,
    StandingGrant,
    Stop,
    StopKind,
)
from proxy.state.store import Store

NOW = 1_700_000_000.0
SEALED = b"sealed \x00\xff\n"
HOLDER = "0123456789abcdef"
SETTLED = [Standing.REFUSED, Standing.TAKEN, Standing.DONE, Standing.LOST]

Reopen = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture(params=NAMES)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    folder = tmp_path / "state"
    folder.mkdir()
    return partial(BACKENDS[request.param], folder)


@pytest.fixture
async def store(reopen: Reopen) -> AsyncIterator[Store]:
    async with reopen() as store:
        yield store


def ask(name: str = "a", principal: str = "agent", *, binding: str | None = None) -> Ask:
    return Ask(
        *(name, principal, "github.merge", binding or f"binding of {name}", SEALED),
        detached=True,
        created=NOW,
        expires=NOW + 300,
    )


async def put(store: Store, *names: str) -> None:
    for name in names:
        assert await store.asks.put(ask(name), NOW) == ask(name)


async def decide(
    store: Store, *names: str, approve: bool = True, now: float = NOW, lasts: float = 300.0
) -> bool:
    lasting = dict.fromkeys(names, NOW + lasts)
    return await store.asks.decide(lasting, approve=approve, by="operator é", now=now)


async def take(store: Store, name: str = "a", holder: str = HOLDER, now: float = NOW) -> bool:
    return await store.asks.take(name, f"binding of {name}", holder, now)


async def bring(store: Store, standing: Standing, name: str = "a") -> None:
    """Put an ask, and let it come so far; what is settled then lasts as long as before."""
    await put(store, name)
    if standing is Standing.PENDING:
        return
    assert await decide(store, name, approve=standing is not Standing.REFUSED)
    if standing in {Standing.TAKEN, Standing.DONE, Standing.LOST}:
        assert await take(store, name)
    if standing is Standing.DONE:
        await store.asks.finish(name, HOLDER, b"answer", NOW + 300)
    if standing is Standing.LOST:
        assert await store.asks.bury(HOLDER, NOW + 300) == 1


async def standings(store: Store, now: float = NOW) -> dict[str, Standing]:
    return {each.id: each.standing for each in await store.asks.list(now)}


def grant(name: str = "a", expires: float = NOW + 60) -> StandingGrant:
    return StandingGrant(name, "agent é", "github.*", "operator", NOW, expires)


def stop(name: str = "a", kind: StopKind = StopKind.CALL, expires: float | None = None) -> Stop:
    return Stop(name, kind, "target é *", "why", "operator", NOW, expires)


# Asking.


async def test_ask_is_kept_as_it_is(store: Store) -> None:
    odd = replace(ask("é 1", "agent\0 \n'\"{}"), detached=True, created=NOW + 0.1, expires=1.8e9)

    assert await store.asks.put(odd, NOW) == odd
    assert await store.asks.get("é 1", NOW) == odd
    assert await store.asks.list(NOW) == [odd]


async def test_call_that_needs_no_word_can_be_put_as_approved(store: Store) -> None:
    ready = replace(ask(), detached=True, standing=Standing.APPROVED, decided_by="policy")

    assert await store.asks.put(ready, NOW) == ready
    assert not await decide(store, "a")
    assert await take(store)


async def test_what_was_never_asked_is_none(store: Store) -> None:
    await put(store, "a")

    assert await store.asks.get("A", NOW) is None
    assert not await take(store, "b")
    await store.asks.finish("b", HOLDER, b"answer", NOW + 60)
    await store.asks.refuse("b", b"answer", NOW + 60)
    assert await store.asks.list(NOW) == [ask()]


@pytest.mark.parametrize("standing", [Standing.PENDING, Standing.APPROVED])
async def test_same_call_joins_the_live_ask(standing: Standing, store: Store) -> None:
    await bring(store, standing)
    [live] = await store.asks.list(NOW)
    again = replace(ask("b"), binding=live.binding, content=b"other", expires=NOW + 900)

    assert await store.asks.put(again, NOW + 299) == live
    assert await store.asks.get("b", NOW) is None
    assert await store.asks.list(NOW) == [live]


async def test_of_fifty_same_calls_at_one_time_one_is_asked_about(store: Store) -> None:
    puts = (store.asks.put(ask(str(each), binding="same"), NOW) for each in range(50))
    found = await asyncio.gather(*puts)

    assert len({each.id for each in found if each}) == 1
    assert len(await store.asks.list(NOW)) == 1


@pytest.mark.parametrize("standing", SETTLED)
async def test_same_call_is_asked_about_anew_where_the_first_is_settled(
    standing: Standing, store: Store
) -> None:
    await bring(store, standing)
    again = ask("b", binding="binding of a")

    assert await store.asks.put(again, NOW) == again
    assert await standings(store) == {"a": standing, "b": Standing.PENDING}


@pytest.mark.parametrize("standing", [Standing.PENDING, Standing.APPROVED])
async def test_same_call_is_asked_about_anew_where_the_first_has_expired(
    standing: Standing, store: Store
) -> None:
    await bring(store, standing)
    again = replace(ask("b", binding="binding of a"), expires=NOW + 600)

    assert await store.asks.put(again, NOW + 300) == again


async def test_who_waits_does_not_join_one_for_whom_nobody_does(store: Store) -> None:
    await put(store, "a")
    held = replace(ask("b", binding="binding of a"), detached=False)

    assert await store.asks.put(held, NOW) == held
    assert await store.asks.put(replace(held, id="c"), NOW) == held
    assert len(await store.asks.list(NOW)) == 2


@pytest.mark.parametrize("standing", Standing)
async def test_same_call_under_its_id_is_the_same_whatever_became_of_it(
    standing: Standing, store: Store
) -> None:
    await bring(store, standing)
    known = await store.asks.get("a", NOW)
    again = replace(ask(), content=b"other", expires=NOW + 900)

    assert known is not None
    assert await store.asks.put(again, NOW + 299) == known
    assert await store.asks.list(NOW) == [known]


@pytest.mark.parametrize("standing", Standing)
async def test_two_calls_never_share_an_id(standing: Standing, store: Store) -> None:
    await bring(store, standing)
    before = await store.asks.list(NOW)

    assert await store.asks.put(ask("a", binding="other"), NOW) is None
    assert await store.asks.list(NOW) == before


async def test_of_fifty_calls_at_one_time_under_one_id_one_is_asked_about(store: Store) -> None:
    puts = (store.asks.put(ask(binding=str(each // 25)), NOW) for each in range(50))
    found = await asyncio.gather(*puts)

    assert sum(each is None for each in found) == 25
    assert len({each.binding for each in found if each}) == 1


async def test_full_queue_still_knows_its_own(store: Store) -> None:
    await put(store, *(str(each) for each in range(MAX_ASKS_EACH)))

    assert await store.asks.put(ask("7"), NOW) == ask("7")


async def test_id_is_free_again_when_its_ask_has_expired(store: Store) -> None:
    """Even where so much is over that it does not all go at once."""
    for each in range(150):
        early = replace(ask(str(each), f"agent {each // 50}"), expires=NOW + 1)
        await store.asks.put(early, NOW)
    await put(store, "a")
    again = replace(ask(), binding="other", expires=NOW + 900)

    assert await store.asks.put(again, NOW + 300) == again
    assert await store.asks.list(NOW + 300) == [again]


async def test_asks_are_listed_oldest_first(store: Store) -> None:
    for name, created in (("young", 3), ("old", 1), ("b", 2), ("a", 2)):
        await store.asks.put(replace(ask(name), created=NOW + created), NOW)

    assert [each.id for each in await store.asks.list(NOW)] == ["old", "a", "b", "young"]


async def test_progress_is_of_all_that_have_not_expired_oldest_first(store: Store) -> None:
    for standing in set(Standing) - {Standing.LOST, Standing.TAKEN}:
        await bring(store, standing, standing.value)
    await bring(store, Standing.LOST, "lost")
    await bring(store, Standing.TAKEN, "taken")
    held = replace(ask("held"), detached=False, created=NOW - 1, expires=NOW + 9)
    await store.asks.put(held, NOW)

    progress = await store.asks.progress(NOW)
    assert progress["held"] == Progress(Standing.PENDING, detached=False, expires=NOW + 9)
    assert progress["done"] == Progress(Standing.DONE, detached=True, expires=NOW + 300)
    listed = await store.asks.list(NOW)
    assert list(progress.items()) == [
        (each.id, Progress(each.standing, each.detached, each.expires)) for each in listed
    ]
    assert "held" not in await store.asks.progress(NOW + 9)


@pytest.mark.parametrize("name", ["\ud800", "a\udcff", "a\x00", "é", ""])
async def test_id_that_no_ask_can_have_is_unknown(name: str, store: Store) -> None:
    await put(store, "a")

    assert await store.asks.get(name, NOW) is None
    assert not await store.asks.decide({"a": NOW, name: NOW}, approve=True, by="", now=NOW)
    assert not await store.asks.take(name, "binding of a", HOLDER, NOW)
    await store.asks.finish(name, HOLDER, b"answer", NOW + 60)
    await store.asks.refuse(name, b"answer", NOW + 60)
    assert not await store.grants.revoke(name)
    assert not await store.stops.lift(name)
    assert await store.asks.list(NOW) == [ask()]


# Deciding.


@pytest.mark.parametrize(
    ("approve", "standing"), [(True, Standing.APPROVED), (False, Standing.REFUSED)]
)
async def test_decision_and_who_made_it_are_kept(
    *, approve: bool, standing: Standing, store: Store
) -> None:
    await put(store, "a")
    assert await decide(store, "a", approve=approve, lasts=900)

    ruled = replace(ask(), standing=standing, decided_by="operator é", expires=NOW + 900)
    assert await store.asks.get("a", NOW + 899) == ruled
    assert await store.asks.get("a", NOW + 900) is None


@pytest.mark.parametrize("standing", [Standing.APPROVED, *SETTLED])
@pytest.mark.parametrize("approve", [True, False])
async def test_nothing_is_decided_twice(*, approve: bool, standing: Standing, store: Store) -> None:
    await bring(store, standing)
    before = await store.asks.list(NOW)

    assert not await decide(store, "a", approve=approve, lasts=900)
    assert await store.asks.list(NOW) == before


async def test_of_fifty_decisions_at_one_time_one_counts(store: Store) -> None:
    await put(store, "a")
    decided = await asyncio.gather(*(decide(store, "a", approve=n % 2 == 0) for n in range(50)))

    assert Counter(decided) == {True: 1, False: 49}
    first = Standing.APPROVED if decided.index(True) % 2 == 0 else Standing.REFUSED
    assert await standings(store) == {"a": first}


async def test_each_decision_lasts_as_long_as_it_is_given(store: Store) -> None:
    await put(store, "a", "b")
    lasting = {"a": NOW + 30, "b": NOW + 3600}
    assert await store.asks.decide(lasting, approve=True, by="operator", now=NOW)

    assert [each.expires for each in await store.asks.list(NOW)] == [NOW + 30, NOW + 3600]
    assert not await take(store, "a", now=NOW + 30)
    assert await take(store, "b", now=NOW + 3599)


async def test_many_are_decided_together(store: Store) -> None:
    await put(store, "a", "b", "c")

    assert await decide(store, "a", "b", "a")
    assert await standings(store) == {
        **dict.fromkeys(("a", "b"), Standing.APPROVED),
        "c": Standing.PENDING,
    }


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bad", ["gone", "refused", "expired"])
async def test_none_is_decided_where_one_cannot_be(bad: str, place: int, store: Store) -> None:
    await put(store, "a", "b", "refused")
    assert await decide(store, "refused", approve=False)
    await store.asks.put(replace(ask("expired"), expires=NOW + 1), NOW)
    names = ["a", "b"]
    names.insert(place, bad)

    assert not await decide(store, *names, now=NOW + 1)
    assert await standings(store, NOW + 1) == {
        **dict.fromkeys(("a", "b"), Standing.PENDING),
        "refused": Standing.REFUSED,
    }


async def test_overlapping_batches_are_whole_or_not_at_all(store: Store) -> None:
    names = [str(each) for each in range(10)]
    await put(store, *names)
    batches = [names[start : start + 4] for start in range(7)]
    decided = await asyncio.gather(*(decide(store, *batch) for batch in batches))

    won = [set(batch) for batch, yes in zip(batches, decided, strict=True) if yes]
    approved = {
        name for name, each in (await standings(store)).items() if each is Standing.APPROVED
    }
    assert won
    assert sum(map(len, won)) == len(approved)
    assert approved == set().union(*won)


async def test_expired_ask_is_neither_decided_nor_taken_nor_seen(store: Store) -> None:
    await put(store, "a", "b")
    await decide(store, "b")

    assert not await decide(store, "a", now=NOW + 300, lasts=900)
    assert not await take(store, "b", now=NOW + 300)
    assert await store.asks.get("a", NOW + 300) is None
    assert await store.asks.list(NOW + 300) == []


async def test_approval_is_good_until_it_expires(store: Store) -> None:
    await put(store, "a")
    await decide(store, "a", now=NOW + 299.9, lasts=900)

    assert await take(store, now=NOW + 899.9)


# Doing.


async def test_of_fifty_who_take_at_one_time_one_does_it(store: Store) -> None:
    await bring(store, Standing.APPROVED)
    taken = await asyncio.gather(*(take(store, holder=str(each)) for each in range(50)))

    assert Counter(taken) == {True: 1, False: 49}
    assert not await take(store)
    assert await store.asks.bury(str(taken.index(True)), NOW + 300) == 1


@pytest.mark.parametrize("standing", [Standing.PENDING, *SETTLED])
async def test_what_is_not_approved_cannot_be_taken(standing: Standing, store: Store) -> None:
    await bring(store, standing)

    assert not await take(store)
    assert await standings(store) == {"a": standing}


@pytest.mark.parametrize("binding", ["", "binding of b", "BINDING OF A", "binding of a ", "%"])
async def test_approval_is_for_one_call_alone(binding: str, store: Store) -> None:
    await bring(store, Standing.APPROVED)

    assert not await store.asks.take("a", binding, HOLDER, NOW)
    assert await take(store)


async def test_approval_is_taken_or_refused_and_never_both(store: Store) -> None:
    names = [str(each) for each in range(20)]
    for name in names:
        await bring(store, Standing.APPROVED, name)

    async def refuse(name: str) -> None:
        await store.asks.refuse(name, b"no", NOW + 300)

    async def first(name: str) -> Standing:
        """Who is first differs from one to the next."""
        async with asyncio.TaskGroup() as group:
            if int(name) % 2:
                group.create_task(refuse(name))
            taken = group.create_task(take(store, name))
            if not int(name) % 2:
                group.create_task(refuse(name))
        return Standing.TAKEN if taken.result() else Standing.REFUSED

    found = await asyncio.gather(*(first(name) for name in names))
    assert await standings(store) == dict(zip(names, found, strict=True))


async def test_what_is_not_detached_is_gone_when_it_is_taken(store: Store) -> None:
    held = replace(ask(), detached=False)
    await store.asks.put(held, NOW)
    await decide(store, "a")
    taken = await asyncio.gather(*(take(store, holder=str(each)) for each in range(20)))

    assert Counter(taken) == {True: 1, False: 19}
    assert await store.asks.list(NOW) == []
    assert await store.asks.bury(str(taken.index(True)), NOW + 300) == 0
    assert await store.asks.put(replace(held, id="b"), NOW) == replace(held, id="b")


@pytest.mark.parametrize("binding", ["", "binding of b"])
async def test_what_is_not_detached_is_taken_by_its_own_call_alone(
    binding: str, store: Store
) -> None:
    held = replace(ask(), detached=False)
    await store.asks.put(held, NOW)
    assert not await take(store)
    await decide(store, "a", lasts=30)

    assert not await store.asks.take("a", binding, HOLDER, NOW)
    assert await take(store, now=NOW + 29)


async def test_what_is_not_detached_is_not_taken_too_late(store: Store) -> None:
    await store.asks.put(replace(ask(), detached=False), NOW)
    await decide(store, "a", lasts=30)

    assert not await take(store, now=NOW + 30)


async def test_what_another_does_is_not_finished(store: Store) -> None:
    await bring(store, Standing.TAKEN)
    await store.asks.finish("a", "another", b"answer", NOW + 3600)

    assert await standings(store) == {"a": Standing.TAKEN}


async def test_answer_can_be_read_until_it_expires(store: Store) -> None:
    await bring(store, Standing.TAKEN)
    await store.asks.finish("a", HOLDER, SEALED, NOW + 3600)

    done = await store.asks.get("a", NOW + 3599)
    assert done == replace(
        ask(),
        standing=Standing.DONE,
        answer=SEALED,
        decided_by="operator é",
        expires=NOW + 3600,
    )
    assert await store.asks.list(NOW + 3599) == [done]
    assert await store.asks.get("a", NOW + 3600) is None


async def test_empty_answer_is_an_answer(store: Store) -> None:
    await bring(store, Standing.TAKEN, "a")
    await store.asks.finish("a", HOLDER, b"", NOW + 3600)
    await bring(store, Standing.TAKEN, "b")

    assert [each.answer for each in await store.asks.list(NOW)] == [b"", None]


async def test_what_takes_longer_than_its_approval_lasts_has_its_answer_kept(store: Store) -> None:
    await bring(store, Standing.TAKEN)
    late = NOW + 300 + TAKEN_SECONDS - 1
    await store.asks.put(ask("other"), late)

    assert (await standings(store, late))["a"] is Standing.TAKEN
    await store.asks.finish("a", HOLDER, b"answer", late + 3600)
    found = await store.asks.get("a", late + 3599)
    assert found
    assert found.answer == b"answer"


async def test_what_is_taken_by_one_who_never_came_back_is_gone_in_the_end(store: Store) -> None:
    await bring(store, Standing.TAKEN)

    assert await store.asks.list(NOW + 300 + TAKEN_SECONDS) == []


@pytest.mark.parametrize(
    "standing", [each for each in Standing if each is not Standing.TAKEN], ids=lambda s: s.value
)
async def test_only_what_was_taken_is_finished(standing: Standing, store: Store) -> None:
    await bring(store, standing)
    before = await store.asks.list(NOW)
    await store.asks.finish("a", HOLDER, b"other answer", NOW + 3600)

    assert await store.asks.list(NOW) == before


@pytest.mark.parametrize("standing", SETTLED)
async def test_what_is_settled_is_not_refused_after_all(standing: Standing, store: Store) -> None:
    await bring(store, standing)
    before = await store.asks.list(NOW)
    await store.asks.refuse("a", b"other answer", NOW + 3600)

    assert await store.asks.list(NOW) == before


@pytest.mark.parametrize("standing", [Standing.PENDING, Standing.APPROVED])
async def test_what_is_refused_after_all_is_not_done_and_says_why(
    standing: Standing, store: Store
) -> None:
    await bring(store, standing)
    await store.asks.refuse("a", b"why", NOW + 3600)

    assert not await decide(store, "a")
    assert not await take(store)
    found = await store.asks.get("a", NOW + 3599)
    assert found
    assert (found.standing, found.answer) == (Standing.REFUSED, b"why")


async def test_only_what_the_holder_took_and_left_is_lost(store: Store) -> None:
    for number, standing in enumerate(each for each in Standing if each is not Standing.LOST):
        await bring(store, standing, f"{number} {standing.value}")
    await bring(store, Standing.APPROVED, "another's")
    await take(store, "another's", holder="another")

    before = await standings(store)
    assert await store.asks.bury(HOLDER, NOW + 900) == 1
    assert await store.asks.bury(HOLDER, NOW + 900) == 0
    taken = next(name for name in before if name.endswith("taken"))
    assert await standings(store) == {**before, taken: Standing.LOST}
    lost = await store.asks.get(taken, NOW + 899)
    assert lost
    assert lost.answer is None
    assert await store.asks.get(taken, NOW + 900) is None


# Bounds.


async def test_full_queue_of_one_keeps_no_other_out(store: Store) -> None:
    await put(store, *(str(each) for each in range(MAX_ASKS_EACH)))

    assert await store.asks.put(ask("more"), NOW) is None
    assert await store.asks.put(ask("more", "other"), NOW) == ask("more", "other")
    assert await store.asks.put(ask("again", binding="binding of 7"), NOW) == ask("7")


async def test_queue_has_room_again_when_some_have_expired(store: Store) -> None:
    for each in range(MAX_ASKS_EACH):
        await store.asks.put(replace(ask(str(each)), expires=NOW + 1 + each), NOW)
    late = replace(ask("late"), expires=NOW + 900)

    assert await store.asks.put(late, NOW) is None
    assert await store.asks.put(late, NOW + 1) == late
    assert await store.asks.put(ask("more"), NOW + 1) is None


@pytest.mark.parametrize("standing", [Standing.PENDING, Standing.APPROVED, Standing.TAKEN])
async def test_what_is_not_over_takes_room(standing: Standing, store: Store) -> None:
    for each in range(MAX_ASKS_EACH):
        await bring(store, standing, str(each))

    assert await store.asks.put(ask("more"), NOW) is None


async def over(store: Store, name: str, standing: Standing, lasts: float) -> None:
    """Put an ask of a principal, and let it be over, and kept for so long."""
    await put(store, name)
    if standing is Standing.REFUSED:
        assert await decide(store, name, approve=False, lasts=lasts)
        return
    assert await decide(store, name)
    assert await take(store, name)
    if standing is Standing.DONE:
        await store.asks.finish(name, HOLDER, b"", NOW + lasts)
    else:
        assert await store.asks.bury(HOLDER, NOW + lasts) == 1


@pytest.mark.parametrize("standing", [Standing.REFUSED, Standing.DONE, Standing.LOST])
async def test_what_is_over_keeps_nothing_out_and_the_oldest_goes(
    standing: Standing, store: Store
) -> None:
    other = replace(ask("other", "other"), standing=Standing.REFUSED)
    await store.asks.put(other, NOW)
    for each in range(MAX_KEPT_EACH + 5):
        await over(store, str(each), standing, 1000 + each)

    kept = {"other", *(str(each) for each in range(5, MAX_KEPT_EACH + 5))}
    assert (await store.asks.progress(NOW)).keys() == kept
    await put(store, *(f"more {each}" for each in range(MAX_ASKS_EACH)))
    assert kept <= (await store.asks.progress(NOW)).keys()


async def test_several_that_are_over_at_once_leave_no_more_than_are_kept(store: Store) -> None:
    for each in range(MAX_KEPT_EACH):
        await over(store, str(each), Standing.REFUSED, 1000 + each)
    await put(store, "x", "y", "z")
    assert await decide(store, "x", "y", "z", approve=False, lasts=1)

    kept = {"x", "y", "z", *(str(each) for each in range(3, MAX_KEPT_EACH))}
    assert (await store.asks.progress(NOW)).keys() == kept


async def test_contents_of_one_have_a_bound(store: Store) -> None:
    half = bytes(MAX_ASK_BYTES // 2)
    await store.asks.put(replace(ask("a"), content=half), NOW)

    assert await store.asks.put(replace(ask("b"), content=half + b"!"), NOW) is None
    assert await store.asks.put(replace(ask("b"), content=half), NOW) is not None
    assert await store.asks.put(replace(ask("c"), content=b"!"), NOW) is None
    assert await store.asks.put(replace(ask("c"), content=b""), NOW) is not None
    assert await store.asks.put(replace(ask("d", "other"), content=b"!"), NOW) is not None


async def test_what_is_over_makes_room_for_contents_and_answers_oldest_first(store: Store) -> None:
    third = bytes(MAX_ASK_BYTES // 3)
    for number, name in enumerate("abc"):
        await store.asks.put(replace(ask(name), content=third), NOW)
        assert await decide(store, name, approve=False, lasts=500 - number)
    await put(store, "waits")
    assert (await store.asks.progress(NOW)).keys() == {"a", "b", "waits"}

    await decide(store, "waits")
    await take(store, "waits")
    await store.asks.finish("waits", HOLDER, third, NOW + 300)
    assert (await store.asks.progress(NOW)).keys() == {"a", "waits"}
    assert await store.asks.put(replace(ask("d"), content=third * 3 + b"!!!"), NOW) is None
    assert (await store.asks.progress(NOW)).keys() == {"a", "waits"}, "nothing goes for nothing"
    assert await store.asks.put(replace(ask("d"), content=third * 3), NOW) is not None
    assert (await store.asks.progress(NOW)).keys() == {"d"}


async def test_answer_is_kept_however_much_waits(store: Store) -> None:
    await bring(store, Standing.TAKEN)
    large = replace(ask("b"), content=bytes(MAX_ASK_BYTES - len(SEALED)))
    assert await store.asks.put(large, NOW) is not None
    await store.asks.finish("a", HOLDER, b"answer", NOW + 300)

    found = await store.asks.get("a", NOW)
    assert found is not None
    assert found.answer == b"answer"


@pytest.mark.slow
async def test_so_many_wait_and_no_more(store: Store) -> None:
    each = MAX_ASKS // 25
    for number in range(MAX_ASKS):
        assert await store.asks.put(ask(str(number), f"agent {number // each}"), NOW)

    assert await store.asks.put(ask("more", "other"), NOW) is None
    assert len(await store.asks.list(NOW)) == MAX_ASKS
    later = replace(ask("more", "other"), expires=NOW + 900)
    assert await store.asks.put(later, NOW + 300) == later
    assert await store.asks.list(NOW + 300) == [later]


# Standing grants.


async def test_grant_is_kept_as_it_is_until_it_expires(store: Store) -> None:
    bound = replace(grant("b"), boot="this run", created=NOW + 0.1)
    assert await store.grants.add(bound, NOW)
    assert await store.grants.add(grant("a", NOW + 30), NOW)

    assert await store.grants.list(NOW + 29.9) == [grant("a", NOW + 30), bound]
    assert await store.grants.list(NOW + 30) == [bound]
    assert await store.grants.list(NOW + 60) == []


async def test_grant_that_was_revoked_is_none(store: Store) -> None:
    await store.grants.add(grant("a"), NOW)
    await store.grants.add(grant("b"), NOW)

    assert await store.grants.revoke("a")
    assert not await store.grants.revoke("a")
    assert not await store.grants.revoke("B")
    assert await store.grants.list(NOW) == [grant("b")]


async def test_two_grants_never_share_an_id(store: Store) -> None:
    await store.grants.add(grant(), NOW)
    with pytest.raises(OSError, match=r"UNIQUE|there is one"):
        await store.grants.add(replace(grant(), tool="*"), NOW)

    assert await store.grants.list(NOW) == [grant()]


async def test_so_many_grants_stand_at_one_time(store: Store) -> None:
    for each in range(MAX_STANDING):
        assert await store.grants.add(grant(str(each), NOW + 1 + each), NOW)

    assert not await store.grants.add(grant("more"), NOW)
    assert await store.grants.add(grant("more", NOW + 900), NOW + 1)
    assert not await store.grants.add(grant("yet more"), NOW + 1)
    assert await store.grants.list(NOW + 899) == [grant("more", NOW + 900)]


# Stops.


@pytest.mark.parametrize("kind", StopKind)
@pytest.mark.parametrize("expires", [None, NOW + 60])
async def test_stop_stands_until_it_expires_or_is_lifted(
    expires: float | None, kind: StopKind, store: Store
) -> None:
    stands = stop("a", kind, expires)
    assert await store.stops.add(stands, NOW)
    assert await store.stops.list(NOW + 59) == [stands]
    assert await store.stops.list(NOW + 1e9) == ([] if expires else [stands])

    assert await store.stops.lift("a")
    assert not await store.stops.lift("a")
    assert await store.stops.list(NOW) == []


async def test_stops_are_listed_oldest_first(store: Store) -> None:
    kinds = (StopKind.ALL, StopKind.CALL, StopKind.TOOL, StopKind.PRINCIPAL)
    for kind, since in zip(kinds, (3, 1, 2, 0), strict=True):
        await store.stops.add(replace(stop(kind.value, kind), since=NOW + since), NOW)

    found = [each.kind for each in await store.stops.list(NOW)]
    assert found == [StopKind.PRINCIPAL, StopKind.CALL, StopKind.TOOL, StopKind.ALL]


async def test_stop_of_the_operator_is_never_refused(store: Store) -> None:
    for each in range(MAX_STOPS):
        assert await store.stops.add(stop(str(each), expires=NOW + 1 + each), NOW)

    assert not await store.stops.add(stop("more"), NOW)
    for kind in set(StopKind) - {StopKind.CALL}:
        assert await store.stops.add(stop(kind.value, kind), NOW)
    assert await store.stops.add(stop("more"), NOW + 1)
    assert not await store.stops.add(stop("yet more"), NOW + 1)
    assert len(await store.stops.list(NOW + 1)) == MAX_STOPS + 3


async def test_stops_of_the_operator_crowd_none_out(store: Store) -> None:
    for each in range(MAX_STOPS + 1):
        assert await store.stops.add(stop(str(each), StopKind.TOOL), NOW)

    assert await store.stops.add(stop("call"), NOW)
    assert len(await store.stops.list(NOW)) == MAX_STOPS + 2


async def test_two_stops_never_share_an_id(store: Store) -> None:
    await store.stops.add(stop(), NOW)
    with pytest.raises(OSError, match=r"UNIQUE|there is one"):
        await store.stops.add(replace(stop(), why="other"), NOW)

    assert await store.stops.list(NOW) == [stop()]


# What was answered is durable.


async def test_asks_survive(reopen: Reopen) -> None:
    async with reopen() as store:
        for standing in set(Standing) - {Standing.LOST, Standing.TAKEN}:
            await bring(store, standing, standing.value)
        await bring(store, Standing.LOST, "lost")
        await bring(store, Standing.TAKEN, "taken")
        before = await store.asks.list(NOW)

    async with reopen() as store:
        assert {each.standing for each in before} == set(Standing)
        assert await store.asks.list(NOW) == before
        assert not await take(store, "taken")
        assert not await decide(store, "approved")
        assert await store.asks.bury(HOLDER, NOW + 900) == 1
        assert await take(store, "approved")
        assert not await take(store, "lost")
        assert await decide(store, "pending")


async def test_grants_and_stops_survive(reopen: Reopen) -> None:
    async with reopen() as store:
        for name in ("kept", "gone"):
            await store.grants.add(grant(name), NOW)
            await store.stops.add(stop(name, StopKind.ALL), NOW)
        await store.stops.add(stop("call", expires=NOW + 60), NOW)
        await store.grants.revoke("gone")
        await store.stops.lift("gone")

    async with reopen() as store:
        assert await store.grants.list(NOW) == [grant("kept")]
        assert await store.stops.list(NOW) == [
            stop("call", expires=NOW + 60),
            stop("kept", StopKind.ALL),
        ]


async def test_store_that_was_let_go_is_an_os_error(store: Store) -> None:
    await store.aclose()

    with pytest.raises(OSError, match=r"\w"):
        await take(store)
    with pytest.raises(OSError, match=r"\w"):
        await store.stops.list(NOW)
