"""Codes and lockouts over two replicas, and where the server is short of something."""

import asyncio
import hashlib
from collections import Counter
from contextlib import suppress

import pytest
from redis_server import Server

from proxy.exchange import Role
from proxy.scope import Minting
from proxy.state.redis.connection import ROOT
from proxy.state.redis.store import RedisStore
from proxy.state.store import (
    FORGET_SECONDS,
    LOCKOUT_SECONDS,
    MAX_FAILURES,
    MAX_LOCKOUTS,
    MAX_WRONG,
    Redeemed,
    Redemption,
    TokenRecord,
)

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0
CODE = "274659"


def token(name: str = "a") -> TokenRecord:
    return TokenRecord(name, hashlib.sha256(name.encode()).digest(), Role.CLIENT, "", NOW)


async def redeem(
    store: RedisStore, code: str = CODE, peer: str = "peer", name: str = "a", now: float = NOW
) -> Redemption:
    return await store.codes.redeem(code, peer, token(name), now)


async def fail(store: RedisStore, peer: str = "peer", times: int = 1, now: float = NOW) -> None:
    for _ in range(times):
        assert await redeem(store, "wrong", peer, now=now) == Redemption(Redeemed.WRONG)


async def test_code_of_one_replica_is_redeemed_at_another(one: RedisStore, two: RedisStore) -> None:
    await one.codes.put(CODE, Minting("laptop"), NOW + 600)

    assert await two.codes.pending(NOW)
    assert (await redeem(two)).outcome is Redeemed.PAIRED
    assert not await one.codes.pending(NOW)
    assert [record.label for record in await one.tokens.list(NOW)] == ["laptop"]


async def test_of_forty_redeems_at_two_replicas_one_has_the_token(
    one: RedisStore, two: RedisStore
) -> None:
    await one.codes.put(CODE, Minting(), NOW + 600)
    redeems = [
        redeem(store, peer=f"peer {number}", name=str(number))
        for number, store in enumerate((one, two) * 20)
    ]
    outcomes = Counter(each.outcome for each in await asyncio.gather(*redeems))

    assert outcomes == {Redeemed.PAIRED: 1, Redeemed.WRONG: 39}
    assert len(await two.tokens.list(NOW)) == 1


async def test_failures_at_two_replicas_lock_out_at_both(one: RedisStore, two: RedisStore) -> None:
    await one.codes.put(CODE, Minting(), NOW + 600)
    await fail(one, times=MAX_FAILURES - 1)
    await fail(two)

    assert await redeem(one) == Redemption(Redeemed.LOCKED, LOCKOUT_SECONDS)
    assert await redeem(two, now=NOW + 100) == Redemption(Redeemed.LOCKED, LOCKOUT_SECONDS - 100)


async def test_wrong_guesses_at_two_replicas_void_the_code(
    one: RedisStore, two: RedisStore
) -> None:
    await one.codes.put(CODE, Minting(), NOW + 600)
    for number in range(MAX_WRONG):
        await fail((one, two)[number % 2], peer=f"peer {number}")

    assert not await one.codes.pending(NOW)
    assert await redeem(two, peer="other") == Redemption(Redeemed.WRONG)


async def test_strangers_cannot_fill_the_memory(server: Server, one: RedisStore) -> None:
    await fail(one, peer="known")
    with server.client() as client:
        for start in range(1, MAX_LOCKOUTS, 1000):
            strangers = [f"stranger {start + each}" for each in range(1000)]
            strangers = strangers[: MAX_LOCKOUTS - start]
            client.zadd(f"{ROOT}lockouts", dict.fromkeys(strangers, NOW + 600))
        await fail(one, peer="new", times=2 * MAX_FAILURES)
        await fail(one, peer="known", times=MAX_FAILURES - 1)

        assert (await redeem(one, peer="known")).outcome is Redeemed.LOCKED
        assert client.zcard(f"{ROOT}lockouts") == MAX_LOCKOUTS
        assert client.hkeys(f"{ROOT}failures") == [b"known"]


async def test_lockouts_that_are_over_take_no_memory(server: Server, one: RedisStore) -> None:
    for number in range(20):
        await fail(one, peer=f"stranger {number}", times=1 + number % MAX_FAILURES)
    await fail(one, peer="new", now=NOW + FORGET_SECONDS + 1)

    with server.client() as client:
        assert client.zrange(f"{ROOT}lockouts", 0, -1) == [b"new"]
        assert client.hkeys(f"{ROOT}failures") == [b"new"]


