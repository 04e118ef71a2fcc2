"""Rates that two replicas share, against the same rate in memory."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest
from doubles import Clock
from redis_server import Server, replica

from proxy.decision import Quota
from proxy.limits import Limiter, per_hour, per_minute
from proxy.state.redis.connection import ROOT, Connection
from proxy.state.redis.limits import RedisBuckets
from proxy.state.redis.store import RedisStore

pytestmark = pytest.mark.redis

MICROSECOND = 1e-6
START = 1_700_000_000.0
USE = 60_000_000


@pytest.fixture
async def connection(server: Server) -> AsyncIterator[Connection]:
    connection = Connection(server.section)
    yield connection
    await connection.aclose()


async def hit(limiter: Limiter, key: str = "a") -> Quota:
    quota = await limiter.hit(key)
    assert quota is not None
    return quota


def level(server: Server, policy: str = "p", key: str = "a") -> float:
    """How many microseconds of the server's time the bucket is still kept."""
    with server.client() as client:
        return client.pttl(f"{ROOT}bucket:{policy}:{key}") / 1000


# The same rate.


@pytest.mark.parametrize("rate", [1, 7, 60, 1_000_000])
async def test_quotas_are_those_of_the_same_rate_in_memory(
    rate: int, connection: Connection
) -> None:
    choose, clock = random.Random(rate), Clock(START)
    memory = per_minute("p", rate, clock=clock)
    shared = per_minute("p", rate, clock=clock, buckets=RedisBuckets(connection, clock))
    for _ in range(300):
        clock.now += choose.choice((0, 0, choose.random(), 60 / rate, 20 * choose.random()))
        key = choose.choice("ab")
        assert await hit(shared, key) == await hit(memory, key)


async def test_wait_is_exact_by_the_clock_that_counts(connection: Connection) -> None:
    clock = Clock(START)
    limiter = per_minute("p", 7, clock=clock, buckets=RedisBuckets(connection, clock))
    for _ in range(7):
        assert (await hit(limiter)).wait is None
    wait = (await hit(limiter)).wait
    assert wait is not None

    clock.now = START + wait - 2 * MICROSECOND
    assert (await hit(limiter)).wait is not None
    clock.now = START + wait + MICROSECOND
    assert (await hit(limiter)).wait is None


async def test_server_keeps_time_by_itself(one: RedisStore) -> None:
    """In a minute of hits, or of waiting, that nobody has here: a rate of 20 a second."""
    limiter = per_minute("p", 1200, buckets=one.buckets)
    while (wait := (await hit(limiter)).wait) is None:
        pass
    assert 0 < wait <= 0.05
    await asyncio.sleep(wait + 0.01)

    assert (await hit(limiter)).wait is None


# Two replicas.


async def test_of_forty_hits_at_two_replicas_ten_are_let_through(
    one: RedisStore, two: RedisStore
) -> None:
    limiters = [per_minute("p", 10, buckets=store.buckets) for store in (one, two)]
    quotas = await asyncio.gather(*(hit(limiter) for limiter in limiters * 20))

    assert [quota.wait for quota in quotas].count(None) == 10
    assert min(quota.wait for quota in quotas if quota.wait is not None) > 0


async def test_policies_and_keys_are_apart(one: RedisStore) -> None:
    pair, tools = (per_minute(policy, 1, buckets=one.buckets) for policy in ("pair", "tools"))

    assert (await hit(pair, "a")).wait is None
    assert (await hit(pair, "a")).wait is not None
    assert (await hit(pair, "b")).wait is None
    assert (await hit(tools, "a")).wait is None


async def test_replica_that_is_started_anew_forgives_nobody(server: Server) -> None:
    for expected in (None, 60):
        async with replica(server) as store:
            wait = (await hit(per_minute("p", 1, buckets=store.buckets))).wait
            assert wait == (expected and pytest.approx(expected, abs=20))


async def test_rate_that_was_lowered_holds_at_once(connection: Connection) -> None:
    clock = Clock(START)
    buckets = RedisBuckets(connection, clock)
    before = per_minute("p", 60, clock=clock, buckets=buckets)
    for _ in range(30):
        await hit(before)
    after = per_minute("p", 10, clock=clock, buckets=buckets)

    assert await hit(after) == Quota("p", 10, 60, 0, reset=180.0, wait=126.0)
    clock.now += 126
    assert (await hit(after)).wait is None


