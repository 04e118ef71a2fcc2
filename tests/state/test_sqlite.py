"""A real file, and a second connection to look at it from outside."""

import asyncio
import hashlib
import signal
import sqlite3
import stat
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from kernel import open_files

from proxy.exchange import Role
from proxy.state.sqlite import (
    FORGET_SECONDS,
    LOCKOUT_SECONDS,
    MAX_FAILURES,
    MAX_LOCKOUTS,
    MAX_WRONG,
    SqliteStore,
)
from proxy.state.store import Redeemed, Redemption, Store, TokenRecord

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000.0
CODE = "274659"
PAIRED, WRONG = Redemption(Redeemed.PAIRED), Redemption(Redeemed.WRONG)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "sidegate.db"


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(path))
    yield store
    await store.aclose()


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


def token(name: str = "a", role: Role = Role.CLIENT) -> TokenRecord:
    return TokenRecord(name, hashlib.sha256(name.encode()).digest(), role, "", NOW)


async def offer(store: Store, code: str = CODE, label: str = "") -> None:
    await store.codes.put(code, label, NOW + 600)


async def redeem(
    store: Store, code: str = CODE, peer: str = "10.0.0.1", name: str = "a", now: float = NOW
) -> Redemption:
    return await store.codes.redeem(code, peer, token(name), now)


async def fail(store: Store, peer: str = "10.0.0.1", times: int = 1, now: float = NOW) -> None:
    for _ in range(times):
        assert await redeem(store, "wrong", peer, now=now) == WRONG


def ids(records: list[TokenRecord]) -> list[str]:
    return [record.id for record in records]


# Codes.


async def test_code_is_exchanged_for_a_token(store: SqliteStore) -> None:
    await offer(store)

    assert await redeem(store) == PAIRED
    assert await store.tokens.list() == [token()]


async def test_token_takes_the_label_of_the_code(store: SqliteStore) -> None:
    await offer(store, label="laptop")
    await redeem(store)

    assert [record.label for record in await store.tokens.list()] == ["laptop"]


async def test_code_is_good_for_one_use(store: SqliteStore) -> None:
    await offer(store)
    await redeem(store)

    assert await redeem(store, name="b") == WRONG
    assert ids(await store.tokens.list()) == ["a"]


async def test_code_is_redeemed_once_however_many_try_at_one_time(store: SqliteStore) -> None:
    await offer(store)
    redemptions = await asyncio.gather(
        *(redeem(store, peer=f"10.0.0.{number}", name=str(number)) for number in range(40))
    )

    assert Counter(each.outcome for each in redemptions) == {Redeemed.PAIRED: 1, Redeemed.WRONG: 39}
    assert len(await store.tokens.list()) == 1


@pytest.mark.parametrize(
    "guess",
    [
        "",
        "0",
        "27465",
        "2746590",
        "274658",
        " 274659",
        "274659\n",
        "\u0662\u0667\u0664\u0666\u0665\u0669",
        "\udcff",
        "%",
    ],
)
async def test_anything_but_the_code_is_wrong(guess: str, store: SqliteStore) -> None:
    await offer(store)

    assert await redeem(store, guess) == WRONG
    assert await store.tokens.list() == []


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(0, PAIRED), (599.9, PAIRED), (600, WRONG), (601, WRONG)]
)
async def test_code_expires(seconds: float, outcome: Redemption, store: SqliteStore) -> None:
    await offer(store)

    assert await store.codes.pending(NOW + seconds) is (outcome == PAIRED)
    assert await redeem(store, now=NOW + seconds) == outcome


async def test_new_code_voids_the_earlier_one(store: SqliteStore) -> None:
    await offer(store, "111111")
    await offer(store, "222222")

    assert await redeem(store, "111111") == WRONG
    assert await redeem(store, "222222") == PAIRED


async def test_code_is_pending_until_it_is_redeemed(store: SqliteStore) -> None:
    assert not await store.codes.pending(NOW)
    await offer(store)
    assert await store.codes.pending(NOW)
    await redeem(store)
    assert not await store.codes.pending(NOW)


async def test_code_stays_where_the_token_cannot_be_stored(store: SqliteStore) -> None:
    await offer(store)
    await redeem(store)
    await offer(store)
    with pytest.raises(OSError, match="UNIQUE"):
        await redeem(store)  # a token of this id is there already

    assert await redeem(store, name="b") == PAIRED


# Lockouts.


async def test_sixth_attempt_after_five_wrong_ones_is_locked_out(store: SqliteStore) -> None:
    await offer(store)
    await fail(store, times=MAX_FAILURES)

    assert await redeem(store) == Redemption(Redeemed.LOCKED, LOCKOUT_SECONDS)
    assert await store.codes.pending(NOW)


