"""Tokens and links over two replicas, and what is found in their place."""

import asyncio
import hashlib
from dataclasses import replace

import pytest
from redis_server import Server

from proxy.exchange import Role
from proxy.scope import Autonomy, Scope
from proxy.state.redis.connection import ROOT
from proxy.state.redis.store import RedisStore
from proxy.state.store import TokenRecord

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0
DAY = 86_400


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def token(name: str = "a", expires: float | None = None) -> TokenRecord:
    scope = Scope(("/v1/*",), ("fs.read",), Autonomy.READONLY)
    return TokenRecord(name, digest(name), Role.CLIENT, "", NOW, scope, expires)


# Two replicas.


async def test_token_that_one_revokes_is_none_at_the_other(
    one: RedisStore, two: RedisStore
) -> None:
    await one.tokens.add(token())
    assert await two.tokens.find(digest("a"), NOW) == token()
    assert await one.tokens.revoke("a")

    assert await two.tokens.find(digest("a"), NOW) is None
    assert set(await two.tokens.alive({"a"}, NOW)) == frozenset()
    assert await two.tokens.list(NOW) == []
    assert not await two.tokens.revoke("a")


async def test_token_that_one_rotates_is_another_at_the_other(
    one: RedisStore, two: RedisStore
) -> None:
    await one.tokens.add(token())
    await one.tokens.rotate("a", digest("new"), NOW)

    assert await two.tokens.find(digest("a"), NOW) is None
    assert await two.tokens.find(digest("new"), NOW) == replace(token(), digest=digest("new"))


async def test_of_many_who_rotate_at_one_time_the_last_one_holds(
    one: RedisStore, two: RedisStore
) -> None:
    await one.tokens.add(token())
    fresh = [digest(f"new {number}") for number in range(40)]
    rotations = [
        store.tokens.rotate("a", new, NOW)
        for store, new in zip((one, two) * 20, fresh, strict=True)
    ]
    assert None not in await asyncio.gather(*rotations)

    held = [new for new in fresh if await one.tokens.find(new, NOW)]
    assert len(held) == 1
    assert [record.digest for record in await two.tokens.list(NOW)] == held


async def test_uses_at_two_replicas_never_go_back(one: RedisStore, two: RedisStore) -> None:
    await one.tokens.add(token())
    await one.tokens.touch({"a": NOW + 5})
    await two.tokens.touch({"a": NOW + 3})

    assert [record.used for record in await one.tokens.list(NOW)] == [NOW + 5]


async def test_link_of_one_replica_is_redeemed_once_at_both(
    one: RedisStore, two: RedisStore
) -> None:
    await one.links.put(digest("link"), "console", NOW + 60)
    redeems = [
        store.links.redeem(digest("link"), token(f"{number}"), NOW)
        for number, store in enumerate((one, two) * 20)
    ]

    assert len([record for record in await asyncio.gather(*redeems) if record]) == 1
    assert len(await one.tokens.list(NOW)) == 1


async def test_link_stays_where_the_token_cannot_be_stored(one: RedisStore) -> None:
    await one.links.put(digest("link"), "console", NOW + 60)
    await one.tokens.add(token("a"))
    with pytest.raises(OSError, match="there is a token of this id"):
        await one.links.redeem(digest("link"), token("a"), NOW)

    assert await one.links.redeem(digest("link"), token("b"), NOW)


async def test_digest_of_another_token_cannot_be_taken(one: RedisStore) -> None:
    await one.tokens.add(token("a"))
    await one.tokens.add(token("b"))
    with pytest.raises(OSError, match="there is a token of this digest"):
        await one.tokens.rotate("b", digest("a"), NOW)
    with pytest.raises(OSError, match="there is a token of this id or digest"):
        await one.tokens.add(replace(token("c"), digest=digest("a")))

    assert await one.tokens.list(NOW) == [token("a"), token("b")]
    assert await one.tokens.find(digest("a"), NOW) == token("a")


async def test_place_of_a_token_that_has_expired_may_be_taken(one: RedisStore) -> None:
    await one.tokens.add(token("a", expires=NOW + 1))
    again = replace(token("a"), digest=digest("b"), created=NOW + 1)
    await one.tokens.add(again)

    assert await one.tokens.list(NOW) == [again]
    assert await one.tokens.find(digest("a"), NOW) is None


# What the server clears away.


def lives(server: Server) -> dict[str, float]:
    """How many seconds the server keeps each key that it does not keep for ever."""
    with server.client() as client:
        found = {bytes(key).decode(): client.pttl(key) for key in client.scan_iter()}
    return {key.removeprefix(ROOT): left / 1000 for key, left in found.items() if left != -1}


async def test_server_clears_away_what_expired_a_day_ago_and_nothing_else(
    server: Server, one: RedisStore
) -> None:
    await one.tokens.add(token("a", expires=NOW + 3600))
    await one.tokens.add(token("b"))
    await one.tokens.rotate("a", digest("new"), NOW)
    await one.tokens.touch({"a": NOW + 1})

    left = lives(server)
    assert left.keys() == {"token:a", f"digest:{digest('new').hex()}"}
    assert all(DAY + 3500 < seconds <= DAY + 3600 for seconds in left.values())


