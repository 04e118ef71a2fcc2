"""What the operator decides: on all of several or on none, once, and not while all is stopped."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from desks import Bench
from doubles import AGENT, CLIENT, OPERATOR

from proxy.actions import Halt, Ruling, Selection
from proxy.authorization.approvals import DETACHED_SECONDS
from proxy.protocols.ruling import MAX_GRANT
from proxy.reasons import Reason
from proxy.state.approvals import MAX_STANDING, Ask, Standing, StandingGrant


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.aclose()


def approve(*asks: Ask, seconds: float | None = None, session: bool = False) -> Ruling:
    return Ruling(tuple(ask.id for ask in asks), approve=True, seconds=seconds, session=session)


def deny(*asks: Ask) -> Ruling:
    return Ruling(tuple(ask.id for ask in asks), approve=False)


async def standing(bench: Bench, *asks: Ask) -> list[Standing | None]:
    found = [await bench.store.asks.get(ask.id, bench.clock()) for ask in asks]
    return [None if each is None else each.standing for each in found]


@pytest.mark.parametrize(
    ("ruling", "word", "expected"),
    [(approve, "approve", Standing.APPROVED), (deny, "deny", Standing.REFUSED)],
)
async def test_a_call_is_decided_by_whoever_decides(
    bench: Bench, ruling: Callable[[Ask], Ruling], word: str, expected: Standing
) -> None:
    ask, other = await bench.ask(), await bench.ask("file_read", {"path": "a"})

    answer = await bench.do("approvals.decide", ask.id, ruling(ask))

    assert answer == {"decided": [ask.id], "decision": word, "grants": []}
    assert await standing(bench, ask, other) == [expected, Standing.PENDING]
    found = await bench.store.asks.get(ask.id, bench.clock())
    assert found is not None
    assert found.decided_by == OPERATOR.id
    assert found.expires == bench.clock() + DETACHED_SECONDS


@pytest.mark.parametrize("rule", [approve, deny])
async def test_a_decision_on_one_who_waits_lasts_as_long_as_there_was_to_decide(
    bench: Bench, rule: Callable[..., Ruling]
) -> None:
    apart, held = await bench.ask(seconds=30), await bench.held(seconds=30)
    bench.clock.now += 20

    await bench.do("approvals.decide-all", "", rule(held, apart))

    found = await bench.store.asks.progress(bench.clock())
    assert found[held.id].expires == bench.clock() + 30
    assert found[apart.id].expires == bench.clock() + DETACHED_SECONDS


@pytest.mark.parametrize("subject", ["\ud800", "a\udcff", "\0", "é"])
async def test_what_can_be_no_id_is_unknown(bench: Bench, subject: str) -> None:
    ruling = Ruling((subject,), approve=True)

    for verb in ("approvals.get", "approvals.decide", "grants.revoke", "stops.lift"):
        assert await bench.do(verb, subject, ruling) is Reason.OPERATION_UNKNOWN


async def test_who_waits_and_who_watches_are_woken(bench: Bench) -> None:
    ask = await bench.ask()
    await bench.approvals.ready(0)
    ready = asyncio.create_task(bench.approvals.ready(60))
    await asyncio.sleep(0)

    await bench.do("approvals.decide", ask.id, approve(ask))

    async with asyncio.timeout(5):
        await ready


async def test_several_are_decided_at_once(bench: Bench) -> None:
    asks = [await bench.ask(arguments={"command": f"ls {n}"}) for n in range(3)]

    answer = await bench.do("approvals.decide-all", "", deny(*asks))

    assert answer["decided"] == [ask.id for ask in asks]
    assert await standing(bench, *asks) == [Standing.REFUSED] * 3


@pytest.mark.parametrize("wrong", ["decided", "expired", "unknown", "unreadable"])
async def test_where_one_cannot_be_decided_none_is(bench: Bench, wrong: str) -> None:
    ask = await bench.ask()
    other = await bench.ask("file_read", {"path": "a"}, seconds=10 if wrong == "expired" else 300)
    if wrong == "decided":
        await bench.do("approvals.decide", other.id, deny(other))
    if wrong == "expired":
        bench.clock.now += 11
    if wrong == "unknown":
        other = replace(other, id="a_none")
    if wrong == "unreadable":
        strange = replace(other, id="a_strange", binding="b", content=b"sealed by another")
        put = await bench.store.asks.put(strange, bench.clock())
        assert put is not None
        other = put

    done = await bench.do("approvals.decide-all", "", approve(ask, other))

    assert done is Reason.APPROVAL_STALE
    assert await standing(bench, ask) == [Standing.PENDING]
    assert await bench.do("grants.list") == {"grants": []}


async def test_what_nobody_can_read_may_still_be_denied(bench: Bench) -> None:
    strange = replace(await bench.ask(), id="a_strange", binding="b", content=b"another's")
    put = await bench.store.asks.put(strange, bench.clock())
    assert put is not None

    await bench.do("approvals.decide", put.id, deny(put))

    assert await standing(bench, put) == [Standing.REFUSED]


async def test_a_call_is_decided_once_however_many_try(bench: Bench) -> None:
    ask = await bench.ask()

    done = await asyncio.gather(
        *(bench.do("approvals.decide", ask.id, rule(ask)) for rule in (approve, deny) * 5)
    )

    assert sum(each is Reason.APPROVAL_STALE for each in done) == 9


@pytest.mark.parametrize("verb", ["approvals.get", "approvals.decide"])
async def test_what_is_unknown_is_not_found(bench: Bench, verb: str) -> None:
    await bench.ask()

    assert (
        await bench.do(verb, "a_none", Ruling(("a_none",), approve=True))
        is Reason.OPERATION_UNKNOWN
    )


@pytest.mark.parametrize("detail", [None, Halt(), Ruling((), approve=True)], ids=repr)
async def test_who_says_nothing_decides_nothing(bench: Bench, detail: Ruling | None) -> None:
    ask = await bench.ask()

    assert await bench.do("approvals.decide", ask.id, detail) is Reason.ARGUMENTS_INVALID
    assert await standing(bench, ask) == [Standing.PENDING]


async def test_calls_are_listed_and_found_by_their_id(bench: Bench) -> None:
    first = await bench.ask()
    bench.clock.now += 1
    second = await bench.ask("file_read", {"path": "a"})

    rows = (await bench.do("approvals.list"))["approvals"]

    assert [row["id"] for row in rows] == [first.id, second.id]
    assert await bench.do("approvals.get", second.id) == rows[1]


async def test_what_waits_is_listed_and_on_request_what_does_not(bench: Bench) -> None:
    ask, denied, late = await bench.ask(), await bench.ask("file_read", {}), await bench.late()
    await bench.do("approvals.decide", denied.id, deny(denied))

    waiting = await bench.do("approvals.list")
    every = await bench.do("approvals.list", "", Selection(everything=True))

    assert await bench.do("approvals.list", "", Selection()) == waiting
    assert {row["id"]: row["standing"] for row in waiting["approvals"]} == {ask.id: "pending"}
    words = {row["id"]: row["standing"] for row in every["approvals"]}
    assert words == {ask.id: "pending", denied.id: "refused", late.id: "expired"}


# While everything is stopped


@pytest.mark.parametrize("rule", [approve, deny])
@pytest.mark.parametrize("how", ["a stop", "the file", "no folder"])
async def test_nothing_is_decided_while_everything_is_stopped(
    bench: Bench, rule: Callable[[Ask], Ruling], how: str
) -> None:
    ask = await bench.ask()
    if how == "a stop":
        await bench.do("stops.add", "", Halt())
    if how == "the file":
        bench.file.touch()
    if how == "no folder":
        bench.stops.file = "/nowhere/STOP"

    assert await bench.do("approvals.decide", ask.id, rule(ask)) is Reason.STOPPED_BY_OPERATOR
    assert await standing(bench, ask) == [Standing.PENDING]


async def test_what_is_resumed_can_be_decided_again(bench: Bench) -> None:
    ask = await bench.ask()
    await bench.do("stops.add", "", Halt())
    await bench.do("stops.resume")

    await bench.do("approvals.decide", ask.id, approve(ask))

    assert await standing(bench, ask) == [Standing.APPROVED]


async def test_a_stop_of_something_else_freezes_nothing(bench: Bench) -> None:
    ask = await bench.ask()
    await bench.do("stops.add", "", Halt(tool="file_write"))

    await bench.do("approvals.decide", ask.id, approve(ask))

    assert await standing(bench, ask) == [Standing.APPROVED]


async def test_where_the_state_is_away_nothing_is_decided(bench: Bench) -> None:
    ask = await bench.ask()
    await bench.store.aclose()

    with pytest.raises(OSError, match="closed"):
        await bench.do("approvals.decide", ask.id, approve(ask))


# Grants


@pytest.mark.parametrize(("session", "seconds"), [(False, 60), (False, MAX_GRANT), (True, None)])
async def test_an_approval_for_a_time_grants_the_tool_to_that_principal(
    bench: Bench, *, session: bool, seconds: float | None
) -> None:
    ask = await bench.ask()
    await bench.label(CLIENT, "phone")

    answer = await bench.do(
        "approvals.decide", ask.id, approve(ask, seconds=seconds, session=session)
    )

    (grant_id,) = answer["grants"]
    (row,) = (await bench.do("grants.list"))["grants"]
    assert row == {
        "id": grant_id,
        "principal": CLIENT.id,
        "label": "phone",
        "tool": "shell",
        "granted_by": OPERATOR.id,
        "created": bench.clock(),
        "expires": bench.clock() + (seconds or MAX_GRANT),
        "session": session,
    }
    assert await bench.approvals.granted(CLIENT, "shell")
    assert not await bench.approvals.granted(AGENT, "shell")
    assert not await bench.approvals.granted(CLIENT, "file_write")


async def test_a_grant_lasts_no_longer_than_a_working_day(bench: Bench) -> None:
    """Whatever the codec let through."""
    ask = await bench.ask()

    await bench.do("approvals.decide", ask.id, approve(ask, seconds=10 * MAX_GRANT))

    (row,) = (await bench.do("grants.list"))["grants"]
    assert row["expires"] == bench.clock() + MAX_GRANT


async def test_several_calls_of_one_tool_make_one_grant(bench: Bench) -> None:
    asks = [await bench.ask(arguments={"command": f"ls {n}"}) for n in range(3)]
    asks.append(await bench.ask("shell", principal=AGENT))

    answer = await bench.do("approvals.decide-all", "", approve(*asks, seconds=60))

    assert len(answer["grants"]) == 2


@pytest.mark.parametrize("session", [True, False])
async def test_a_tool_that_always_asks_is_never_granted(bench: Bench, *, session: bool) -> None:
    usual, always = await bench.ask("file_read", {}), await bench.ask(always=True)
    ruling = approve(usual, always, seconds=None if session else 60, session=session)

    assert await bench.do("approvals.decide-all", "", ruling) is Reason.STANDING_GRANT_REFUSED

    assert await standing(bench, usual, always) == [Standing.PENDING] * 2
    assert await bench.do("grants.list") == {"grants": []}


async def test_without_a_session_nothing_is_granted_for_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path, boot="")
    ask = await bench.ask()

    done = await bench.do("approvals.decide", ask.id, approve(ask, session=True))

    assert done is Reason.STANDING_GRANT_REFUSED
    assert await standing(bench, ask) == [Standing.PENDING]
    await bench.aclose()


async def test_where_there_is_no_room_for_a_grant_nothing_is_decided(bench: Bench) -> None:
    ask, now = await bench.ask(), bench.clock()
    for number in range(MAX_STANDING):
        grant = StandingGrant(f"g_{number}", "somebody", "shell", "uid-0", now, now + 60)
        assert await bench.store.grants.add(grant, now)

    done = await bench.do("approvals.decide", ask.id, approve(ask, seconds=60))

    assert done is Reason.STANDING_GRANT_REFUSED
    assert await standing(bench, ask) == [Standing.PENDING]


async def test_a_grant_of_an_earlier_run_is_not_listed(bench: Bench) -> None:
    now = bench.clock()
    for grant_id, boot in (("g_old", "boot-0"), ("g_new", "boot-1")):
        grant = StandingGrant(grant_id, "somebody", "shell", "uid-0", now, now + 60, boot)
        await bench.store.grants.add(grant, now)

    assert [row["id"] for row in (await bench.do("grants.list"))["grants"]] == ["g_new"]


async def test_a_grant_that_is_revoked_is_over(bench: Bench) -> None:
    ask = await bench.ask()
    (grant_id,) = (await bench.do("approvals.decide", ask.id, approve(ask, seconds=60)))["grants"]

    assert await bench.do("grants.revoke", grant_id) == {"revoked": grant_id}

    assert not await bench.approvals.granted(CLIENT, "shell")
    assert await bench.do("grants.revoke", grant_id) is Reason.OPERATION_UNKNOWN