async def test_lockout_lasts_five_minutes_from_the_last_failure(store: SqliteStore) -> None:
    assert LOCKOUT_SECONDS == 300
    await offer(store)
    await fail(store, times=MAX_FAILURES)

    assert await redeem(store, now=NOW + 100) == Redemption(Redeemed.LOCKED, 200)
    assert await redeem(store, now=NOW + 299) == Redemption(Redeemed.LOCKED, 1)
    assert await redeem(store, now=NOW + 300) == PAIRED


async def test_attempts_while_locked_neither_lengthen_it_nor_count(store: SqliteStore) -> None:
    await offer(store)
    await fail(store, times=MAX_FAILURES)
    for _ in range(2 * MAX_WRONG):
        locked = await redeem(store, "wrong", now=NOW + 299)

    assert locked == Redemption(Redeemed.LOCKED, 1)
    assert await redeem(store, now=NOW + 300) == PAIRED


async def test_count_ends_with_the_lockout(store: SqliteStore) -> None:
    await fail(store, times=MAX_FAILURES)
    await fail(store, times=MAX_FAILURES, now=NOW + 300)

    assert (await redeem(store, now=NOW + 301)).outcome is Redeemed.LOCKED


async def test_four_failures_are_forgotten_after_a_success(store: SqliteStore) -> None:
    await fail(store, times=MAX_FAILURES - 1)
    await offer(store)
    assert await redeem(store) == PAIRED

    await fail(store, times=MAX_FAILURES)


async def test_failures_long_ago_do_not_count(store: SqliteStore) -> None:
    await fail(store, times=MAX_FAILURES - 1)
    await fail(store, times=MAX_FAILURES, now=NOW + FORGET_SECONDS + 1)


async def test_slow_guessing_is_counted_within_the_time_to_forget(store: SqliteStore) -> None:
    for number in range(MAX_FAILURES):
        await fail(store, now=NOW + number * (FORGET_SECONDS - 1))

    after = NOW + (MAX_FAILURES - 1) * (FORGET_SECONDS - 1)
    assert (await redeem(store, now=after)).outcome is Redeemed.LOCKED


async def test_new_code_ends_every_lockout(store: SqliteStore) -> None:
    """Who makes one is the operator, who may share an address with a guesser."""
    await fail(store, times=MAX_FAILURES)
    await offer(store)
    await fail(store, times=MAX_FAILURES - 1)

    assert await redeem(store) == PAIRED


async def test_failures_count_while_no_code_is_pending(store: SqliteStore) -> None:
    await fail(store, times=MAX_FAILURES)

    assert (await redeem(store)).outcome is Redeemed.LOCKED


async def test_answers_do_not_tell_whether_a_code_is_pending(store: SqliteStore) -> None:
    without = [await redeem(store, "wrong", "10.0.0.1") for _ in range(MAX_FAILURES + 1)]
    await offer(store)
    pending = [await redeem(store, "wrong", "10.0.0.2") for _ in range(MAX_FAILURES + 1)]

    assert without == pending


async def test_another_peer_is_not_affected(store: SqliteStore) -> None:
    await offer(store)
    await fail(store, times=MAX_FAILURES)

    assert await redeem(store, peer="10.0.0.2") == PAIRED


async def test_guesses_at_one_time_lock_out_as_well(store: SqliteStore) -> None:
    redemptions = await asyncio.gather(*(redeem(store, "wrong") for _ in range(40)))

    outcomes = Counter(each.outcome for each in redemptions)
    assert outcomes == {Redeemed.WRONG: MAX_FAILURES, Redeemed.LOCKED: 40 - MAX_FAILURES}


@pytest.mark.parametrize(
    ("wrong", "outcome"), [(MAX_WRONG - 1, PAIRED), (MAX_WRONG, WRONG), (MAX_WRONG + 1, WRONG)]
)
async def test_hundred_wrong_guesses_over_all_peers_void_the_code(
    wrong: int, outcome: Redemption, store: SqliteStore
) -> None:
    await offer(store)
    for number in range(wrong):
        await fail(store, peer=f"10.0.{number}.1")

    assert await store.codes.pending(NOW) is (outcome == PAIRED)
    assert await redeem(store) == outcome


async def test_new_code_is_not_voided_by_guesses_at_an_earlier_one(store: SqliteStore) -> None:
    await offer(store, "111111")
    for number in range(MAX_WRONG - 1):
        await fail(store, peer=f"10.0.{number}.1")
    await offer(store)
    await fail(store, peer="10.1.0.1")

    assert await redeem(store) == PAIRED


