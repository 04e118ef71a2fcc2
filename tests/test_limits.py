import asyncio
import math
from itertools import accumulate

import pytest
from doubles import Clock
from hypothesis import given
from hypothesis import strategies as st

from proxy.decision import Quota
from proxy.limits import MAX_KEYS, Limiter, Share, per_hour, per_minute

MICROSECOND = 1e-6
START = 1_000_000.0


async def hits(limiter: Limiter, key: str, times: int) -> list[Quota]:
    quotas = [await limiter.hit(key) for _ in range(times)]
    assert None not in quotas
    return [quota for quota in quotas if quota]


async def passes(limiter: Limiter, key: str, times: int = 1) -> int:
    """How many of so many hits are let through."""
    return [quota.wait for quota in await hits(limiter, key, times)].count(None)


def longest(rate: int) -> float:
    """How long one use takes to come back, in whole microseconds."""
    return math.ceil(60e6 / rate) / 1e6


async def test_null_is_no_limit() -> None:
    limiter = per_minute("p", None)

    assert [await limiter.hit("a") for _ in range(1000)] == [None] * 1000
    assert limiter.keys() == 0


async def test_zero_is_none_at_all() -> None:
    limiter = per_minute("p", 0)

    assert await limiter.hit("a") == Quota("p", 0, 60, 0, 60.0, wait=60.0)
    assert limiter.keys() == 0


@pytest.mark.parametrize("rate", [1, 2, 7, 10, 60, 10_000])
async def test_rate_may_be_used_at_once_and_no_more(rate: int) -> None:
    quotas = await hits(per_minute("p", rate, clock=Clock()), "a", rate + 1)

    assert [quota.wait for quota in quotas[:rate]] == [None] * rate
    assert [quota.remaining for quota in quotas] == [*range(rate - 1, -1, -1), 0]
    assert quotas[0] == Quota("p", rate, 60, rate - 1, reset=longest(rate))
    assert quotas[rate] == Quota("p", rate, 60, 0, reset=60.0, wait=longest(rate))


async def test_wait_shrinks_as_time_passes_and_asking_does_not_lengthen_it() -> None:
    clock = Clock()
    limiter = per_minute("p", 2, clock=clock)
    await hits(limiter, "a", 2)
    assert {quota.wait for quota in await hits(limiter, "a", 50)} == {30.0}
    clock.now += 12.5

    assert {quota.wait for quota in await hits(limiter, "a", 50)} == {17.5}


async def test_all_uses_are_there_again_after_reset_and_not_before() -> None:
    clock = Clock()
    limiter = per_minute("p", 7, clock=clock)
    (*_, last) = await hits(limiter, "a", 4)
    clock.now += last.reset
    assert (await hits(limiter, "a", 1))[0].remaining == 6

    (*_, last) = await hits(limiter, "b", 4)
    clock.now += last.reset - MICROSECOND
    assert (await hits(limiter, "b", 1))[0].remaining == 5


# Steps between hits in microseconds: mostly short against the rate, sometimes a long rest.
STEPS = st.lists(st.integers(0, 3_000_000) | st.integers(0, 90_000_000), max_size=80)


def times(steps: list[int]) -> list[float]:
    return [START + passed / 1e6 for passed in accumulate(steps)]


@given(st.integers(1, 100), STEPS)
async def test_in_any_t_seconds_at_most_rate_and_what_t_brings_are_let_through(
    rate: int, steps: list[int]
) -> None:
    clock = Clock(START)
    limiter = per_minute("p", rate, clock=clock)
    passed = []
    for clock.now in times(steps):
        for _ in range(3):
            quota = await limiter.hit("a")
            if quota and quota.wait is None:
                passed.append(clock.now)

    for first, start in enumerate(passed):
        for last, end in enumerate(passed[first:], 1):
            assert last <= rate + rate * (end - start) / 60 + MICROSECOND


