"""The state that is one file: what is SQLite's own. The laws are in `test_store.py`."""

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from disks import full, grow
from state.backends import SEAL
from state.files import content, database, everything, opened

from proxy.decision import ConfigError
from proxy.exchange import Role
from proxy.scope import Minting
from proxy.seal import Seal
from proxy.state.approvals import Ask, Standing, StandingGrant, Stop, StopKind
from proxy.state.letters import Letter, Put
from proxy.state.sqlite.store import SqliteStore, fingerprint_of
from proxy.state.store import Begun, Claim, Redeemed, TokenRecord

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000.0
OTHER = Seal(bytes(32))
TOKEN = TokenRecord("a", b"digest", Role.CLIENT, "", NOW)
CLAIM = Claim("key", "shelf", "fingerprint", 10, NOW + 60, NOW + 600)
LETTER = Letter("id", "slack", b"sealed" * 100, NOW, NOW)
ASK = Ask("a", "agent", "shell", "binding", b"sealed", detached=True, created=NOW, expires=NOW + 60)
GRANT = StandingGrant("a", "agent", "fs.*", "operator", NOW, NOW + 60)
STOP = Stop("a", StopKind.ALL, "", "why", "operator", NOW)


# The key.


def test_nothing_has_no_fingerprint_and_stays_nothing(path: Path) -> None:
    assert fingerprint_of(str(path)) is None
    assert not path.exists()


async def test_fingerprint_is_of_the_key_that_the_state_was_made_under(path: Path) -> None:
    async with opened(path):
        pass

    assert fingerprint_of(str(path)) == SEAL.fingerprint
    async with opened(path):
        pass


async def test_state_is_not_opened_under_another_key(path: Path) -> None:
    async with opened(path) as store:
        await store.tokens.add(TOKEN)
    before = content(path.parent)
    with pytest.raises(ConfigError) as raised:
        SqliteStore(str(path), OTHER)

    [problem] = raised.value.problems
    assert problem.startswith(f"{path} was written under the master key")
    assert SEAL.fingerprint in problem
    assert "put the key file back; without it nothing sealed can be read" in problem
    assert content(path.parent) == before
    async with opened(path) as store:
        assert await store.tokens.list(NOW) == [TOKEN]


def test_what_is_no_state_has_no_fingerprint_either(path: Path) -> None:
    database(path, "CREATE TABLE bookmark (x)")

    with pytest.raises(OSError, match="not a state of sidegate"):
        fingerprint_of(str(path))


async def test_no_key_lies_in_the_file(path: Path) -> None:
    key = bytes(range(100, 132))
    async with opened(path, Seal(key)) as store:
        await store.codes.put("274659", Minting(), NOW + 600)
        assert (await store.codes.redeem("1", "peer", TOKEN, NOW)).outcome is Redeemed.WRONG
        data = everything(path.parent)

    for hidden in (key, key.hex().encode(), Seal(key).mac("pairing-code", b"")):
        assert hidden not in data + everything(path.parent)


# The store.


async def test_each_state_has_an_id_of_its_own(path: Path, tmp_path: Path) -> None:
    async with opened(path) as store, opened(tmp_path / "other.db") as other:
        assert other.instance != store.instance
        assert len(store.instance) == 16


async def test_what_was_answered_survives_the_death_of_the_process(path: Path) -> None:
    program = (
        "import asyncio, os, sys; sys.path.insert(0, 'tests');"
        "from state.sqlite.test_store import *;"
        "asyncio.run(everything_put(SqliteStore(sys.argv[1], SEAL)));"
        f"os.kill(os.getpid(), {int(signal.SIGKILL)})"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(path), cwd=ROOT
    )
    assert await process.wait() == -signal.SIGKILL

    async with opened(path) as store:
        await assert_everything_is_there(store)


async def everything_put(store: SqliteStore) -> None:
    await store.tokens.add(TOKEN)
    assert (await store.once.begin(CLAIM, NOW)).begun is Begun.FRESH
    assert await store.replays.first("seen", NOW + 60, NOW)
    assert await store.inbox.put(LETTER) is Put.STORED
    assert await store.asks.put(ASK, NOW) == ASK
    assert await store.asks.decide({"a": NOW + 60}, approve=True, by="operator", now=NOW)
    assert await store.asks.take("a", "binding", "holder", NOW)
    assert await store.grants.add(GRANT, NOW)
    assert await store.stops.add(STOP, NOW)


async def assert_everything_is_there(store: SqliteStore) -> None:
    assert await store.tokens.list(NOW) == [TOKEN]
    assert (await store.once.begin(CLAIM, NOW)).begun is Begun.RUNNING
    assert not await store.replays.first("seen", NOW + 60, NOW)
    assert await store.inbox.claim(NOW, NOW) == LETTER
    taken = replace(ASK, standing=Standing.TAKEN, decided_by="operator")
    assert await store.asks.list(NOW) == [taken]
    assert not await store.asks.take("a", "binding", "holder", NOW)
    assert await store.grants.list(NOW) == [GRANT]
    assert await store.stops.list(NOW) == [STOP]


async def test_nothing_is_lost_on_a_full_disk_and_everything_works_again(small_disk: Path) -> None:
    grow(small_disk, "1m")
    path = small_disk / "sidegate.db"
    async with opened(path) as store:
        await everything_put(store)
        with full(small_disk):
            await assert_verbs_find_no_room(store)
            assert await store.tokens.find(TOKEN.digest, NOW) == TOKEN
            assert await store.missing() is None
        await assert_everything_is_there(store)
        assert await store.replays.first("other", NOW + 60, NOW)

    async with opened(path) as store:
        await assert_everything_is_there(store)


async def assert_verbs_find_no_room(store: SqliteStore) -> None:
    large = bytes(200_000)
    with pytest.raises(OSError, match="full"):
        await store.inbox.put(Letter("large", "slack", large, NOW, NOW))
    with pytest.raises(OSError, match="full"):
        await store.once.finish("key", large)
    with pytest.raises(OSError, match="full"):
        await store.asks.finish("a", "holder", large, NOW + 60)
    with pytest.raises(OSError, match="full"):
        await store.codes.put("274659", Minting("x" * 200_000), NOW)
    for number in range(200):
        try:
            await store.replays.first(f"filler {number}", NOW + 60, NOW)
        except OSError:
            break
    else:
        pytest.fail("there was room for everything")


async def test_state_that_cannot_be_read_is_missing(path: Path) -> None:
    async with opened(path) as store:
        assert await store.missing() is None

    assert await store.missing() == f"the state {path} cannot be used: it was closed"


async def test_state_that_was_spoilt_under_way_is_missing(path: Path) -> None:
    async with opened(path) as store:
        database(path, "DROP TABLE identity")
        missing = await store.missing()

    assert missing == f"the state {path} cannot be used: no such table: identity"