async def test_strangers_cannot_fill_the_table_of_lockouts(path: Path) -> None:
    async with opened(path) as store:
        await fail(store, peer="known")
    with closing(sqlite3.connect(path)) as outside, outside:
        outside.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
            " INSERT INTO lockout SELECT 'stranger ' || i, 1, 0, ? FROM n",
            (MAX_LOCKOUTS - 1, NOW),
        )

    async with opened(path) as store:
        await fail(store, peer="new", times=2 * MAX_FAILURES)
        await fail(store, peer="known", times=MAX_FAILURES - 1)
        assert (await redeem(store, peer="known")).outcome is Redeemed.LOCKED
        assert await count(store, "lockout") == MAX_LOCKOUTS


async def test_table_of_lockouts_empties_itself(store: SqliteStore) -> None:
    for number in range(50):
        await fail(store, peer=f"stranger {number}")
    await fail(store, peer="new", times=MAX_FAILURES, now=NOW + FORGET_SECONDS + 1)

    assert await count(store, "lockout") == 1


async def count(store: SqliteStore, table: str) -> int:
    query = f"SELECT count(*) FROM {table}"
    return int(await store.transact(lambda connection: connection.execute(query).fetchone()[0]))


# Tokens.


async def paired(store: Store, *names: str) -> None:
    for name in names:
        await offer(store)
        assert await redeem(store, name=name) == PAIRED


async def test_token_is_found_by_its_digest_alone(store: SqliteStore) -> None:
    await paired(store, "a", "b")

    assert await store.tokens.find(token("b").digest) == token("b")
    assert await store.tokens.find(token("c").digest) is None
    assert await store.tokens.find(b"") is None
    assert await store.tokens.find(b"a") is None


@pytest.mark.parametrize("role", Role)
async def test_role_is_kept(role: Role, store: SqliteStore) -> None:
    await offer(store)
    await store.codes.redeem(CODE, "peer", token(role=role), NOW)

    assert await store.tokens.find(token().digest) == token(role=role)


async def test_tokens_are_listed_oldest_first(store: SqliteStore) -> None:
    for name, created in (("young", 3.0), ("old", 1.0), ("middle", 2.0)):
        await offer(store)
        record = TokenRecord(name, name.encode(), Role.CLIENT, "", created)
        await store.codes.redeem(CODE, "peer", record, NOW)

    assert ids(await store.tokens.list()) == ["old", "middle", "young"]


async def test_revoked_token_is_forgotten_and_the_others_stay(store: SqliteStore) -> None:
    await paired(store, "a", "b")

    assert await store.tokens.revoke("a")
    assert await store.tokens.find(token("a").digest) is None
    assert ids(await store.tokens.list()) == ["b"]


@pytest.mark.parametrize("token_id", ["", "b", "%", "A", "a' OR '1'='1", "\0"])
async def test_token_that_is_not_there_cannot_be_revoked(token_id: str, store: SqliteStore) -> None:
    await paired(store, "a")

    assert not await store.tokens.revoke(token_id)
    assert ids(await store.tokens.list()) == ["a"]


# The file.


async def test_everything_survives_reopening(path: Path) -> None:
    async with opened(path) as store:
        instance = store.instance
        await paired(store, "a")
        await offer(store, label="later")
        await fail(store, peer="locked", times=MAX_FAILURES)
        await fail(store, peer="four", times=MAX_FAILURES - 1)

    async with opened(path) as store:
        assert store.instance == instance
        assert await store.tokens.find(token("a").digest) == token("a")
        assert (await redeem(store, peer="locked")).outcome is Redeemed.LOCKED
        await fail(store, peer="four")
        assert (await redeem(store, peer="four")).outcome is Redeemed.LOCKED
        assert await redeem(store, name="b") == PAIRED
        assert [record.label for record in await store.tokens.list()] == ["", "later"]


async def test_each_state_has_an_id_of_its_own(tmp_path: Path, store: SqliteStore) -> None:
    async with opened(tmp_path / "other.db") as other:
        assert other.instance != store.instance
    assert len(store.instance) == 16


