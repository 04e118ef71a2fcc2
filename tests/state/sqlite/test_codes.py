"""What of a code and of a guesser is in the file."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from state.backends import SEAL
from state.files import count, database, everything, opened, rows

from proxy.exchange import Role
from proxy.scope import Minting
from proxy.seal import Seal
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import FORGET_SECONDS, MAX_FAILURES, MAX_LOCKOUTS, Redeemed, TokenRecord

NOW = 1_700_000_000.0
CODE = "274659"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


async def redeem(
    store: SqliteStore, code: str = CODE, peer: str = "10.0.0.1", name: str = "a", now: float = NOW
) -> Redeemed:
    record = TokenRecord(name, name.encode(), Role.CLIENT, "", now)
    return (await store.codes.redeem(code, peer, record, now)).outcome


async def fail(store: SqliteStore, peer: str, times: int = 1, now: float = NOW) -> None:
    for _ in range(times):
        assert await redeem(store, "wrong", peer, now=now) is Redeemed.WRONG


async def offer(store: SqliteStore, code: str = CODE) -> None:
    await store.codes.put(code, Minting(), NOW + 600)


async def test_code_is_in_no_file_and_cannot_be_guessed_from_any(
    store: SqliteStore, path: Path
) -> None:
    await offer(store)
    await redeem(store, "111111")
    mac = SEAL.mac("pairing-code", CODE.encode())
    data = everything(path.parent)

    assert mac in data  # so that this test looks where it should
    for code in (b"274659", b"111111"):
        assert code not in data
        assert hashlib.sha256(code).digest() not in data


async def test_mac_of_a_code_is_gone_with_it(path: Path) -> None:
    async with opened(path) as store:
        await offer(store)
        await redeem(store)

    assert SEAL.mac("pairing-code", CODE.encode()) not in everything(path.parent)


async def test_code_made_under_another_key_is_wrong(path: Path) -> None:
    async with opened(path) as store:
        await offer(store)
    other = Seal(bytes(32))
    database(path, f"UPDATE identity SET fingerprint = '{other.fingerprint}'")

    async with opened(path, other) as store:
        assert await redeem(store) is Redeemed.WRONG


async def test_code_stays_where_the_token_cannot_be_stored(store: SqliteStore) -> None:
    await offer(store)
    await redeem(store)
    await offer(store)
    with pytest.raises(OSError, match="UNIQUE"):
        await redeem(store)  # a token of this id is there already

    assert await redeem(store, name="b") is Redeemed.PAIRED


@pytest.mark.parametrize("scope", ["", "{}", '{"routes": null, "tools": null, "level": "root"}'])
async def test_code_whose_scope_is_not_understood_is_wrong(
    scope: str, store: SqliteStore, path: Path
) -> None:
    await offer(store)
    database(path, f"UPDATE code SET scope = '{scope}'")

    assert await redeem(store) is Redeemed.WRONG
    assert await store.tokens.list(NOW) == []


async def test_strangers_cannot_fill_the_table_of_lockouts(store: SqliteStore, path: Path) -> None:
    await fail(store, peer="known")
    database(
        path,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < {MAX_LOCKOUTS - 1})"
        f" INSERT INTO lockout SELECT 'stranger ' || i, 1, 0, {NOW} FROM n",
    )

    await fail(store, peer="new", times=2 * MAX_FAILURES)
    await fail(store, peer="known", times=MAX_FAILURES - 1)
    assert await redeem(store, peer="known") is Redeemed.LOCKED
    assert count(path, "lockout") == MAX_LOCKOUTS


async def test_table_of_lockouts_empties_itself(store: SqliteStore, path: Path) -> None:
    for number in range(50):
        await fail(store, peer=f"stranger {number}")
    await fail(store, peer="new", times=MAX_FAILURES, now=NOW + FORGET_SECONDS + 1)

    assert rows(path, "SELECT peer FROM lockout") == [("new",)]


async def test_nothing_is_kept_of_who_pairs(store: SqliteStore, path: Path) -> None:
    await fail(store, peer="10.0.0.1")
    await offer(store)
    await redeem(store)

    assert count(path, "lockout") == 0
    assert count(path, "code") == 0