@given(st.integers(1, 1000), STEPS)
async def test_wait_is_exact(rate: int, steps: list[int]) -> None:
    """Refused up to the microsecond before it, let through after it, wherever one comes from."""
    clock = Clock(START)
    limiter = per_minute("p", rate, clock=clock)
    await hits(limiter, "a", rate)
    for step in steps:
        clock.now += step / 1e6
        (quota,) = await hits(limiter, "a", 1)
        if quota.wait is not None:
            assert 0 < quota.wait <= longest(rate)
            clock.now += quota.wait - MICROSECOND
            assert await passes(limiter, "a") == 0
            clock.now += MICROSECOND
            assert await passes(limiter, "a") == 1


@given(st.integers(1, 100), STEPS)
async def test_remaining_uses_are_really_left(rate: int, steps: list[int]) -> None:
    clock = Clock(START)
    limiter = per_minute("p", rate, clock=clock)
    for clock.now in times(steps):
        await limiter.hit("a")
    (quota,) = await hits(limiter, "a", 1)

    assert await passes(limiter, "a", rate + 1) == quota.remaining


async def test_keys_are_independent() -> None:
    limiter = per_minute("p", 1)
    await hits(limiter, "a", 2)

    assert await passes(limiter, "b") == 1
    assert await passes(limiter, "a") == 0


async def test_limiters_are_independent() -> None:
    await hits(per_minute("p", 1), "a", 2)

    assert await passes(per_minute("p", 1), "a") == 1


async def test_hits_at_the_same_time_are_all_counted() -> None:
    limiter = per_minute("p", 10)
    quotas = await asyncio.gather(*(limiter.hit("a") for _ in range(40)))

    assert [quota.wait for quota in quotas if quota].count(None) == 10


# The table.


async def test_strangers_never_free_a_key_that_is_limited() -> None:
    """ZeroClaw's own limiter forgets the oldest key for a new one, and with it that it was limited.

    One with more addresses than the table has room resets anybody there.
    """
    clock = Clock(START)
    limiter = per_minute("p", 60, max_keys=100, clock=clock)
    await hits(limiter, "a", 60)
    for number in range(1, 10_001):
        clock.now = START + number / 1000
        await limiter.hit(str(number))

    assert await passes(limiter, "a", 100) == 10


async def test_key_whose_uses_are_all_there_again_makes_room_and_no_other() -> None:
    clock = Clock()
    limiter = per_minute("p", 60, max_keys=3, clock=clock)
    await hits(limiter, "long", 3)
    await hits(limiter, "short", 1)
    assert limiter.keys() == 2

    clock.now += 1 - MICROSECOND
    assert limiter.keys() == 2
    clock.now += MICROSECOND
    assert limiter.keys() == 1
    clock.now += 2
    assert limiter.keys() == 0


async def test_key_that_is_used_meanwhile_stays() -> None:
    clock = Clock()
    limiter = per_minute("p", 60, max_keys=3, clock=clock)
    for _ in range(10):
        await hits(limiter, "a", 1)
        clock.now += 0.5

    assert limiter.keys() == 1
    assert (await hits(limiter, "a", 1))[0].remaining == 60 - 6
    clock.now += 6
    assert limiter.keys() == 0


async def test_who_comes_while_the_table_is_full_shares_one_bucket() -> None:
    clock = Clock()
    limiter = per_minute("p", 10, max_keys=3, clock=clock)
    for key in ("a", "b", "c"):
        await hits(limiter, key, 5)

    assert sum([await passes(limiter, f"stranger {number}") for number in range(1000)]) == 10
    assert limiter.keys() == 3
    assert [await passes(limiter, key, 10) for key in ("a", "b", "c")] == [5, 5, 5]


async def test_bucket_of_strangers_fills_at_the_same_rate() -> None:
    clock = Clock()
    limiter = per_minute("p", 10, max_keys=1, clock=clock)
    await hits(limiter, "a", 10)
    await hits(limiter, "stranger", 11)
    clock.now += 12

    assert await passes(limiter, "another", 10) == 2


async def test_stranger_has_a_bucket_of_its_own_when_there_is_room_again() -> None:
    clock = Clock()
    limiter = per_minute("p", 10, max_keys=1, clock=clock)
    await hits(limiter, "a", 1)
    await hits(limiter, "stranger", 10)
    clock.now += 6

    assert (await hits(limiter, "stranger", 1))[0].remaining == 9
    assert limiter.keys() == 1


