"""Pins over two replicas, and where the server holds what no Sidegate wrote."""

import asyncio

import pytest
from redis_server import Server

from proxy.state.pins import Seen
from proxy.state.redis.connection import ROOT
from proxy.state.redis.store import RedisStore

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0
FIRST, OTHER = Seen("get_me", "a", b"{}"), Seen("get_me", "b", b"{}")


async def test_what_one_saw_first_the_other_trusts(one: RedisStore, two: RedisStore) -> None:
    assert await one.pins.see("github", [FIRST], NOW) == {"get_me"}
    assert await two.pins.see("github", [FIRST], NOW) == {"get_me"}
    assert await two.pins.see("github", [OTHER], NOW) == frozenset()

    assert await one.pins.accept("github", "get_me", "b", NOW)
    assert await two.pins.see("github", [OTHER], NOW) == {"get_me"}


async def test_of_two_that_see_first_one_does(one: RedisStore, two: RedisStore) -> None:
    found = await asyncio.gather(
        one.pins.see("github", [FIRST], NOW), two.pins.see("github", [OTHER], NOW)
    )

    assert sorted(map(len, found)) == [0, 1]


@pytest.mark.parametrize(
    "written", ["", "garbage", "1|x|1|2|", "x|1.0|1|2|", "1||1|x|", "1||x|2|", "1|1.0"]
)
async def test_what_no_sidegate_wrote_is_not_trusted(
    one: RedisStore, server: Server, written: str
) -> None:
    await one.pins.see("github", [FIRST], NOW)
    with server.client() as client:
        client.hset(f"{ROOT}pin:github:get_me", "a", written)

    with pytest.raises(OSError, match="state"):
        await one.pins.see("github", [FIRST], NOW)
    with pytest.raises(OSError, match="state"):
        await one.pins.get("github", "get_me")
