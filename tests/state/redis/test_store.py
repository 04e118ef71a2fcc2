"""What only several replicas, or only a server, can show. The laws of a store are test_store's."""

import asyncio
import hashlib
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from redis_server import SEAL, Server, replica, running, wait_for

from proxy.decision import ConfigError
from proxy.exchange import Role
from proxy.scope import Autonomy, Minting, Scope
from proxy.seal import Seal
from proxy.state.approvals import Ask as Waiting
from proxy.state.approvals import Standing, StandingGrant, Stop, StopKind
from proxy.state.letters import Letter
from proxy.state.redis.connection import ROOT
from proxy.state.redis.store import RedisStore
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import Claim, Store, TokenRecord

pytestmark = pytest.mark.redis

NOW = 1_700_000_000.0
OTHER = Seal(bytes(32))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with running(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def store(server: Server) -> AsyncIterator[RedisStore]:
    async with replica(server) as store:
        yield store


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def token(name: str, now: float = NOW, expires: float | None = None) -> TokenRecord:
    return TokenRecord(name, digest(name), Role.CLIENT, "", now, expires=expires)


# Whose it is.


async def test_replicas_share_the_state_and_have_an_id_each(server: Server) -> None:
    async with replica(server, "one") as one, replica(server, "two") as two:
        await one.tokens.add(token("a"))

        assert (one.instance, two.instance) == ("one", "two")
        assert await two.tokens.list(NOW) == [token("a")]


async def test_replica_with_another_key_is_refused_and_changes_nothing(server: Server) -> None:
    async with replica(server) as store:
        with pytest.raises(ConfigError, match=rf"{SEAL.fingerprint}.*{OTHER.fingerprint}"):
            await RedisStore.connect(server.section, OTHER, "two")

        assert await store.missing() is None


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        pytest.param({"format": "2", "fingerprint": SEAL.fingerprint}, "format 2", id="newer"),
        pytest.param({"format": "x", "fingerprint": SEAL.fingerprint}, "no sidegate", id="word"),
        pytest.param({"format": "1"}, "no sidegate", id="no fingerprint"),
        pytest.param({"fingerprint": SEAL.fingerprint}, "no sidegate", id="no format"),
        pytest.param({"other": "x"}, "no sidegate", id="neither"),
    ],
)
async def test_state_that_is_not_of_this_format_is_an_os_error(
    meta: dict[str, str], message: str, server: Server
) -> None:
    with server.client() as client:
        for name, value in meta.items():
            client.hset(f"{ROOT}meta", name, value)
        before = client.hgetall(f"{ROOT}meta")
        with pytest.raises(OSError, match=message):
            await RedisStore.connect(server.section, SEAL, "one")

        assert client.hgetall(f"{ROOT}meta") == before


async def test_key_of_another_kind_in_place_of_the_format_is_an_os_error(server: Server) -> None:
    with server.client() as client:
        client.set(f"{ROOT}meta", "x")

    with pytest.raises(OSError, match="WRONGTYPE"):
        await RedisStore.connect(server.section, SEAL, "one")


async def test_refusal_leaves_no_socket_open(server: Server) -> None:
    async with replica(server):
        pass
    with pytest.raises(ConfigError):
        await RedisStore.connect(server.section, OTHER, "two")

    with server.client() as client:
        assert len(client.client_list()) == 1


# What is there.


async def busy(store: Store) -> None:
    """A bit of everything that is remembered."""
    await store.codes.put("274659", Minting("laptop", Scope(), 60.0), NOW + 600)
    await store.codes.redeem("111111", "10.0.0.1", token("x"), NOW)
    await store.links.put(digest("link"), "console", NOW + 60)
    await store.tokens.add(token("a", expires=NOW + 60))
    await store.once.begin(Claim("key", "shelf", "same", 3, NOW + 30, NOW + 600), NOW)
    await store.once.finish("key", b"sealed")
    await store.replays.first("seen", NOW + 60, NOW)
    for name in ("sent", "claimed", "waiting"):
        await store.inbox.put(Letter(name, "slack", b"sealed", NOW, NOW))
    await store.inbox.claim(NOW, NOW + 60)
    await store.inbox.delivered("sent", NOW + 600)
    await store.asks.put(waiting(random.Random(1), NOW), NOW)
    await store.grants.add(granted(random.Random(1), NOW), NOW)
    await store.stops.add(ruled(random.Random(1), NOW), NOW)


