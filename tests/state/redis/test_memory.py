"""Idempotency keys and signatures over two replicas, their bounds, and what is cleared away."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from redis_server import Server, replica

from proxy.state.redis.connection import ROOT
from proxy.state.redis.store import RedisStore
from proxy.state.store import MAX_REPLAYS, Begun, Claim, Standing

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0
DAY = 86_400


def claim(key: str = "key", now: float = NOW, bound: int = 3) -> Claim:
    return Claim(key, "shelf", "same", bound, now + 30, now + 600)


async def begun(store: RedisStore, key: str = "key", now: float = NOW) -> Begun:
    return (await store.once.begin(claim(key, now), now)).begun


# Two replicas.


async def test_of_forty_who_begin_at_two_replicas_one_holds_the_key(
    one: RedisStore, two: RedisStore
) -> None:
    standings = await asyncio.gather(*(begun(store) for store in (one, two) * 20))

    assert Counter(standings) == {Begun.FRESH: 1, Begun.RUNNING: 39}


async def test_what_one_has_done_the_other_answers(one: RedisStore, two: RedisStore) -> None:
    await begun(one)
    assert await begun(two) is Begun.RUNNING
    await one.once.finish("key", b"sealed \x00\xff")

    assert await two.once.begin(claim(), NOW) == Standing(Begun.DONE, b"sealed \x00\xff")


async def test_what_one_released_the_other_may_do(one: RedisStore, two: RedisStore) -> None:
    await begun(one)
    await one.once.release("key")

    assert await begun(two) is Begun.FRESH
    assert await begun(one) is Begun.RUNNING


async def test_key_of_a_replica_that_died_is_unknown_to_the_other(
    server: Server, two: RedisStore
) -> None:
    async with replica(server, "one") as one:
        await begun(one)
        await one.once.renew(["key"], NOW + 40, NOW)

    assert await begun(two, now=NOW + 39) is Begun.RUNNING
    assert await begun(two, now=NOW + 40) is Begun.UNKNOWN


async def test_of_forty_signatures_at_two_replicas_one_is_first(
    one: RedisStore, two: RedisStore
) -> None:
    firsts = [store.replays.first("seen", NOW + 60, NOW) for store in (one, two) * 20]

    assert Counter(await asyncio.gather(*firsts)) == {True: 1, False: 39}


# Bounds.


async def test_oldest_signature_is_forgotten_past_the_bound_and_no_other(
    server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        for start in range(0, MAX_REPLAYS, 10_000):
            many = {f"{start + each}": NOW + 1 + start + each for each in range(10_000)}
            client.zadd(f"{ROOT}replays", many)

        assert await one.replays.first("soonest of all to expire", NOW + 0.5, NOW)
        assert client.zcard(f"{ROOT}replays") == MAX_REPLAYS
    assert not await one.replays.first("soonest of all to expire", NOW + 0.5, NOW)
    assert not await one.replays.first("1", NOW + 60, NOW)
    assert await one.replays.first("0", NOW + 60, NOW)


async def test_signatures_that_expired_take_no_memory(server: Server, one: RedisStore) -> None:
    for number in range(100):
        await one.replays.first(f"{number}", NOW + number, NOW)
    await one.replays.first("new", NOW + 600, NOW + 100)

    with server.client() as client:
        assert client.zrange(f"{ROOT}replays", 0, -1) == [b"new"]


# What is cleared away.


def keys(server: Server) -> dict[str, float]:
    """What belongs to keys, and how many seconds the server keeps it."""
    with server.client() as client:
        found = {bytes(key).decode(): client.pttl(key) / 1000 for key in client.scan_iter()}
    names = {key.removeprefix(ROOT): left for key, left in found.items()}
    return {key: left for key, left in names.items() if key not in {"meta", "checked", "number"}}


async def test_server_clears_away_what_expired_a_day_ago(server: Server, one: RedisStore) -> None:
    await begun(one)
    await one.once.finish("key", b"answer")

    left = keys(server)
    assert left.keys() == {"once:key", "shelf:shelf", "done:shelf"}
    assert all(DAY + 500 < seconds <= DAY + 600 for seconds in left.values())


async def test_shelf_is_kept_as_long_as_the_last_key_on_it(server: Server, one: RedisStore) -> None:
    await one.once.begin(replace(claim("long"), expires=NOW + 9000), NOW)
    await one.once.finish("long", None)
    await begun(one, "short")
    await one.once.finish("short", None)

    left = keys(server)
    assert left["shelf:shelf"] > DAY + 8900
    assert left["done:shelf"] > DAY + 8900
    assert left["once:short"] <= DAY + 600


async def test_keys_that_expired_take_no_memory(server: Server, one: RedisStore) -> None:
    for number in range(3):
        await begun(one, f"{number}")
        await one.once.finish(f"{number}", b"answer")
    await begun(one, "new", now=NOW + 600)

    assert keys(server).keys() == {"once:new", "shelf:shelf"}


async def test_keys_that_are_free_take_no_memory(server: Server, one: RedisStore) -> None:
    await begun(one)
    await one.once.release("key")

    assert keys(server) == {}


async def test_key_that_changes_the_shelf_is_on_one(server: Server, one: RedisStore) -> None:
    await begun(one)
    await one.once.finish("key", b"answer")
    await one.once.begin(replace(claim(now=NOW + 600), shelf="other"), NOW + 600)

    assert keys(server).keys() == {"once:key", "shelf:other"}


# What no Sidegate wrote.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("begun", "garbage"),
        ("begun", "fresh!"),
        ("begun", None),
        ("expires", "garbage"),
        ("expires", None),
        ("lease", "garbage"),
    ],
)
async def test_garbage_in_a_key_is_an_os_error_and_never_fresh(
    field: str, value: str | None, server: Server, one: RedisStore
) -> None:
    await begun(one)
    with server.client() as client:
        client.hdel(f"{ROOT}once:key", field)
        if value is not None:
            client.hset(f"{ROOT}once:key", field, value)

    with pytest.raises(OSError, match=r"no sidegate wrote|it answers"):
        await begun(one)


async def test_key_that_expires_at_no_time_is_held(server: Server, one: RedisStore) -> None:
    await begun(one)
    with server.client() as client:
        client.hset(f"{ROOT}once:key", "expires", "nan")

    assert await begun(one) is Begun.RUNNING


async def test_key_without_a_fingerprint_belongs_to_another_request(
    server: Server, one: RedisStore
) -> None:
    await begun(one)
    with server.client() as client:
        client.hset(f"{ROOT}once:key", "fingerprint", "")

    assert await begun(one) is Begun.OTHER


@pytest.mark.parametrize("key", ["once:key", "shelf:shelf"])
async def test_key_of_another_kind_is_an_os_error(
    key: str, server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        client.set(ROOT + key, "garbage")

    with pytest.raises(OSError, match="WRONGTYPE"):
        await begun(one)
    assert keys(server).keys() == {key}


async def test_replays_of_another_kind_are_an_os_error(server: Server, one: RedisStore) -> None:
    with server.client() as client:
        client.set(f"{ROOT}replays", "garbage")

    with pytest.raises(OSError, match="WRONGTYPE"):
        await one.replays.first("seen", NOW + 60, NOW)


async def test_signature_is_not_first_where_it_cannot_be_remembered(
    server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(OSError, match="out of memory"):
            await one.replays.first("seen", NOW + 60, NOW)
        with pytest.raises(OSError, match="out of memory"):
            await begun(one)
        client.config_set("maxmemory", "0")

    assert await one.replays.first("seen", NOW + 60, NOW)
    assert await begun(one) is Begun.FRESH