async def test_clock_that_goes_back_blocks_nobody(connection: Connection) -> None:
    clock = Clock(START)
    buckets = RedisBuckets(connection, clock)
    for _ in range(2):
        await buckets.pour("p", "a", 2, USE)
    clock.now -= 3600
    assert not (await buckets.pour("p", "a", 2, USE))[0]
    clock.now += 30

    assert (await buckets.pour("p", "a", 2, USE))[0]
    assert not (await buckets.pour("p", "a", 2, USE))[0]


# The table in front.


async def test_strangers_share_one_bucket_over_all_replicas(
    one: RedisStore, two: RedisStore
) -> None:
    limiters = [per_minute("p", 10, max_keys=2, buckets=store.buckets) for store in (one, two)]
    for limiter in limiters:
        for key in ("a", "b"):
            await hit(limiter, key)
    hits = [hit(limiters[number % 2], f"stranger {number}") for number in range(100)]
    waits = [quota.wait for quota in await asyncio.gather(*hits)]

    assert waits.count(None) == 10
    assert [limiter.keys() for limiter in limiters] == [2, 2]


async def test_table_is_bounded_by_those_who_come_at_one_time(
    server: Server, one: RedisStore
) -> None:
    limiter = per_minute("p", 10, max_keys=5, buckets=one.buckets)
    await asyncio.gather(*(hit(limiter, f"{number}") for number in range(100)))

    assert limiter.keys() == 5
    with server.client() as client:
        assert len(list(client.scan_iter(f"{ROOT}bucket:*"))) == 6


async def test_server_keeps_a_bucket_until_it_is_empty(server: Server, one: RedisStore) -> None:
    quota = await hit(per_minute("p", 10, buckets=one.buckets))
    assert quota.reset == 6.0

    assert 0 < level(server) <= quota.reset + 1


# A server that is away.


async def test_rate_that_cannot_be_counted_is_an_os_error_until_it_can(
    server: Server, one: RedisStore
) -> None:
    limiter = per_minute("p", 10, max_keys=1, buckets=one.buckets)
    server.kill()
    for key in ("a", "b"):
        with pytest.raises(OSError, match="cannot be reached"):
            await limiter.hit(key)
    server.start()

    assert (await hit(limiter)).remaining == 9


@pytest.mark.parametrize(
    ("field", "value"),
    [("level", "garbage"), ("at", "garbage"), ("level", "nan"), ("level", "inf"), ("at", "-inf")],
)
async def test_garbage_in_a_bucket_lets_nobody_through(
    field: str, value: str, server: Server, one: RedisStore
) -> None:
    limiter = per_minute("p", 1, buckets=one.buckets)
    await hit(limiter)
    with server.client() as client:
        client.hset(f"{ROOT}bucket:p:a", field, value)

    with pytest.raises(OSError, match="it answers"):
        await limiter.hit("a")


async def test_bucket_of_another_kind_is_an_os_error(server: Server, one: RedisStore) -> None:
    with server.client() as client:
        client.set(f"{ROOT}bucket:p:a", "garbage")

    with pytest.raises(OSError, match="WRONGTYPE"):
        await per_minute("p", 10, buckets=one.buckets).hit("a")


async def test_what_one_takes_back_the_other_may_use(one: RedisStore, two: RedisStore) -> None:
    left = per_minute("x", 1, buckets=one.buckets)
    right = per_minute("x", 1, buckets=two.buckets)
    await hit(left)

    await left.refund("a")
    again = await hit(right)
    spent = await hit(left)
    await right.clear()
    cleared = await hit(left)

    assert (again.wait, cleared.wait) == (None, None)
    assert spent.wait is not None


async def test_hours_are_counted_as_in_memory(connection: Connection) -> None:
    choose, clock = random.Random(1), Clock(START)
    memory = per_hour("p", 20, clock=clock)
    shared = per_hour("p", 20, clock=clock, buckets=RedisBuckets(connection, clock))
    for _ in range(300):
        clock.now += choose.choice((0, 0, choose.random(), 180, 1200 * choose.random()))
        if choose.random() < 0.1:
            await memory.refund("a")
            await shared.refund("a")
        assert await hit(shared) == await hit(memory)
