import asyncio

import pytest
from doubles import Clock

from proxy.limits import Limiter, Share, per_minute


async def hits(limiter: Limiter, key: str, times: int) -> list[float | None]:
    return [await limiter.hit(key) for _ in range(times)]


async def test_null_is_no_limit() -> None:
    assert await hits(per_minute(None), "a", 1000) == [None] * 1000


async def test_zero_is_none_at_all() -> None:
    limiter = per_minute(0)
    for wait in await hits(limiter, "a", 3):
        assert wait is not None
        assert wait > 0


@pytest.mark.parametrize("rate", [1, 2, 10, 60])
async def test_rate_may_be_used_at_once_and_no_more(rate: int) -> None:
    waits = await hits(per_minute(rate), "a", rate + 1)

    assert waits[:rate] == [None] * rate
    assert waits[rate] is not None


@pytest.mark.parametrize("rate", [1, 2, 10, 60])
async def test_wait_is_positive_and_at_most_one_share_of_the_minute(rate: int) -> None:
    wait = (await hits(per_minute(rate), "a", rate + 1))[rate]

    assert wait is not None
    assert 0 < wait <= 60 / rate


async def test_wait_shrinks_as_time_passes_and_asking_does_not_lengthen_it() -> None:
    limiter = per_minute(1)
    await limiter.hit("a")
    first, *_, last = await hits(limiter, "a", 50)
    await asyncio.sleep(0.05)
    later = await limiter.hit("a")

    assert first is not None
    assert last is not None
    assert later is not None
    assert later <= last - 0.05 < last <= first


async def test_who_waited_may_come_again() -> None:
    limiter = per_minute(1200)
    waits = await hits(limiter, "a", 2000)
    assert waits[-1] is not None
    await asyncio.sleep(waits[-1] + 0.01)

    assert await limiter.hit("a") is None


async def test_keys_are_independent() -> None:
    limiter = per_minute(1)
    await hits(limiter, "a", 2)

    assert await limiter.hit("b") is None
    assert await limiter.hit("a") is not None


async def test_limiters_are_independent() -> None:
    await hits(per_minute(1), "a", 2)

    assert await per_minute(1).hit("a") is None


async def test_who_is_limited_is_remembered_over_thousands_of_others() -> None:
    limiter = per_minute(1)
    await limiter.hit("a")
    for number in range(9_999):
        await limiter.hit(str(number))

    assert await limiter.hit("a") is not None


async def test_table_is_bounded() -> None:
    """After twice as many others as it holds, a key is forgotten: there is no room for all."""
    limiter = per_minute(1)
    await limiter.hit("a")
    for number in range(20_000):
        assert await limiter.hit(str(number)) is None

    assert await limiter.hit("a") is None
    assert await limiter.hit("19999") is not None


async def test_hits_at_the_same_time_are_all_counted() -> None:
    limiter = per_minute(10)
    waits = await asyncio.gather(*(limiter.hit("a") for _ in range(40)))

    assert waits.count(None) == 10


def test_strangers_get_their_share_of_records_each_minute() -> None:
    clock = Clock(60.0)
    share = Share(2, clock)

    assert [share.take() for _ in range(5)] == [0, 0, None, None, None]

    clock.now += 60
    assert [share.take() for _ in range(3)] == [3, 0, None]

    clock.now += 600
    assert share.take() == 1
    assert share.take() == 0
