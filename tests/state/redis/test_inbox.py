"""Letters over two replicas, and that what is known of them in several places agrees."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from redis_server import Server, replica

from proxy.state.letters import Condition, Inbox, Letter, Put
from proxy.state.redis.connection import ROOT
from proxy.state.redis.store import RedisStore

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0


def letter(name: str = "a", due: float = 0.0) -> Letter:
    return Letter(name, "slack", b"sealed \x00\xff", NOW, NOW + due)


# Two replicas.


async def test_letter_is_stored_once_at_both(one: RedisStore, two: RedisStore) -> None:
    puts = await asyncio.gather(*(store.inbox.put(letter()) for store in (one, two) * 20))

    assert sorted(each.value for each in puts) == ["known"] * 39 + ["stored"]


async def test_each_letter_is_claimed_and_sent_by_one(one: RedisStore, two: RedisStore) -> None:
    for number in range(30):
        await one.inbox.put(letter(f"{number}"))
    claims = [store.inbox.claim(NOW, NOW + 60) for store in (one, two) * 30]
    claimed = [each.id for each in await asyncio.gather(*claims) if each]
    assert sorted(claimed) == sorted(f"{number}" for number in range(30))

    sends = [store.inbox.sending("0", NOW + 60, NOW + 60) for store in (one, two) * 20]
    assert sum(await asyncio.gather(*sends)) == 1


async def test_letter_of_a_replica_that_died_is_buried_by_the_other(
    server: Server, two: RedisStore
) -> None:
    async with replica(server, "one") as one:
        await one.inbox.put(letter("sent"))
        await one.inbox.put(letter("claimed", due=1))
        await one.inbox.claim(NOW + 1, NOW + 60)
        await one.inbox.sending("sent", NOW + 60, NOW + 60)
        await one.inbox.claim(NOW + 1, NOW + 60)

    assert await two.inbox.recover("lost", NOW + 60) == 1
    assert await two.inbox.claim(NOW + 60, NOW + 90) == letter("claimed", due=1)
    [dead] = [each for each in await two.inbox.list(NOW) if each.condition is Condition.DEAD]
    assert (dead.id, dead.why) == ("sent", "lost")


async def test_letter_that_one_drops_the_other_does_not_send(
    one: RedisStore, two: RedisStore
) -> None:
    await one.inbox.put(letter())
    await one.inbox.claim(NOW, NOW + 60)
    assert await two.inbox.drop("a")

    assert not await one.inbox.sending("a", NOW + 60, NOW + 60)


# What is known in several places.


def places(server: Server) -> dict[str, set[str]]:
    """The ids in each place."""
    with server.client() as client:
        names = ("letters", "due", "leased", "sending", "delivered")
        found = {name: [key for key, _ in client.zscan_iter(ROOT + name)] for name in names}
        letters = [bytes(key).decode() for key in client.scan_iter(f"{ROOT}letter:*")]
        sizes = sum(client.hstrlen(key, "content") for key in letters)
        assert int(client.get(f"{ROOT}bytes") or 0) == sizes
    there = {name: {str(each, "utf-8") for each in ids} for name, ids in found.items()}
    assert there["letters"] == {key.removeprefix(f"{ROOT}letter:") for key in letters}
    return there


async def step(inbox: Inbox, choose: random.Random, now: float) -> object:
    """Any verb, to any of four letters."""
    name, soon = choose.choice("abcd"), now + choose.choice((1, 20))
    content = choose.randbytes(choose.randrange(9))
    verbs: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: inbox.put(Letter(name, "slack", content, now, now)),
        lambda: inbox.put(Letter(name, "slack", content, now, soon)),
        lambda: inbox.claim(now, soon),
        lambda: inbox.claim(now, soon),
        lambda: inbox.sending(name, NOW + 60, NOW + 60),
        lambda: inbox.delivered(name, soon),
        lambda: inbox.postpone(name, 0.0, soon),
        lambda: inbox.bury(name, 0.0, "why"),
        lambda: inbox.recover("lost", now),
        lambda: inbox.retry(name, now),
        lambda: inbox.drop(name),
    )
    return await choose.choice(verbs)()


@pytest.mark.parametrize("seed", range(5))
async def test_each_letter_is_in_the_one_place_of_its_condition(
    seed: int, server: Server, one: RedisStore
) -> None:
    choose, now = random.Random(seed), NOW
    for _ in range(150):
        now += choose.choice((0.1, 5))
        await step(one.inbox, choose, now)

        there = places(server)
        conditions = {each.id: each.condition for each in await one.inbox.list(now)}
        waiting = {name for name, each in conditions.items() if each is Condition.WAITING}
        sent = {name for name, each in conditions.items() if each is Condition.SENDING}
        assert there["letters"] == conditions.keys()
        assert there["due"] | there["leased"] == waiting
        assert not there["due"] & there["leased"]
        assert there["sending"] == sent
        assert not there["delivered"] & there["letters"]


async def test_inbox_that_is_empty_takes_no_memory(server: Server, one: RedisStore) -> None:
    for name in ("a", "b"):
        await one.inbox.put(letter(name))
    await one.inbox.delivered("a", NOW + 1)
    await one.inbox.drop("b")
    await one.inbox.put(Letter("c", "slack", b"", NOW + 1, NOW))
    await one.inbox.drop("c")

    assert not any(places(server).values())


# What no Sidegate wrote.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("condition", "garbage"),
        ("stored", "garbage"),
        ("due", None),
        ("attempts", "1.5"),
        ("channel", None),
        ("why", b"\xff"),
    ],
)
async def test_garbage_in_a_letter_is_an_os_error_and_leaves_the_others(
    field: str, value: str | bytes | None, server: Server, one: RedisStore
) -> None:
    await one.inbox.put(letter("a"))
    await one.inbox.put(letter("b"))
    with server.client() as client:
        client.hdel(f"{ROOT}letter:a", field)
        if value is not None:
            client.hset(f"{ROOT}letter:a", field, value)

    with pytest.raises(OSError, match="no sidegate wrote"):
        await one.inbox.list(NOW)
    with pytest.raises(OSError, match="no sidegate wrote"):
        await one.inbox.claim(NOW, NOW + 60)
    assert await one.inbox.claim(NOW, NOW + 60) == letter("b")


@pytest.mark.parametrize(("field", "value"), [("lease", "garbage"), ("lease", ""), ("due", "x")])
async def test_letter_with_garbage_for_a_time_goes_nowhere(
    field: str, value: str, server: Server, one: RedisStore
) -> None:
    await one.inbox.put(letter("a"))
    await one.inbox.claim(NOW, NOW + 60)
    with server.client() as client:
        client.hset(f"{ROOT}letter:a", field, value)

    if field == "lease":
        assert not await one.inbox.sending("a", NOW + 60, NOW + 60)
    for now in (NOW + 60, NOW + 120):
        with suppress(OSError):
            await one.inbox.claim(now, now + 60)
        there = places(server)
        assert there["due"] | there["leased"] == {"a"}
    assert await one.inbox.drop("a")


async def test_letter_of_which_only_the_id_is_left_is_not_claimed_for_ever(
    server: Server, one: RedisStore
) -> None:
    await one.inbox.put(letter("a"))
    await one.inbox.put(letter("b"))
    with server.client() as client:
        client.delete(f"{ROOT}letter:a")

    with pytest.raises(OSError, match="no sidegate wrote"):
        await one.inbox.claim(NOW, NOW + 60)
    assert await one.inbox.claim(NOW, NOW + 60) == letter("b")
    assert await one.inbox.claim(NOW + 60, NOW + 90) == letter("b")
    assert [each.id for each in await one.inbox.list(NOW)] == ["b"]


@pytest.mark.parametrize("key", ["letters", "bytes", "due", "delivered", "letter:a"])
async def test_key_of_another_kind_is_an_os_error_and_nothing_is_stored(
    key: str, server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        client.rpush(ROOT + key, "garbage")
        before = {bytes(each) for each in client.scan_iter()}
        with pytest.raises(OSError, match="WRONGTYPE"):
            await one.inbox.put(letter())

        assert {bytes(each) for each in client.scan_iter()} == before


async def test_count_of_bytes_that_is_garbage_is_an_os_error(
    server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        client.set(f"{ROOT}bytes", "garbage")

    with pytest.raises(OSError, match="it answers"):
        await one.inbox.put(letter())
    assert await one.inbox.list(NOW) == []


async def test_inbox_takes_nothing_and_still_empties_where_there_is_no_memory(
    server: Server, one: RedisStore
) -> None:
    for number, name in enumerate(("sent", "late", "refused", "dropped")):
        await one.inbox.put(letter(name, due=number - 9))
    with server.client() as client:
        client.config_set("maxmemory", "1")
        with pytest.raises(OSError, match="out of memory"):
            await one.inbox.put(letter())
        for _ in range(3):
            claimed = await one.inbox.claim(NOW, NOW + 60)
            assert claimed is not None
            assert await one.inbox.sending(claimed.id, claimed.held, claimed.held)
        await one.inbox.delivered("sent", NOW + 60)
        await one.inbox.postpone("late", NOW + 60, NOW + 60)
        await one.inbox.bury("refused", NOW + 60, "why")
        assert await one.inbox.drop("dropped")
        client.config_set("maxmemory", "0")

    assert places(server)["delivered"] == {"sent"}
    assert [each.attempts for each in await one.inbox.list(NOW)] == [1, 0]
    assert await one.inbox.put(letter()) is Put.STORED
