"""States of earlier versions, as they were made."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest
from disks import full, grow
from state.backends import SEAL
from state.files import (
    VERSION_1,
    VERSION_2,
    VERSION_3,
    content,
    count,
    database,
    everything,
    opened,
    rows,
)

from proxy.exchange import Role
from proxy.scope import UNBOUND
from proxy.state.approvals import Ask
from proxy.state.pins import Seen
from proxy.state.sqlite.schema import MIGRATIONS, VERSION
from proxy.state.sqlite.store import SqliteStore, fingerprint_of
from proxy.state.store import LOCKOUT_SECONDS, Redeemed, TokenRecord

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000.0
KEY = "5ecre7" * 10 + "beef"
A = TokenRecord("a", b"digest a", Role.CLIENT, "laptop", 1.0)
B = TokenRecord("b", b"digest b", Role.OPERATOR, "", 2.0)

ASK = Ask("a", "agent", "shell", "binding", b"sealed", detached=False, created=NOW, expires=NOW + 9)


def old(path: Path, journal: str = "WAL") -> None:
    """A state of version 1: two tokens, a pending code, and who guessed at it."""
    database(
        path,
        f"""
        PRAGMA journal_mode = {journal}; BEGIN; {VERSION_1}
        INSERT INTO identity VALUES ('0123456789abcdef', x'{KEY.encode().hex()}');
        INSERT INTO code VALUES (x'00', 'label', 2000000000.0, 3);
        INSERT INTO lockout VALUES ('locked', 5, {NOW + LOCKOUT_SECONDS}, {NOW});
        INSERT INTO lockout VALUES ('four', 4, 0, {NOW});
        INSERT INTO token VALUES ('b', x'{B.digest.hex()}', 'operator', '', 2.0);
        INSERT INTO token VALUES ('a', x'{A.digest.hex()}', 'client', 'laptop', 1.0);
        PRAGMA user_version = 1; COMMIT;
        """,
    )


async def redeem(store: SqliteStore, peer: str) -> Redeemed:
    token = TokenRecord("c", b"digest c", Role.CLIENT, "", NOW)
    return (await store.codes.redeem("guess", peer, token, NOW)).outcome


def tables(path: Path) -> list[tuple[object, ...]]:
    return [
        (table, *column)
        for (table,) in rows(path, "SELECT name FROM sqlite_schema ORDER BY name")
        for column in rows(path, f"SELECT * FROM pragma_table_xinfo('{table}')")
    ]


def test_version_is_the_number_of_steps() -> None:
    assert len(MIGRATIONS) == VERSION == 4


def test_earlier_versions_are_as_they_were_released() -> None:
    assert MIGRATIONS[:3] == (VERSION_1, VERSION_2, VERSION_3)


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
async def test_tokens_instance_and_lockouts_of_version_1_stay(journal: str, path: Path) -> None:
    old(path, journal)
    async with opened(path) as store:
        assert store.instance == "0123456789abcdef"
        assert await store.tokens.list(NOW) == [A, B]
        assert await store.tokens.find(b"digest b", NOW) == B
        assert A.scope == UNBOUND
        assert await redeem(store, "locked") is Redeemed.LOCKED
        assert await redeem(store, "four") is Redeemed.WRONG
        assert await redeem(store, "four") is Redeemed.LOCKED
    assert rows(path, "PRAGMA user_version") == [(4,)]


async def test_code_of_version_1_is_void_and_its_key_is_in_no_file(path: Path) -> None:
    old(path)
    assert KEY.encode() in everything(path.parent)
    async with opened(path) as store:
        assert not await store.codes.pending(NOW)

    assert KEY.encode() not in everything(path.parent)


async def test_every_verb_works_on_what_was_version_1(path: Path) -> None:
    old(path)
    async with opened(path):
        pass
    async with opened(path.with_name("new.db")):
        pass

    assert tables(path) == tables(path.with_name("new.db"))
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]


async def test_state_of_version_2_keeps_all_it_has_and_takes_asks(path: Path) -> None:
    database(
        path,
        f"""
        PRAGMA journal_mode = WAL; BEGIN; {VERSION_1} {VERSION_2}
        INSERT INTO identity VALUES ('0123456789abcdef', '{SEAL.fingerprint}');
        INSERT INTO token (id, digest, role, label, created)
            VALUES ('a', x'{A.digest.hex()}', 'client', 'laptop', 1.0);
        INSERT INTO replay (seen, expires) VALUES ('seen', {NOW + 60});
        PRAGMA user_version = 2; COMMIT;
        """,
    )
    assert fingerprint_of(str(path)) == SEAL.fingerprint
    async with opened(path) as store:
        assert store.instance == "0123456789abcdef"
        assert await store.tokens.list(NOW) == [A]
        assert not await store.replays.first("seen", NOW + 60, NOW)
        assert await store.asks.put(ASK, NOW) == ASK
        assert await store.grants.list(NOW) == []
        assert await store.stops.list(NOW) == []
    async with opened(path.with_name("new.db")):
        pass

    assert tables(path) == tables(path.with_name("new.db"))
    assert rows(path, "PRAGMA user_version") == [(4,)]


async def test_state_of_version_3_keeps_all_it_has_and_takes_pins(path: Path) -> None:
    database(
        path,
        f"""
        PRAGMA journal_mode = WAL; BEGIN; {VERSION_1} {VERSION_2} {VERSION_3}
        INSERT INTO identity VALUES ('0123456789abcdef', '{SEAL.fingerprint}');
        INSERT INTO stop VALUES ('s', 'all', '', '', 'operator', {NOW}, NULL);
        PRAGMA user_version = 3; COMMIT;
        """,
    )
    async with opened(path) as store:
        assert [stop.id for stop in await store.stops.list(NOW)] == ["s"]
        assert await store.pins.see("github", [Seen("get_me", "d", b"{}")], NOW) == {"get_me"}
    async with opened(path.with_name("new.db")):
        pass

    assert tables(path) == tables(path.with_name("new.db"))


async def test_version_1_has_no_fingerprint_and_looking_for_it_changes_nothing(path: Path) -> None:
    old(path)
    before = content(path.parent)
    assert fingerprint_of(str(path)) is None
    assert content(path.parent) == before

    async with opened(path):
        pass
    assert fingerprint_of(str(path)) == SEAL.fingerprint


async def test_version_1_of_a_killed_process_is_whole(path: Path) -> None:
    program = (
        "import os, sqlite3, sys; connection = sqlite3.connect(sys.argv[1]);"
        "connection.executescript(sys.stdin.read());"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    script = f"PRAGMA journal_mode=WAL; BEGIN; {VERSION_1} PRAGMA user_version=1;"
    script += "INSERT INTO identity VALUES ('0123456789abcdef', x'00'); COMMIT;"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), stdin=asyncio.subprocess.PIPE
    )
    await process.communicate(script.encode())
    before = content(path.parent)
    assert before["sidegate.db-wal"]

    assert fingerprint_of(str(path)) is None
    assert content(path.parent) == before
    async with opened(path) as store:
        assert store.instance == "0123456789abcdef"


async def test_migration_that_finds_no_room_changes_nothing(small_disk: Path) -> None:
    path = small_disk / "sidegate.db"
    grow(small_disk, "1m")
    old(path)
    with full(small_disk), pytest.raises(OSError, match="cannot be opened: "):
        SqliteStore(str(path), SEAL)

    assert count(path, "token") == 2
    assert rows(path, "PRAGMA user_version") == [(1,)]
    assert rows(path, "SELECT instance FROM identity") == [("0123456789abcdef",)]
    async with opened(path) as store:
        assert await store.tokens.list(NOW) == [A, B]
