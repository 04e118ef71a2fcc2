"""What ends by itself while nobody asks: requests of tokens that are gone."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import structlog
from doubles import Clock, inbound
from state.backends import SEAL
from wire import until, until_done

from proxy.authentication.tokens import TokenBook
from proxy.exchange import Peer, Principal, Role
from proxy.running import Ended, Running
from proxy.scope import Minting
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import TokenRecord, Tokens
from proxy.trace import Trace
from proxy.upkeep import look_after

PEER = Peer("a")
SOON = 0.01


@dataclass
class Shaky:
    """`Tokens` of a state that can be away, for writing or at all."""

    inner: Tokens
    readable: bool = True
    writable: bool = True
    fault: Exception | None = None
    asked: int = 0

    def _check(self, *, write: bool = False) -> None:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        if not self.readable or (write and not self.writable):
            raise OSError("the state cannot be used: no space left on device")

    async def add(self, record: TokenRecord) -> None:
        self._check(write=True)
        await self.inner.add(record)

    async def find(self, digest: bytes, now: float) -> TokenRecord | None:
        self._check()
        return await self.inner.find(digest, now)

    async def list(self, now: float) -> list[TokenRecord]:
        self._check()
        return await self.inner.list(now)

    async def revoke(self, token_id: str) -> bool:
        self._check(write=True)
        return await self.inner.revoke(token_id)

    async def rotate(self, token_id: str, digest: bytes, now: float) -> TokenRecord | None:
        self._check(write=True)
        return await self.inner.rotate(token_id, digest, now)

    async def touch(self, used: Mapping[str, float]) -> None:
        self._check(write=True)
        await self.inner.touch(used)

    async def alive(self, token_ids: Collection[str], now: float) -> Mapping[str, bytes]:
        self._check()
        return await self.inner.alive(token_ids, now)


class House:
    """A book and what runs, looked after very often."""

    def __init__(self, store: SqliteStore) -> None:
        self.clock = Clock()
        self.tokens = Shaky(store.tokens)
        self.book = TokenBook(self.tokens, self.clock)
        self.running = Running()
        self.ends: list[tuple[str, Ended]] = []
        self.upkeep = asyncio.create_task(look_after(self.book, self.running, SOON))

    async def call(self, principal: str | None) -> "asyncio.Task[None]":
        """A request that runs until it is ended."""

        async def run() -> None:
            who = Principal(principal, Role.CLIENT) if principal else None
            with self.running.entered(Trace(inbound(), (), principal=who)) as entry:
                try:
                    await asyncio.Event().wait()
                finally:
                    self.ends.append((principal or "", entry.ended))

        task = asyncio.create_task(run())
        await asyncio.sleep(0)
        return task

    async def rounds(self) -> None:
        """Wait until it has looked again, from the beginning to the end."""
        before = self.tokens.asked
        await self.call_somebody()
        await until(lambda: self.tokens.asked > before + 1)

    async def call_somebody(self) -> None:
        """Of a token that stays, so that the state is asked in every round."""
        if not any(task.get_name() == "somebody" for task in asyncio.all_tasks()):
            _, record = await self.book.create(Role.CLIENT, Minting())
            (await self.call(record.id)).set_name("somebody")

    async def aclose(self) -> None:
        self.upkeep.cancel()
        await asyncio.gather(self.upkeep, return_exceptions=True)
        await self.running.drain(0)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    store = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    made = House(store)
    yield made
    await made.aclose()
    await store.aclose()


async def test_what_runs_for_an_expired_token_ends_within_a_round(house: House) -> None:
    _, record = await house.book.create(Role.CLIENT, Minting(lifetime=60))
    task = await house.call(record.id)
    await house.rounds()
    assert not task.done()

    house.clock.now += 60
    await asyncio.wait({task}, timeout=5)

    assert task.cancelled()
    assert house.ends == [(record.id, Ended.TOKEN_REVOKED)]


async def test_what_runs_for_a_token_that_another_replica_revoked_ends(house: House) -> None:
    _, mine = await house.book.create(Role.CLIENT, Minting())
    _, other = await house.book.create(Role.OPERATOR, Minting())
    revoked, stays = await house.call(mine.id), await house.call(other.id)

    await house.tokens.inner.revoke(mine.id)
    await asyncio.wait({revoked}, timeout=5)

    assert (revoked.cancelled(), stays.done()) == (True, False)


@pytest.mark.parametrize(
    "principal", [None, "public", "anonymous", "uid-0", "principal:robot", "listed-01234567", "a:b"]
)
async def test_who_has_no_stored_token_runs_on(house: House, principal: str | None) -> None:
    task = await house.call(principal)
    await house.rounds()

    assert not task.done()


async def test_uses_are_stored(house: House) -> None:
    token, _ = await house.book.create(Role.CLIENT, Minting())
    house.clock.now += 5
    await house.book.recognize(token, PEER)

    async def stored() -> bool:
        (record,) = await house.tokens.inner.list(house.clock())
        return record.used == house.clock()

    await until_done(stored)


async def test_a_state_that_is_away_is_waited_for_and_told_once(house: House) -> None:
    _, record = await house.book.create(Role.CLIENT, Minting(lifetime=60))
    task = await house.call(record.id)
    house.clock.now += 60
    with structlog.testing.capture_logs() as logs:
        house.tokens.readable = False
        before = house.tokens.asked
        await until(lambda: house.tokens.asked > before + 5)

        assert not house.upkeep.done()
        house.tokens.readable = True
        await asyncio.wait({task}, timeout=5)

    assert task.cancelled()
    assert [(row["event"], row["log_level"]) for row in logs] == [("state unavailable", "error")]


async def test_a_state_that_goes_away_again_is_told_again(house: House) -> None:
    await house.call_somebody()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            house.tokens.readable = False
            count = len(logs)
            await until(lambda count=count: len(logs) > count)  # type: ignore[misc]
            house.tokens.readable = True
            await house.rounds()

    assert [row["event"] for row in logs] == ["state unavailable"] * 2


async def test_a_full_disk_does_not_keep_an_expired_token_alive(house: House) -> None:
    """When it was last used cannot be written; that it has ended can be read."""
    token, record = await house.book.create(Role.CLIENT, Minting(lifetime=60))
    task = await house.call(record.id)
    await house.book.recognize(token, PEER)
    house.tokens.writable = False
    house.clock.now += 60

    await asyncio.wait({task}, timeout=2)

    assert task.cancelled()


async def test_a_fault_does_not_end_the_watch(house: House) -> None:
    """Nobody would notice, and no token would end any more."""
    _, record = await house.book.create(Role.CLIENT, Minting(lifetime=60))
    task = await house.call(record.id)
    house.clock.now += 60
    with structlog.testing.capture_logs() as logs:
        house.tokens.fault = ValueError("not a scope")
        await until(lambda: logs or house.upkeep.done())
        house.tokens.fault = None
        await asyncio.wait({task}, timeout=2)

    assert task.cancelled()
    assert logs


async def test_it_ends_when_it_is_told(house: House) -> None:
    await house.rounds()

    house.upkeep.cancel()
    await asyncio.wait({house.upkeep}, timeout=5)

    assert house.upkeep.cancelled()