async def test_paired_token_survives_the_death_of_the_process(path: Path) -> None:
    program = (
        "import asyncio, os, sys; from proxy.state.sqlite import SqliteStore;"
        "from proxy.state.store import TokenRecord; from proxy.exchange import Role;"
        "store = SqliteStore(sys.argv[1]);"
        "token = TokenRecord('a', b'digest', Role.CLIENT, '', 1.0);"
        "asyncio.run(store.codes.put('1', '', 9.0));"
        "asyncio.run(store.codes.redeem('1', 'peer', token, 1.0));"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), cwd=ROOT
    )
    assert await process.wait() == -signal.SIGKILL

    async with opened(path) as store:
        assert ids(await store.tokens.list()) == ["a"]


async def test_commits_are_durable(store: SqliteStore) -> None:
    def pragma(connection: sqlite3.Connection) -> tuple[str, int]:
        (journal,) = connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
        return journal, synchronous

    assert await store.transact(pragma) == ("wal", 2)


async def test_every_file_is_for_its_owner_alone(path: Path, store: SqliteStore) -> None:
    await paired(store, "a")

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == dict.fromkeys(("sidegate.db", "sidegate.db-wal", "sidegate.db-shm"), 0o600)


def content(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_neither_code_nor_token_is_in_any_file(path: Path) -> None:
    secret = "zc_" + "5ecre7" * 8
    record = TokenRecord("a", hashlib.sha256(secret.encode()).digest(), Role.CLIENT, "", NOW)
    async with opened(path) as store:
        await offer(store)
        await fail(store)
        await store.codes.redeem(CODE, "peer", record, NOW)
        await offer(store, "918273")
        before = content(path.parent)

    for data in (before, content(path.parent)):
        assert record.digest in data  # so that this test looks where it should
        for hidden in (CODE, "918273", secret, secret.removeprefix("zc_")):
            assert hidden.encode() not in data
        for code in (CODE, "918273"):  # a bare digest of a million codes is soon undone
            assert hashlib.sha256(code.encode()).digest() not in data


async def test_failed_verb_leaves_nothing_behind(store: SqliteStore) -> None:
    def verb(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO lockout VALUES ('peer', 1, 0, 0)")
        raise KeyError

    with pytest.raises(KeyError):
        await store.transact(verb)
    assert await count(store, "lockout") == 0


async def test_full_disk_is_an_os_error_and_not_the_end(store: SqliteStore) -> None:
    def shrink(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 1").fetchone()

    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO lockout VALUES (hex(zeroblob(1000000)), 1, 0, 0)")

    await store.transact(shrink)
    with pytest.raises(OSError, match="full"):
        await store.transact(fill)

    assert await store.tokens.list() == []
    assert await count(store, "lockout") == 0


def database(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


NEWER = "CREATE TABLE token (x); PRAGMA user_version = 2;"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"garbage " * 1000, "not a readable state", id="garbage"),
        pytest.param(b"hello", "not a readable state", id="a few bytes"),
        pytest.param(b"\0" * 4096, "not a readable state", id="zeros"),
        pytest.param(b"SQLite format 3\0" + b"\xff" * 8000, "not a readable", id="a broken head"),
        pytest.param(f"PRAGMA journal_mode = WAL; {NEWER}", "of version 2", id="a newer version"),
        pytest.param(NEWER, "of version 2", id="a newer version with another journal"),
        pytest.param("PRAGMA user_version = 1;", "not a state of", id="an empty one of ours"),
        pytest.param("CREATE TABLE token (x);", "not a state of", id="another with such a table"),
        pytest.param(
            "CREATE TABLE bookmark (x);", "not a state of", id="a database of another program"
        ),
    ],
)
async def test_what_is_no_state_of_ours_is_refused_and_untouched(
    content: bytes | str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "sidegate.db"
    if isinstance(content, str):
        database(path, content)
    else:
        path.write_bytes(content)
    before = path.read_bytes()

    with pytest.raises(OSError, match=message):
        await SqliteStore(str(path)).aclose()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "error"),
    [
        pytest.param("", IsADirectoryError, id="a folder"),
        pytest.param("missing/sidegate.db", FileNotFoundError, id="in no folder"),
    ],
)
async def test_path_that_cannot_be_opened_is_an_os_error(
    name: str, error: type[OSError], tmp_path: Path
) -> None:
    with pytest.raises(error):
        await SqliteStore(str(tmp_path / name)).aclose()


def test_refused_file_leaves_no_descriptor_and_no_thread(tmp_path: Path) -> None:
    path = tmp_path / "sidegate.db"
    database(path, f"PRAGMA journal_mode = WAL; {NEWER}")
    threads = set(threading.enumerate())
    with pytest.raises(OSError, match="version"):
        SqliteStore(str(path))

    assert not [file for file in open_files() if file.startswith(str(path))]
    assert not [new for new in set(threading.enumerate()) - threads if "state" in new.name]