async def test_every_key_begins_alike_and_others_are_left_alone(
    server: Server, store: RedisStore
) -> None:
    with server.client() as client:
        client.set("tokens", "another program's")
        await busy(store)
        await store.buckets.pour("pair", "10.0.0.1", 10, 60_000_000)

        keys = {bytes(key) for key in client.scan_iter(count=1000)} - {b"tokens"}
        assert len(keys) > 15
        assert all(key.startswith(b"{sidegate}:") for key in keys)
        assert client.get("tokens") == b"another program's"


async def test_neither_code_nor_key_is_at_the_server(server: Server, store: RedisStore) -> None:
    await busy(store)
    with server.client() as client:
        client.config_set("rdbcompression", "no")
        keys = [bytes(key) for key in client.scan_iter(count=1000)]
        dump = b"".join(key + (client.dump(key) or b"") for key in keys)

    assert SEAL.fingerprint.encode() in dump  # so that this test looks where it should
    for hidden in (b"274659", b"111111", bytes(range(32)), bytes(range(32)).hex().encode()):
        assert hidden not in dump
    for code in (b"274659", b"111111"):  # a bare digest of a million codes is soon undone
        assert hashlib.sha256(code).digest() not in dump


# Whether it answers.


async def test_what_is_missing_is_a_sentence_and_ends_by_itself(
    server: Server, store: RedisStore
) -> None:
    assert await store.missing() is None
    server.kill()
    assert str(await store.missing()).endswith("cannot be used: it cannot be reached")
    server.start()
    assert await store.missing() is None


async def test_server_that_can_only_be_read_is_missing(server: Server, store: RedisStore) -> None:
    with server.client() as client:
        client.replicaof("127.0.0.1", "1")
        assert "may only be read" in str(await store.missing())
        client.replicaof("NO", "ONE")

    assert await store.missing() is None


async def test_server_without_memory_is_missing(server: Server, store: RedisStore) -> None:
    with server.client() as client:
        client.config_set("maxmemory", "1")

    assert "out of memory" in str(await store.missing())


async def test_server_that_was_taken_by_another_key_meanwhile_is_missing(
    server: Server, store: RedisStore
) -> None:
    with server.client() as client:
        client.flushall()
    async with replica(server, seal=OTHER):
        assert "another" in str(await store.missing())


async def test_server_that_lost_everything_begins_anew(server: Server, store: RedisStore) -> None:
    """Tokens are gone, which refuses; there is nobody whom that would let in."""
    await store.tokens.add(token("a"))
    server.kill()
    assert await store.missing()
    server.start()

    assert await store.missing() is None
    assert await store.tokens.find(digest("a"), NOW) is None
    with pytest.raises(ConfigError):
        await RedisStore.connect(server.section, OTHER, "two")


async def test_server_that_cannot_write_its_disk_is_missing(
    server: Server, store: RedisStore
) -> None:
    with server.client() as client:
        client.config_set("save", "3600 1")
        (server.folder / "dump.rdb").mkdir()
        client.bgsave()
        wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")

    assert "it answers: MISCONF" in str(await store.missing())
    with pytest.raises(OSError, match="it answers: MISCONF"):
        await store.tokens.add(token("a"))


# How it could be lost.


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"appendonly": "yes"}, [], id="as it should be"),
        pytest.param({}, ["appendonly no"], id="no log"),
        pytest.param({"save": "60 1"}, ["appendonly no"], id="snapshots alone"),
        pytest.param(
            {"appendonly": "yes", "maxmemory-policy": "allkeys-lru"}, ["allkeys-lru"], id="eviction"
        ),
        pytest.param(
            {"maxmemory-policy": "volatile-ttl"}, ["volatile-ttl", "appendonly no"], id="both"
        ),
    ],
)
async def test_way_to_lose_what_is_remembered_is_a_sentence(
    settings: dict[str, str], words: list[str], server: Server, store: RedisStore
) -> None:
    with server.client() as client:
        for name, value in settings.items():
            client.config_set(name, value)

    cautions = await store.cautions()
    assert len(cautions) == len(words)
    assert all(word in caution for word, caution in zip(words, cautions, strict=True))


async def test_server_that_does_not_tell_is_a_sentence(server: Server, store: RedisStore) -> None:
    server.kill()

    [caution] = await store.cautions()
    assert "is not known" in caution


# Whatever is asked, in whatever order, every store answers alike.

Ask = Callable[[Store, random.Random, float], Awaitable[object]]

NAMES = ("a", "b", "c", "d")
LIFETIMES = (None, 5.0, 50.0)