async def test_token_that_was_cleared_away_is_none(server: Server, one: RedisStore) -> None:
    await one.tokens.add(token("a", expires=NOW + 3600))
    await one.tokens.add(token("b"))
    with server.client() as client:
        client.delete(f"{ROOT}token:a", f"{ROOT}digest:{digest('a').hex()}")

        assert await one.tokens.list(NOW) == [token("b")]
        assert client.zrange(f"{ROOT}tokens", 0, -1) == [b"b"]
    assert await one.tokens.find(digest("a"), NOW) is None
    assert set(await one.tokens.alive(["a", "b"], NOW)) == frozenset({"b"})
    assert await one.tokens.rotate("a", digest("new"), NOW) is None
    assert not await one.tokens.revoke("a")


async def test_digest_that_leads_nowhere_is_none(server: Server, one: RedisStore) -> None:
    await one.tokens.add(token("a"))
    with server.client() as client:
        client.delete(f"{ROOT}token:a")

    assert await one.tokens.find(digest("a"), NOW) is None
    await one.tokens.add(token("a"))
    assert await one.tokens.find(digest("a"), NOW) == token("a")


# What no Sidegate wrote.


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("scope", "", id="no scope"),
        pytest.param("scope", "null", id="scope null"),
        pytest.param("scope", "{}", id="scope without bounds"),
        pytest.param("scope", "[]", id="a list for a scope"),
        pytest.param("scope", "{", id="half a scope"),
        pytest.param("scope", '{"routes": null, "tools": null, "level": "god"}', id="level"),
        pytest.param("scope", '{"routes": "/*", "tools": null, "level": null}', id="routes"),
        pytest.param("scope", '{"routes": null, "tools": [7], "level": null}', id="tools"),
        pytest.param(
            "scope",
            '{"routes": null, "tools": null, "level": null, "until": 9}',
            id="a newer bound",
        ),
        pytest.param("role", "god", id="role"),
        pytest.param("role", b"\xff", id="role of no letters"),
    ],
)
async def test_token_that_is_not_understood_is_refused_and_never_widened(
    field: str, value: str | bytes, server: Server, one: RedisStore
) -> None:
    await one.tokens.add(token("a"))
    await one.tokens.add(token("b"))
    with server.client() as client:
        client.hset(f"{ROOT}token:a", field, value)

    assert await one.tokens.find(digest("a"), NOW) is None
    assert await one.tokens.list(NOW) == [token("b")]
    assert set(await one.tokens.alive({"a", "b"}, NOW)) == frozenset({"b"})
    assert await one.tokens.rotate("a", digest("new"), NOW) is None
    assert await one.tokens.revoke("a")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("digest", "garbage"),
        ("digest", None),
        ("created", "garbage"),
        ("created", None),
        ("label", None),
        ("label", b"\xff"),
        ("expires", "garbage"),
        ("expires", None),
        ("used", "garbage"),
        ("used", None),
    ],
)
async def test_garbage_in_a_token_is_an_os_error(
    field: str, value: str | bytes | None, server: Server, one: RedisStore
) -> None:
    await one.tokens.add(token("a", expires=NOW + 60))
    with server.client() as client:
        client.hdel(f"{ROOT}token:a", field)
        if value is not None:
            client.hset(f"{ROOT}token:a", field, value)

    with pytest.raises(OSError, match="no sidegate wrote"):
        await one.tokens.find(digest("a"), NOW)
    with pytest.raises(OSError, match="no sidegate wrote"):
        await one.tokens.list(NOW)
    assert await one.tokens.revoke("a")
    assert await one.tokens.list(NOW) == []


async def test_token_that_expires_at_no_time_is_over(server: Server, one: RedisStore) -> None:
    await one.tokens.add(token("a", expires=NOW + 60))
    with server.client() as client:
        client.hset(f"{ROOT}token:a", "expires", "nan")

    assert await one.tokens.find(digest("a"), NOW) is None
    assert await one.tokens.list(NOW) == []
    assert await one.tokens.rotate("a", digest("new"), NOW) is None


async def test_digest_of_another_in_a_token_is_none(server: Server, one: RedisStore) -> None:
    """Whoever could write one key must not make a second token of it."""
    await one.tokens.add(token("a"))
    with server.client() as client:
        client.set(f"{ROOT}digest:{digest('guess').hex()}", "a")

    assert await one.tokens.find(digest("guess"), NOW) is None


@pytest.mark.parametrize("key", ["token:a", "tokens", f"digest:{digest('a').hex()}"])
async def test_key_of_another_kind_is_an_os_error(
    key: str, server: Server, one: RedisStore
) -> None:
    with server.client() as client:
        client.rpush(ROOT + key, "garbage")

    with pytest.raises(OSError, match="WRONGTYPE"):
        await one.tokens.add(token("a"))
    with server.client() as client:
        assert len(list(client.scan_iter(f"{ROOT}*"))) == 3  # that, and the two of the store


@pytest.mark.parametrize(
    ("field", "value"), [("expires", "garbage"), ("expires", None), ("label", None)]
)
async def test_link_that_is_not_whole_mints_nothing(
    field: str, value: str | None, server: Server, one: RedisStore
) -> None:
    await one.links.put(digest("link"), "console", NOW + 60)
    with server.client() as client:
        client.hdel(f"{ROOT}link:{digest('link').hex()}", field)
        if value is not None:
            client.hset(f"{ROOT}link:{digest('link').hex()}", field, value)

    if field == "label":
        assert await one.links.redeem(digest("link"), token(), NOW) is None
    else:
        with pytest.raises(OSError, match="it answers"):
            await one.links.redeem(digest("link"), token(), NOW)
    assert await one.tokens.list(NOW) == []