# What must hold together, holds together.


async def test_code_or_token_is_there_where_memory_is_short(
    server: Server, one: RedisStore
) -> None:
    """A server lets a script go on that begins by freeing memory; it never ends one half-way."""
    await one.codes.put(CODE, Minting(), NOW + 600)
    with server.client() as client:
        client.config_set("maxmemory", "1")
        with suppress(OSError):
            await redeem(one)
        client.config_set("maxmemory", "0")

    assert await one.codes.pending(NOW) is (await one.tokens.list(NOW) == [])


async def test_code_stays_where_the_token_cannot_be_stored(one: RedisStore) -> None:
    await one.tokens.add(token("a"))
    await one.codes.put(CODE, Minting(), NOW + 600)
    with pytest.raises(OSError, match="there is a token of this id"):
        await redeem(one, name="a")

    assert (await redeem(one, name="b")).outcome is Redeemed.PAIRED


@pytest.mark.parametrize("key", ["tokens", "token:a", f"digest:{token().digest.hex()}"])
async def test_code_stays_where_the_place_of_the_token_is_taken(
    key: str, server: Server, one: RedisStore
) -> None:
    await one.codes.put(CODE, Minting(), NOW + 600)
    with server.client() as client:
        client.rpush(ROOT + key, "garbage")
        with pytest.raises(OSError, match="WRONGTYPE"):
            await redeem(one)
        client.delete(ROOT + key)

    assert await one.tokens.list(NOW) == []
    assert (await redeem(one)).outcome is Redeemed.PAIRED


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("expires", "garbage", id="a word for a time"),
        pytest.param("expires", None, id="no time"),
        pytest.param("lifetime", "garbage", id="a word for a lifetime"),
        pytest.param("lifetime", None, id="no lifetime"),
        pytest.param("label", None, id="no label"),
        pytest.param("scope", None, id="no scope"),
    ],
)
async def test_code_that_is_not_whole_mints_nothing(
    field: str, value: str | None, server: Server, one: RedisStore
) -> None:
    await one.codes.put(CODE, Minting(), NOW + 600)
    with server.client() as client:
        client.hdel(f"{ROOT}code", field)
        if value is not None:
            client.hset(f"{ROOT}code", field, value)

    with pytest.raises(OSError, match="it answers"):
        await redeem(one)
    assert await one.tokens.list(NOW) == []
    with server.client() as client:
        assert client.exists(f"{ROOT}code")


async def test_code_whose_scope_is_not_understood_gives_no_token(
    server: Server, one: RedisStore
) -> None:
    await one.codes.put(CODE, Minting(), NOW + 600)
    with server.client() as client:
        client.hset(f"{ROOT}code", "scope", '{"routes": null, "planets": null}')

    with pytest.raises(OSError, match="no sidegate wrote"):
        await redeem(one)
    assert await one.tokens.list(NOW) == []
    assert await one.tokens.find(token().digest, NOW) is None


async def test_code_that_ends_at_no_time_is_wrong(server: Server, one: RedisStore) -> None:
    await one.codes.put(CODE, Minting(), NOW + 600)
    with server.client() as client:
        client.hset(f"{ROOT}code", "expires", "nan")

    assert not await one.codes.pending(NOW)
    assert await redeem(one) == Redemption(Redeemed.WRONG)


@pytest.mark.parametrize("key", ["code", "lockouts", "failures"])
async def test_garbage_in_place_of_what_is_read_is_an_os_error(
    key: str, server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        client.set(ROOT + key, "garbage")

    with pytest.raises(OSError, match="WRONGTYPE"):
        await redeem(one)


@pytest.mark.parametrize("garbage", ["garbage", "nan"])
async def test_count_of_failures_that_is_garbage_lets_nobody_in(
    garbage: str, server: Server, one: RedisStore
) -> None:
    await one.codes.put(CODE, Minting(), NOW + 600)
    with server.client() as client:
        client.hset(f"{ROOT}failures", "peer", garbage)

    with pytest.raises(OSError, match=r"it answers|no sidegate wrote"):
        await redeem(one)
    assert (await redeem(one, peer="other")).outcome is Redeemed.PAIRED
