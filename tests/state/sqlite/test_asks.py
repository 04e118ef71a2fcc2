"""What of an ask is in the file, and how long."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from state.files import count, database, everything, opened, rows

from proxy.state.approvals import MAX_ASKS, TAKEN_SECONDS, Ask
from proxy.state.sqlite.store import SqliteStore

NOW = 1_700_000_000.0
CONTENT = b"sealed content of a call " * 400
ANSWER = b"sealed answer to a call " * 400
ASK = Ask("a", "agent", "shell", "binding", CONTENT, detached=True, created=NOW, expires=NOW + 60)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


async def do(store: SqliteStore) -> None:
    await store.asks.put(ASK, NOW)
    await store.asks.decide({"a": NOW + 60}, approve=True, by="operator", now=NOW)
    assert await store.asks.take("a", "binding", "holder", NOW)
    await store.asks.finish("a", "holder", ANSWER, NOW + 60)


async def test_content_and_answer_are_gone_when_the_ask_is(path: Path) -> None:
    async with opened(path) as store:
        await do(store)
        assert CONTENT[:100] in everything(path.parent)
        assert ANSWER[:100] in everything(path.parent)
        await store.asks.put(replace(ASK, id="b", content=b"", expires=NOW + 120), NOW + 60)

    assert rows(path, "SELECT id FROM ask") == [("b",)]
    assert CONTENT[:100] not in everything(path.parent)
    assert ANSWER[:100] not in everything(path.parent)


async def test_what_is_over_goes_in_small_steps(store: SqliteStore, path: Path) -> None:
    database(
        path,
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MAX_ASKS})"
        " INSERT INTO ask (id, principal, tool, binding, detached, created, expires, ends,"
        " standing, decided_by, size, content)"
        f" SELECT i, 'agent', '', i, 0, 0, {NOW}, {NOW}, 'pending', '', 0, x'' FROM n",
    )

    assert await store.asks.put(ASK, NOW) == ASK
    assert 0 < MAX_ASKS + 1 - count(path, "ask") < MAX_ASKS
    for _ in range(MAX_ASKS // 20):
        await store.asks.take("gone", "", "", NOW)
    assert count(path, "ask") == 1


async def test_what_is_being_done_is_not_cleared_away(store: SqliteStore, path: Path) -> None:
    await store.asks.put(ASK, NOW)
    await store.asks.decide({"a": NOW + 60}, approve=True, by="operator", now=NOW)
    await store.asks.take("a", "binding", "holder", NOW)
    await store.asks.take("gone", "", "", NOW + 60 + TAKEN_SECONDS - 1)
    assert count(path, "ask") == 1
    await store.asks.take("gone", "", "", NOW + 60 + TAKEN_SECONDS)

    assert count(path, "ask") == 0


async def test_room_is_counted_by_what_is_kept(store: SqliteStore, path: Path) -> None:
    await do(store)

    assert rows(path, "SELECT size FROM ask") == [(len(CONTENT) + len(ANSWER),)]


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (
            "SELECT count(*), coalesce(sum(size), 0) FROM ask WHERE principal = 'agent' AND",
            "ask_principal",
        ),
        ("SELECT count(*) FROM ask WHERE", "ask_ends"),
    ],
)
async def test_room_is_counted_without_reading_what_is_sealed(
    query: str, index: str, path: Path, store: SqliteStore
) -> None:
    await store.asks.put(ASK, NOW)
    waits = "ends > 1 AND standing IN ('pending', 'approved', 'taken')"
    plan = rows(path, f"EXPLAIN QUERY PLAN {query} {waits}")

    assert f"COVERING INDEX {index}" in str(plan)


async def test_what_was_waited_for_leaves_nothing_when_it_is_taken(
    store: SqliteStore, path: Path
) -> None:
    await store.asks.put(replace(ASK, detached=False), NOW)
    await store.asks.decide({"a": NOW + 60}, approve=True, by="operator", now=NOW)
    assert CONTENT[:100] in everything(path.parent)
    assert await store.asks.take("a", "binding", "holder", NOW)

    assert count(path, "ask") == 0


async def test_ask_whose_standing_is_not_understood_is_not_done(
    store: SqliteStore, path: Path
) -> None:
    await store.asks.put(ASK, NOW)
    database(path, "UPDATE ask SET standing = 'allowed'")

    assert not await store.asks.take("a", "binding", "holder", NOW)
    assert not await store.asks.decide({"a": NOW + 60}, approve=True, by="", now=NOW)
    with pytest.raises(OSError, match="no sidegate wrote"):
        await store.asks.get("a", NOW)
    with pytest.raises(OSError, match="no sidegate wrote"):
        await store.asks.list(NOW)
    with pytest.raises(OSError, match="no sidegate wrote"):
        await store.asks.progress(NOW)


async def test_time_that_is_none_is_an_os_error(store: SqliteStore) -> None:
    with pytest.raises(OSError, match="NOT NULL"):
        await store.asks.put(replace(ASK, expires=float("nan")), NOW)
    await store.asks.put(ASK, NOW)
    with pytest.raises(OSError, match="NOT NULL"):
        await store.asks.decide({"a": float("nan")}, approve=True, by="", now=NOW)

    assert await store.asks.list(NOW) == [ASK]
