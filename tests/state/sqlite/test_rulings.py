"""What of a grant and of a stop is in the file."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from state.files import database, opened, rows

from proxy.state.approvals import StandingGrant, Stop, StopKind
from proxy.state.sqlite.store import SqliteStore

NOW = 1_700_000_000.0
GRANT = StandingGrant("a", "agent", "github.*", "operator", NOW, NOW + 60)
STOP = Stop("a", StopKind.TOOL, "github.*", "why", "operator", NOW)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


async def test_what_has_expired_goes_when_another_comes(store: SqliteStore, path: Path) -> None:
    await store.grants.add(GRANT, NOW)
    await store.stops.add(STOP, NOW)
    await store.stops.add(replace(STOP, id="b", expires=NOW + 60), NOW)
    await store.grants.add(replace(GRANT, id="c", expires=NOW + 120), NOW + 60)
    await store.stops.add(replace(STOP, id="c", expires=NOW + 120), NOW + 60)

    assert rows(path, "SELECT id FROM standing_grant") == [("c",)]
    assert rows(path, "SELECT id FROM stop ORDER BY id") == [("a",), ("c",)]


async def test_stop_that_is_not_understood_is_an_os_error(store: SqliteStore, path: Path) -> None:
    """Who asks what may go on learns that it is not known, and never that nothing is stopped."""
    await store.stops.add(STOP, NOW)
    database(path, "UPDATE stop SET kind = 'planet'")

    with pytest.raises(OSError, match="no sidegate wrote"):
        await store.stops.list(NOW)
    assert await store.stops.lift("a")
    assert await store.stops.list(NOW) == []


async def test_looking_for_stops_waits_for_no_writer(store: SqliteStore, path: Path) -> None:
    await store.stops.add(STOP, NOW)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(2):
            assert await store.stops.list(NOW) == [STOP]
            assert await store.grants.list(NOW) == []
            assert await store.asks.list(NOW) == []