def minted(choose: random.Random, now: float) -> TokenRecord:
    name = choose.choice(NAMES)
    secret = f"{name} {choose.randrange(2)}"
    lifetime = choose.choice(LIFETIMES)
    expires = None if lifetime is None else now + lifetime
    return TokenRecord(name, digest(secret), Role.AGENT, "label", now, expires=expires)


def guessed(choose: random.Random) -> bytes:
    return digest(f"{choose.choice(NAMES)} {choose.randrange(2)}")


async def offered(store: Store, choose: random.Random, now: float) -> None:
    minting = Minting("é", Scope(level=Autonomy.READONLY), choose.choice(LIFETIMES))
    await store.codes.put(choose.choice("12"), minting, now + choose.choice((3, 30)))


async def revoked(store: Store, choose: random.Random, _: float) -> None:
    """What is answered of one that has expired is no law."""
    await store.tokens.revoke(choose.choice(NAMES))


CREDENTIALS: tuple[Ask, ...] = (
    offered,
    lambda s, c, now: s.codes.redeem(c.choice("123"), c.choice("xy"), minted(c, now), now),
    lambda s, c, now: s.codes.redeem("3", "y", minted(c, now), now),
    lambda s, _, now: s.codes.pending(now),
    lambda s, c, now: s.links.put(digest(c.choice("12")), "link", now + c.choice((3, 30))),
    lambda s, c, now: s.links.redeem(digest(c.choice("12")), minted(c, now), now),
    lambda s, c, now: s.tokens.add(minted(c, now)),
    lambda s, c, now: s.tokens.find(guessed(c), now),
    lambda s, _, now: s.tokens.list(now),
    revoked,
    lambda s, c, now: s.tokens.rotate(c.choice(NAMES), c.randbytes(32), now),
    lambda s, c, now: s.tokens.touch({c.choice(NAMES): now - c.choice((0, 9)) for _ in range(2)}),
    lambda s, _, now: s.tokens.alive(NAMES, now),
)


def claimed(choose: random.Random, now: float) -> Claim:
    lease, expires = now + choose.choice((2, 20)), now + choose.choice((10, 40))
    shelf = choose.choice("ST")
    return Claim(shelf + choose.choice(NAMES), shelf, choose.choice("fff!"), 3, lease, expires)


def key(choose: random.Random) -> str:
    return choose.choice("ST") + choose.choice(NAMES)


MEMORY: tuple[Ask, ...] = (
    lambda s, c, now: s.once.begin(claimed(c, now), now),
    lambda s, c, now: s.once.begin(claimed(c, now), now),
    lambda s, c, now: s.once.begin(claimed(c, now), now),
    lambda s, c, now: s.once.renew([key(c), key(c)], now + c.choice((2, 20)), now),
    lambda s, c, _: s.once.finish(key(c), c.choice((None, b"", b"answer"))),
    lambda s, c, _: s.once.finish(key(c), c.choice((None, b"", b"answer"))),
    lambda s, c, _: s.once.release(key(c)),
    lambda s, c, _: s.once.abandon(key(c)),
    lambda s, c, now: s.replays.first(c.choice(NAMES), now + c.choice((2, 20)), now),
)


def letter(choose: random.Random, now: float) -> Letter:
    due = now + choose.choice((-1, 0, 9)) + choose.random()
    return Letter(choose.choice(NAMES), "slack", choose.randbytes(9), now, due)


LETTERS: tuple[Ask, ...] = (
    lambda s, c, now: s.inbox.put(letter(c, now)),
    lambda s, c, now: s.inbox.put(letter(c, now)),
    lambda s, c, now: s.inbox.claim(now, now + c.choice((2, 20))),
    lambda s, c, now: s.inbox.claim(now, now + c.choice((2, 20))),
    lambda s, c, _: s.inbox.sending(c.choice(NAMES), NOW + 60, NOW + 60),
    lambda s, c, now: s.inbox.delivered(c.choice(NAMES), now + c.choice((2, 20))),
    lambda s, c, now: s.inbox.postpone(c.choice(NAMES), 0.0, now + c.choice((-1, 9)) + c.random()),
    lambda s, c, _: s.inbox.bury(c.choice(NAMES), 0.0, "why"),
    lambda s, _, now: s.inbox.recover("lost", now),
    lambda s, _, now: s.inbox.list(now),
    lambda s, c, now: s.inbox.retry(c.choice(NAMES), now),
    lambda s, c, _: s.inbox.drop(c.choice(NAMES)),
)


