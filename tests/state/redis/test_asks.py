"""Asks over two replicas, and where the server is short of something."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest
from redis_server import Server, replica

from proxy.state.approvals import MAX_ASKS_EACH, TAKEN_SECONDS, Ask, Standing
from proxy.state.redis.connection import ROOT
from proxy.state.redis.store import RedisStore

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0


def ask(name: str = "a", binding: str = "binding") -> Ask:
    return Ask(
        *(name, "agent", "shell", binding, b"sealed \x00\xff"),
        detached=True,
        created=NOW,
        expires=NOW + 60,
    )


async def approve(store: RedisStore, *names: str) -> bool:
    return await store.asks.decide(dict.fromkeys(names, NOW + 60), approve=True, by="o", now=NOW)


async def take(store: RedisStore, name: str = "a", now: float = NOW) -> bool:
    return await store.asks.take(name, "binding", store.instance, now)


# Two replicas.


async def test_same_call_at_two_replicas_is_asked_about_once(
    one: RedisStore, two: RedisStore
) -> None:
    stores = (one, two) * 20
    puts = (store.asks.put(ask(str(each)), NOW) for each, store in enumerate(stores))
    found = await asyncio.gather(*puts)

    assert len({each.id for each in found if each}) == 1
    assert len(await two.asks.list(NOW)) == 1


async def test_full_queue_is_full_at_both(one: RedisStore, two: RedisStore) -> None:
    stores = (one, two) * MAX_ASKS_EACH
    puts = (store.asks.put(ask(str(each), str(each)), NOW) for each, store in enumerate(stores))

    assert sum(each is not None for each in await asyncio.gather(*puts)) == MAX_ASKS_EACH


async def test_what_one_approves_one_of_both_does(one: RedisStore, two: RedisStore) -> None:
    await one.asks.put(ask(), NOW)
    decided = await asyncio.gather(*(approve(store, "a") for store in (one, two) * 20))
    taken = await asyncio.gather(*(take(store) for store in (one, two) * 20))

    assert Counter(decided) == Counter(taken) == {True: 1, False: 39}


async def test_what_a_replica_left_is_lost_and_what_another_does_is_not(
    server: Server, two: RedisStore
) -> None:
    await two.asks.put(ask("b"), NOW)
    await approve(two, "b")
    assert await take(two, "b")
    await two.asks.put(ask("a"), NOW)
    await approve(two, "a")
    async with replica(server, "one") as one:
        assert await take(one, "a")

    async with replica(server, "one") as again:
        assert await again.asks.bury(again.instance, NOW + 60) == 1
    assert [each.standing for each in await two.asks.list(NOW)] == [Standing.LOST, Standing.TAKEN]


# What is at the server.


def keys(server: Server) -> set[str]:
    with server.client() as client:
        found = {bytes(each).decode() for each in client.scan_iter(f"{ROOT}ask*", count=1000)}
    return {each.removeprefix(ROOT) for each in found}


async def test_asks_that_are_over_take_no_memory(server: Server, one: RedisStore) -> None:
    for name in ("taken", "waits"):
        await one.asks.put(replace(ask(name), detached=name == "taken"), NOW)
    await approve(one, "taken")
    assert await take(one, "taken")
    await take(one, "gone", NOW + 60)
    assert keys(server) == {"asks", "ask:taken"}
    await take(one, "gone", NOW + 60 + TAKEN_SECONDS)

    assert keys(server) == set()


async def test_nothing_new_is_asked_and_what_was_is_done_where_there_is_no_memory(
    server: Server, one: RedisStore
) -> None:
    await one.asks.put(ask("a"), NOW)
    await one.asks.put(ask("b", "other"), NOW)
    with server.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(OSError, match="out of memory"):
            await one.asks.put(ask("c", "another"), NOW)
        assert await approve(one, "a", "b")
        assert await take(one)
        await one.asks.finish("a", one.instance, b"answer", NOW + 60)
        await one.asks.refuse("b", b"no", NOW + 60)
        client.config_set("maxmemory", "0")

    answers = {each.id: (each.standing, each.answer) for each in await one.asks.list(NOW)}
    assert answers == {"a": (Standing.DONE, b"answer"), "b": (Standing.REFUSED, b"no")}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("standing", "garbage"),
        ("created", "garbage"),
        ("expires", None),
        ("detached", None),
        ("detached", "yes"),
        ("tool", None),
        ("content", None),
        ("decided_by", b"\xff"),
    ],
)
async def test_garbage_in_an_ask_is_an_os_error(
    field: str, value: str | bytes | None, server: Server, one: RedisStore
) -> None:
    await one.asks.put(ask(), NOW)
    with server.client() as client:
        client.hdel(f"{ROOT}ask:a", field)
        if value is not None:
            client.hset(f"{ROOT}ask:a", field, value)

    with pytest.raises(OSError, match="no sidegate wrote"):
        await one.asks.get("a", NOW)
    with pytest.raises(OSError, match="no sidegate wrote"):
        await one.asks.list(NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [("standing", "garbage"), ("expires", None), ("detached", "yes"), ("created", None)],
)
async def test_progress_that_is_not_understood_is_an_os_error(
    field: str, value: str | None, server: Server, one: RedisStore
) -> None:
    await one.asks.put(ask(), NOW)
    with server.client() as client:
        client.hdel(f"{ROOT}ask:a", field)
        if value is not None:
            client.hset(f"{ROOT}ask:a", field, value)

    with pytest.raises(OSError, match="no sidegate wrote"):
        await one.asks.progress(NOW)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("standing", "garbage"), ("standing", None), ("binding", None)),
        *(("detached", "yes"), ("detached", None)),
    ],
)
async def test_ask_that_is_not_whole_is_not_done(
    field: str, value: str | None, server: Server, one: RedisStore
) -> None:
    await one.asks.put(ask(), NOW)
    await approve(one, "a")
    with server.client() as client:
        client.hdel(f"{ROOT}ask:a", field)
        if value is not None:
            client.hset(f"{ROOT}ask:a", field, value)

    assert not await take(one)
    assert not await one.asks.take("a", "", "one", NOW)


async def test_ask_of_which_only_the_id_is_left_is_not_done_and_goes(
    server: Server, one: RedisStore
) -> None:
    await one.asks.put(ask(), NOW)
    await approve(one, "a")
    with server.client() as client:
        client.delete(f"{ROOT}ask:a")

    assert not await take(one)
    assert not await approve(one, "a")
    assert not await take(one, now=NOW + 60)
    assert keys(server) == set()


@pytest.mark.parametrize("key", ["asks", "ask:a"])
async def test_key_of_another_kind_is_an_os_error_and_nothing_is_stored(
    key: str, server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        client.rpush(ROOT + key, "garbage")
    with pytest.raises(OSError, match="WRONGTYPE"):
        await one.asks.put(ask(), NOW)

    assert keys(server) == {key}


@pytest.mark.parametrize("ends", [float("nan"), float("inf")])
async def test_ask_that_never_ends_is_an_os_error_and_changes_nothing(
    ends: float, server: Server, one: RedisStore
) -> None:
    with pytest.raises(OSError, match="it answers"):
        await one.asks.put(replace(ask(), expires=ends), NOW)
    assert keys(server) == set()
    await one.asks.put(ask(), NOW)
    with pytest.raises(OSError, match="it answers"):
        await one.asks.decide({"a": ends}, approve=True, by="", now=NOW)

    assert await one.asks.list(NOW) == [ask()]
