"""What of a token and of a link is in the file."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from state.files import count, database, everything, opened, rows

from proxy.exchange import Role
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import MAX_LINKS, TokenRecord

NOW = 1_700_000_000.0
SECRET = "zc_" + "5ecre7" * 8
DIGEST = hashlib.sha256(SECRET.encode()).digest()
TOKEN = TokenRecord("a", DIGEST, Role.CLIENT, "", NOW)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    async with opened(path) as store:
        yield store


async def test_digest_is_in_the_file_and_goes_with_the_token(path: Path) -> None:
    async with opened(path) as store:
        await store.tokens.add(TOKEN)
        assert DIGEST in everything(path.parent)
        await store.tokens.rotate("a", b"another digest", NOW)
        await store.tokens.revoke("a")

    assert DIGEST not in everything(path.parent)
    assert b"another digest" not in everything(path.parent)


async def test_looking_for_a_token_waits_for_no_writer(store: SqliteStore, path: Path) -> None:
    await store.tokens.add(TOKEN)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(2):
            assert await store.tokens.find(DIGEST, NOW) == TOKEN
            assert await store.tokens.list(NOW) == [TOKEN]
            assert set(await store.tokens.alive(["a"], NOW)) == {"a"}
            assert not await store.codes.pending(NOW)
            assert await store.inbox.list(NOW) == []
            assert await store.missing() is None


async def test_tokens_that_have_expired_go_when_another_is_made(
    store: SqliteStore, path: Path
) -> None:
    await store.tokens.add(replace(TOKEN, expires=NOW + 60))
    await store.tokens.add(TokenRecord("b", b"b", Role.CLIENT, "", NOW + 59))
    assert count(path, "token") == 2
    await store.tokens.add(TokenRecord("c", b"c", Role.CLIENT, "", NOW + 60))

    assert rows(path, "SELECT id FROM token") == [("b",), ("c",)]


async def test_two_tokens_never_share_an_id_or_a_digest(store: SqliteStore) -> None:
    await store.tokens.add(TOKEN)
    await store.tokens.add(TokenRecord("b", b"b", Role.CLIENT, "", NOW))

    with pytest.raises(OSError, match="UNIQUE"):
        await store.tokens.add(replace(TOKEN, id="c"))
    with pytest.raises(OSError, match="UNIQUE"):
        await store.tokens.add(replace(TOKEN, digest=b"c"))
    with pytest.raises(OSError, match="UNIQUE"):
        await store.tokens.rotate("b", DIGEST, NOW)
    assert [record.id for record in await store.tokens.list(NOW)] == ["a", "b"]


async def test_alive_asks_for_as_many_as_there_are(store: SqliteStore) -> None:
    await store.tokens.add(TOKEN)
    many = [str(number) for number in range(50_000)]

    assert set(await store.tokens.alive([*many, "a"], NOW)) == {"a"}


# What is not understood.


@pytest.mark.parametrize("text", ["", "null", "{}", '{"routes": null, "tools": null}'])
async def test_token_of_a_scope_that_is_not_understood_is_refused(
    text: str, store: SqliteStore, path: Path
) -> None:
    await store.tokens.add(TOKEN)
    database(path, f"UPDATE token SET scope = '{text}'")

    assert await store.tokens.find(DIGEST, NOW) is None
    assert await store.tokens.list(NOW) == []
    assert set(await store.tokens.alive(["a"], NOW)) == frozenset()
    assert await store.tokens.rotate("a", b"new", NOW) is None
    assert await store.tokens.revoke("a")


async def test_token_of_a_role_that_is_not_understood_is_refused(
    store: SqliteStore, path: Path
) -> None:
    await store.tokens.add(TOKEN)
    await store.tokens.add(TokenRecord("b", b"b", Role.CLIENT, "", NOW))
    database(path, "UPDATE token SET role = 'root' WHERE id = 'a'")

    assert await store.tokens.find(DIGEST, NOW) is None
    assert [record.id for record in await store.tokens.list(NOW)] == ["b"]


# Links.


async def test_link_is_in_the_file_as_a_digest_until_it_is_used(path: Path) -> None:
    digest = hashlib.sha256(b"link").digest()
    async with opened(path) as store:
        await store.links.put(digest, "console", NOW + 60)
        assert digest in everything(path.parent)
        await store.links.redeem(digest, TOKEN, NOW)

    assert digest not in everything(path.parent)


async def test_table_of_links_has_a_bound_and_empties_itself(
    store: SqliteStore, path: Path
) -> None:
    for number in range(MAX_LINKS + 20):
        await store.links.put(str(number).encode(), "", NOW + 60)
    assert count(path, "link") == MAX_LINKS
    await store.links.redeem(b"guess", TOKEN, NOW + 60)

    assert count(path, "link") == 0


async def test_link_stays_where_the_token_cannot_be_stored(store: SqliteStore) -> None:
    await store.tokens.add(TOKEN)
    await store.links.put(b"link", "", NOW + 60)
    with pytest.raises(OSError, match="UNIQUE"):
        await store.links.redeem(b"link", TOKEN, NOW)

    assert await store.links.redeem(b"link", TokenRecord("b", b"b", Role.OPERATOR, "", NOW), NOW)