def waiting(choose: random.Random, now: float) -> Waiting:
    name, ends = choose.choice(NAMES), now + choose.choice((2, 20))
    standing = choose.choice((Standing.PENDING, Standing.PENDING, Standing.APPROVED))
    apart, content = choose.random() < 0.5, choose.randbytes(9)
    return Waiting(name, "é", "t", choose.choice("xy"), content, apart, now, ends, standing)


def some(choose: random.Random) -> list[str]:
    return [choose.choice(NAMES) for _ in range(choose.randrange(3))]


def decided(store: Store, choose: random.Random, now: float) -> Awaitable[bool]:
    ends = now + choose.choice((2, 20))
    lasting = {name: ends + number for number, name in enumerate(some(choose))}
    return store.asks.decide(lasting, approve=choose.random() < 0.7, by="o", now=now)


def ruled(choose: random.Random, now: float) -> Stop:
    kind, ends = choose.choice(list(StopKind)), choose.choice((None, now + 2, now + 20))
    return Stop(choose.choice(NAMES) + kind.value, kind, "é", "why", "o", now, ends)


def granted(choose: random.Random, now: float) -> StandingGrant:
    return StandingGrant(choose.choice(NAMES), "é", "t.*", "o", now, now + choose.choice((2, 20)))


async def undone(store: Store, choose: random.Random, _: float) -> None:
    """What is answered of one that has expired is no law."""
    await store.grants.revoke(choose.choice(NAMES))
    await store.stops.lift(choose.choice(NAMES) + choose.choice(list(StopKind)).value)


APPROVALS: tuple[Ask, ...] = (
    lambda s, c, now: s.asks.put(waiting(c, now), now),
    lambda s, c, now: s.asks.put(waiting(c, now), now),
    lambda s, c, now: s.asks.get(c.choice(NAMES), now),
    lambda s, _, now: s.asks.list(now),
    lambda s, _, now: s.asks.progress(now),
    decided,
    decided,
    lambda s, c, now: s.asks.take(c.choice(NAMES), c.choice("xy"), c.choice("hi"), now),
    lambda s, c, now: s.asks.take(c.choice(NAMES), c.choice("xy"), c.choice("hi"), now),
    lambda s, c, now: s.asks.finish(c.choice(NAMES), "h", c.randbytes(9), now + c.choice((2, 20))),
    lambda s, c, now: s.asks.refuse(c.choice(NAMES), c.randbytes(9), now + c.choice((2, 20))),
    lambda s, c, now: s.asks.bury(c.choice("hij"), now + c.choice((2, 20))),
    lambda s, c, now: s.grants.add(granted(c, now), now),
    lambda s, _, now: s.grants.list(now),
    lambda s, c, now: s.stops.add(ruled(c, now), now),
    lambda s, _, now: s.stops.list(now),
    undone,
)


async def answer(ask: Ask, store: Store, seed: float, now: float) -> object:
    try:
        return await ask(store, random.Random(seed), now)
    except OSError:
        return OSError


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "asks",
    [CREDENTIALS, MEMORY, LETTERS, APPROVALS],
    ids=["credentials", "memory", "letters", "approvals"],
)
async def test_same_questions_have_the_same_answers_in_every_store(
    asks: tuple[Ask, ...], seed: int, tmp_path: Path, store: RedisStore
) -> None:
    choose, now = random.Random(seed), NOW
    file = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    for step in range(150):
        now += choose.choice((0.1, 1, 7)) + choose.random() / 100
        ask, own = choose.choice(asks), choose.random()
        expected = await answer(ask, file, own, now)
        assert await answer(ask, store, own, now) == expected, f"step {step}"
    await file.aclose()


async def test_server_that_is_killed_in_the_midst_leaves_everything_whole(
    tmp_path: Path,
) -> None:
    """Each verb is there whole or not at all, with the log that a server keeps of its writes."""
    options = ("--save", "", "--appendonly", "yes", "--appendfsync", "no")
    with running(tmp_path / "redis", *options) as server:
        async with replica(server) as store:
            for round_ in range(5):
                begun = [
                    asyncio.create_task(store.tokens.add(token(f"{round_} {number}")))
                    for number in range(200)
                ]
                await asyncio.sleep(0.02)
                server.signal(signal.SIGKILL)
                ended = await asyncio.gather(*begun, return_exceptions=True)
                server.kill()
                server.start()

                held = {record.id for record in await store.tokens.list(NOW)}
                sure = {f"{round_} {number}" for number, each in enumerate(ended) if each is None}
                assert sure <= held
                for name in held:
                    assert await store.tokens.find(digest(name), NOW) == token(name)