async def test_table_holds_ten_thousand_keys_by_itself() -> None:
    limiter = per_minute("p", 2, clock=Clock())
    for number in range(2 * MAX_KEYS):
        await limiter.hit(str(number))

    assert MAX_KEYS == limiter.keys() == 10_000


@given(st.lists(st.tuples(st.integers(0, 20_000_000), st.sampled_from("abcdefgh")), max_size=60))
async def test_table_is_exact(uses: list[tuple[int, str]]) -> None:
    """It holds the keys whose quota is not yet whole, whatever came before."""
    clock = Clock(START)
    limiter = per_minute("p", 6, max_keys=8, clock=clock)
    whole: dict[str, int] = {}
    passed = 0
    for step, key in uses:
        passed += step
        clock.now = START + passed / 1e6
        (quota,) = await hits(limiter, key, 1)
        whole[key] = passed + round(quota.reset * 1e6)
        assert limiter.keys() == sum(until > passed for until in whole.values())


# Records of strangers.


def test_strangers_get_their_share_of_records_each_minute() -> None:
    clock = Clock(60.0)
    share = Share(2, clock)

    assert [share.take() for _ in range(5)] == [0, 0, None, None, None]

    clock.now += 60
    assert [share.take() for _ in range(3)] == [3, 0, None]

    clock.now += 600
    assert share.take() == 1
    assert share.take() == 0


# Taken back


async def test_use_that_is_taken_back_is_there_again() -> None:
    clock = Clock()
    limiter = per_minute("x", 2, clock=clock)
    await limiter.hit("a")
    await limiter.hit("a")

    await limiter.refund("a")

    first, second = await limiter.hit("a"), await limiter.hit("a")
    assert first is not None
    assert second is not None
    assert (first.wait, second.wait) == (None, 30.0)


async def test_nobody_has_more_uses_than_all() -> None:
    limiter = per_minute("x", 2, clock=Clock())
    for _ in range(5):
        await limiter.refund("a")
        await limiter.refund("nobody")

    waits = [quota.wait for _ in range(3) if (quota := await limiter.hit("a"))]

    assert waits[:2] == [None, None]
    assert waits[2] is not None


async def test_everybody_can_be_given_all_uses_back() -> None:
    limiter = per_minute("x", 1, max_keys=1, clock=Clock())
    for key in ("a", "b", "c"):
        await limiter.hit(key)

    await limiter.clear()

    assert limiter.keys() == 0
    quota = await limiter.hit("c")
    assert quota is not None
    assert quota.wait is None


# Hours


async def test_rate_of_an_hour_may_be_used_at_once_and_comes_back_within_one() -> None:
    clock = Clock()
    limiter = per_hour("p", 20, clock=clock)
    quotas = await hits(limiter, "a", 21)

    assert [quota.wait for quota in quotas[:20]] == [None] * 20
    assert quotas[0] == Quota("p", 20, 3600, 19, reset=180.0)
    assert quotas[20] == Quota("p", 20, 3600, 0, reset=3600.0, wait=180.0)
    clock.now += 180 - MICROSECOND
    assert await passes(limiter, "a") == 0
    clock.now += MICROSECOND
    assert await passes(limiter, "a", 2) == 1


@given(st.integers(1, 100), STEPS)
async def test_an_hour_is_a_minute_sixty_times_as_slow(rate: int, steps: list[int]) -> None:
    slow, fast = Clock(START), Clock(START)
    hours, minutes = per_hour("p", rate, clock=slow), per_minute("p", rate, clock=fast)
    for step in steps:
        slow.now += step * 60 / 1e6
        fast.now += step / 1e6
        slow.now, fast.now = round(slow.now, 6), round(fast.now, 6)
        assert await passes(hours, "a") == await passes(minutes, "a")


async def test_use_of_an_hour_is_taken_back_whole() -> None:
    limiter = per_hour("p", 1, clock=Clock())

    assert await passes(limiter, "a", 2) == 1
    await limiter.refund("a")
    assert await passes(limiter, "a", 2) == 1


async def test_hours_have_no_limit_or_none_at_all_as_minutes_have() -> None:
    assert await per_hour("p", None).hit("a") is None
    assert await per_hour("p", 0).hit("a") == Quota("p", 0, 3600, 0, 3600.0, wait=3600.0)
