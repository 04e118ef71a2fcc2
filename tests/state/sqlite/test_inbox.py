"""What of a letter is in the file, and how long."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from state.files import count, database, everything, opened, rows

from proxy.state.letters import MAX_LETTER_BYTES, MAX_LETTERS, Letter, Put
from proxy.state.sqlite.store import SqliteStore

NOW = 1_700_000_000.0
CONTENT = b"sealed content of a letter " * 1000
LETTER = Letter("id", "slack", CONTENT, NOW, NOW)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


@pytest.mark.parametrize("end", ["delivered", "dropped"])
async def test_content_is_gone_when_the_letter_is(end: str, path: Path) -> None:
    async with opened(path) as store:
        await store.inbox.put(LETTER)
        assert CONTENT[:100] in everything(path.parent)
        if end == "delivered":
            await store.inbox.delivered("id", NOW + 600)
        else:
            await store.inbox.drop("id")

    assert CONTENT[:100] not in everything(path.parent)


async def test_content_of_a_dead_letter_stays_so_that_it_can_be_tried_again(path: Path) -> None:
    async with opened(path) as store:
        await store.inbox.put(LETTER)
        await store.inbox.bury("id", 0.0, "why")
    async with opened(path) as store:
        assert await store.inbox.retry("id", NOW)
        assert await store.inbox.claim(NOW, NOW + 60) == LETTER


async def test_ids_that_may_be_forgotten_go_when_another_letter_comes(
    store: SqliteStore, path: Path
) -> None:
    for number in range(50):
        await store.inbox.put(replace(LETTER, id=str(number)))
        await store.inbox.delivered(str(number), NOW + 60)
    assert count(path, "letter") == 50
    await store.inbox.put(replace(LETTER, stored=NOW + 60))

    assert rows(path, "SELECT id FROM letter") == [("id",)]


async def test_room_is_counted_without_the_delivered(store: SqliteStore, path: Path) -> None:
    await store.inbox.put(LETTER)
    await store.inbox.delivered("id", NOW + 60)

    assert rows(path, "SELECT total(size), total(length(content)) FROM letter") == [(0, 0)]


@pytest.mark.parametrize("condition", ["waiting", "sending", "dead"])
async def test_full_inbox_is_seen_at_a_glance(
    condition: str, store: SqliteStore, path: Path
) -> None:
    each = MAX_LETTER_BYTES // MAX_LETTERS
    database(
        path,
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MAX_LETTERS})"
        " INSERT INTO letter (id, channel, stored, due, attempts, condition, why, size, content)"
        f" SELECT i, '', 0, 0, 0, '{condition}', '', {each}, x'' FROM n",
    )

    assert await store.inbox.put(replace(LETTER, content=b"")) is Put.FULL
    database(path, "DELETE FROM letter WHERE id = '1'")
    room = bytes(MAX_LETTER_BYTES - each * (MAX_LETTERS - 1))
    assert await store.inbox.put(replace(LETTER, content=room + b"!")) is Put.FULL
    assert await store.inbox.put(replace(LETTER, content=room)) is Put.STORED


async def test_letter_is_claimed_without_sorting(path: Path, store: SqliteStore) -> None:
    """An inbox of ten thousand must not be sorted for each letter that leaves it."""
    await store.inbox.put(LETTER)
    plan = rows(
        path,
        "EXPLAIN QUERY PLAN SELECT number FROM letter WHERE condition = 'waiting' AND due <= 1"
        " AND lease <= 1 ORDER BY due, number LIMIT 1",
    )

    assert re.search("USING INDEX letter_due", str(plan))
    assert "TEMP B-TREE" not in str(plan)


async def test_letter_whose_condition_is_not_understood_is_not_sent(
    store: SqliteStore, path: Path
) -> None:
    await store.inbox.put(LETTER)
    database(path, "UPDATE letter SET condition = 'paused'")

    assert await store.inbox.claim(NOW + 90, NOW + 120) is None
    assert not await store.inbox.sending("id", NOW + 60, NOW + 60)
    assert await store.inbox.put(LETTER) is Put.KNOWN
