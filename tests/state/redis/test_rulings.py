"""Grants and stops over two replicas, and where the server is short of something."""

import asyncio
from dataclasses import replace

import pytest
from redis_server import Server

from proxy.state.approvals import MAX_STANDING, MAX_STOPS, StandingGrant, Stop, StopKind
from proxy.state.redis.connection import ROOT
from proxy.state.redis.store import RedisStore

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0
GRANT = StandingGrant("a", "agent", "github.*", "operator", NOW, NOW + 60)
STOP = Stop("a", StopKind.ALL, "", "why", "operator", NOW)
CALL = Stop("call", StopKind.CALL, "digest", "why", "", NOW, NOW + 60)


async def test_what_one_rules_the_other_knows(one: RedisStore, two: RedisStore) -> None:
    await one.grants.add(GRANT, NOW)
    await one.stops.add(STOP, NOW)
    assert await two.grants.list(NOW) == [GRANT]
    assert await two.stops.list(NOW) == [STOP]

    assert await two.grants.revoke("a")
    assert await two.stops.lift("a")
    assert await one.grants.list(NOW) == []
    assert await one.stops.list(NOW) == []


async def test_bounds_hold_over_two_replicas(one: RedisStore, two: RedisStore) -> None:
    grants = (
        store.grants.add(replace(GRANT, id=str(each)), NOW)
        for each, store in enumerate((one, two) * MAX_STANDING)
    )
    stops = (
        store.stops.add(replace(CALL, id=str(each)), NOW)
        for each, store in enumerate((one, two) * MAX_STOPS)
    )

    assert sum(await asyncio.gather(*grants)) == MAX_STANDING
    assert sum(await asyncio.gather(*stops)) == MAX_STOPS


async def test_what_has_expired_takes_no_memory(server: Server, one: RedisStore) -> None:
    for each in range(20):
        await one.grants.add(replace(GRANT, id=str(each)), NOW)
        await one.stops.add(replace(CALL, id=str(each)), NOW)
    await one.grants.add(replace(GRANT, id="late", expires=NOW + 120), NOW + 60)
    await one.stops.add(replace(CALL, id="late", expires=NOW + 120), NOW + 60)
    await one.grants.revoke("late")
    await one.stops.lift("late")

    with server.client() as client:
        assert not list(client.scan_iter(f"{ROOT}grant*", count=1000))
        assert not list(client.scan_iter(f"{ROOT}call*", count=1000))


async def test_operator_can_stop_lift_and_revoke_where_there_is_no_memory(
    server: Server, one: RedisStore
) -> None:
    await one.grants.add(GRANT, NOW)
    await one.stops.add(replace(STOP, id="old"), NOW)
    with server.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(OSError, match="out of memory"):
            await one.grants.add(replace(GRANT, id="b"), NOW)
        with pytest.raises(OSError, match="out of memory"):
            await one.stops.add(CALL, NOW)
        assert await one.stops.add(STOP, NOW)
        assert await one.stops.lift("old")
        assert await one.grants.revoke("a")
        client.config_set("maxmemory", "0")

    assert await one.stops.list(NOW) == [STOP]
    assert await one.grants.list(NOW) == []


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        " ",
        "garbage",
        "7",
        "null",
        "[]",
        '["a", "all", "", "why", "operator", "1.0"]',
        '["a", "planet", "", "why", "operator", "1.0", "inf"]',
        '["a", "all", "", "why", "operator", "never", "inf"]',
        '["a", "all", "", "why", "operator", "1.0", null]',
    ],
)
@pytest.mark.parametrize("kind", ["stop", "call", "grant"])
async def test_garbage_is_an_os_error(
    kind: str, garbage: str, server: Server, one: RedisStore
) -> None:
    """Who asks what may go on learns that it is not known, and never that nothing is stopped."""
    await rule(one, kind)
    with server.client() as client:
        client.hset(ROOT + kind, "a", garbage)

    with pytest.raises(OSError, match="no sidegate wrote"):
        await (one.grants if kind == "grant" else one.stops).list(NOW)


@pytest.mark.parametrize("kind", ["stop", "call", "grant"])
async def test_ruling_of_which_only_the_id_is_left_is_an_os_error(
    kind: str, server: Server, one: RedisStore
) -> None:
    await rule(one, kind)
    with server.client() as client:
        client.delete(ROOT + kind)

    with pytest.raises(OSError, match="no sidegate wrote"):
        await (one.grants if kind == "grant" else one.stops).list(NOW)


async def rule(store: RedisStore, kind: str) -> None:
    """There is one thing alone, of which nothing must not be made."""
    if kind == "grant":
        await store.grants.add(GRANT, NOW)
    else:
        await store.stops.add(STOP if kind == "stop" else replace(CALL, id="a"), NOW)


@pytest.mark.parametrize("key", ["stops", "stop"])
async def test_key_of_another_kind_is_an_os_error_and_nothing_is_stored(
    key: str, server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        client.set(ROOT + key, "garbage")
        with pytest.raises(OSError, match="WRONGTYPE"):
            await one.stops.add(STOP, NOW)

        assert list(client.scan_iter(f"{ROOT}stop*", count=1000)) == [(ROOT + key).encode()]


async def test_time_that_is_none_is_an_os_error(server: Server, one: RedisStore) -> None:
    with pytest.raises(OSError, match="it answers"):
        await one.grants.add(replace(GRANT, expires=float("nan")), NOW)

    with server.client() as client:
        assert not list(client.scan_iter(f"{ROOT}grant*", count=1000))
