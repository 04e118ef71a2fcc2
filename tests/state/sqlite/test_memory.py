"""What of idempotency keys and signatures is in the file, and how much."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from state.files import count, database, everything, opened, rows

from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import MAX_REPLAYS, Begun, Claim

NOW = 1_700_000_000.0
ANSWER = b"sealed answer " * 1000
CLAIM = Claim("key", "shelf", "same", 100, NOW + 60, NOW + 600)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


async def test_answer_is_gone_with_its_key(path: Path) -> None:
    async with opened(path) as store:
        await store.once.begin(CLAIM, NOW)
        await store.once.finish("key", ANSWER)
        assert ANSWER[:100] in everything(path.parent)
        await store.once.begin(replace(CLAIM, key="other"), NOW + 600)

    assert ANSWER[:100] not in everything(path.parent)


async def test_keys_that_have_expired_go_when_another_is_begun(
    store: SqliteStore, path: Path
) -> None:
    for number in range(50):
        await store.once.begin(replace(CLAIM, key=str(number), shelf=str(number)), NOW)
    await store.once.begin(replace(CLAIM, expires=NOW + 1200), NOW + 600)

    assert rows(path, "SELECT key FROM once") == [("key",)]


async def test_word_that_is_not_understood_is_unknown(store: SqliteStore, path: Path) -> None:
    await store.once.begin(CLAIM, NOW)
    database(path, "UPDATE once SET begun = 'paused'")

    assert (await store.once.begin(CLAIM, NOW)).begun is Begun.UNKNOWN


async def test_signatures_that_have_expired_go_when_another_comes(
    store: SqliteStore, path: Path
) -> None:
    for number in range(50):
        await store.replays.first(str(number), NOW + 60, NOW)
    await store.replays.first("new", NOW + 120, NOW + 60)

    assert rows(path, "SELECT seen FROM replay") == [("new",)]


async def test_oldest_signature_goes_past_the_bound(store: SqliteStore, path: Path) -> None:
    database(
        path,
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < {MAX_REPLAYS - 2})"
        f" INSERT INTO replay (seen, expires) SELECT i, {NOW + 60} FROM n",
    )
    assert await store.replays.first("last", NOW + 60, NOW)
    assert not await store.replays.first("0", NOW + 60, NOW)
    assert count(path, "replay") == MAX_REPLAYS

    assert await store.replays.first("more", NOW + 60, NOW)
    assert count(path, "replay") == MAX_REPLAYS
    assert not await store.replays.first("1", NOW + 60, NOW)
    assert not await store.replays.first("last", NOW + 60, NOW)
    assert not await store.replays.first("more", NOW + 60, NOW)
    assert await store.replays.first("0", NOW + 60, NOW)


async def test_signature_is_not_forgotten_for_others_that_came_and_went(
    store: SqliteStore, path: Path
) -> None:
    """What counts is how many are remembered, not how many there ever were."""
    await store.replays.first("long", NOW + 600, NOW)
    database(path, f"INSERT INTO replay (number, seen, expires) VALUES ({2 * MAX_REPLAYS}, '', 1)")
    await store.replays.first("new", NOW + 600, NOW)
    database(path, f"UPDATE replay SET number = {3 * MAX_REPLAYS} WHERE seen = 'new'")
    await store.replays.first("newer", NOW + 600, NOW)

    assert not await store.replays.first("long", NOW + 600, NOW)
