"""Bearer tokens and operator links in SQLite.

A token whose row cannot be understood is no token: it is refused, never widened.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

from proxy.exchange import Role
from proxy.state.scopes import parse_scope, scope_text
from proxy.state.sqlite.file import Connection, StateFile
from proxy.state.store import MAX_LINKS, Links, TokenRecord, Tokens

_SELECT = """
SELECT id, digest, role, label, created, scope, expires, used FROM token
WHERE (expires IS NULL OR expires > :now)
"""
_Row = tuple[str, bytes, str, str, float, str, float | None, float | None]


class SqliteTokens:
    """`Tokens`."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def add(self, record: TokenRecord) -> None:
        """Remember a token."""
        await self._file.write(lambda connection: insert(connection, record))

    async def find(self, digest: bytes, now: float) -> TokenRecord | None:
        """The token with this digest."""

        def verb(connection: Connection) -> TokenRecord | None:
            query = f"{_SELECT} AND digest = :digest"
            row = connection.execute(query, {"digest": digest, "now": now}).fetchone()
            return _record(row) if row else None

        return await self._file.look(verb)

    async def list(self, now: float) -> list[TokenRecord]:
        """All tokens."""

        def verb(connection: Connection) -> list[TokenRecord]:
            rows = connection.execute(f"{_SELECT} ORDER BY created, rowid", {"now": now})
            return [record for row in rows if (record := _record(row))]

        return await self._file.read(verb)

    async def revoke(self, token_id: str) -> bool:
        """Forget a token."""

        def verb(connection: Connection) -> bool:
            return connection.execute("DELETE FROM token WHERE id = ?", (token_id,)).rowcount == 1

        return await self._file.write(verb)

    async def rotate(self, token_id: str, digest: bytes, now: float) -> TokenRecord | None:
        """Replace a token's digest."""

        def verb(connection: Connection) -> TokenRecord | None:
            record = _with_id(connection, token_id, now)
            if record is None:
                return None
            connection.execute("UPDATE token SET digest = ? WHERE id = ?", (digest, token_id))
            return replace(record, digest=digest)

        return await self._file.write(verb)

    async def touch(self, used: Mapping[str, float]) -> None:
        """Remember when tokens were last used."""
        rows = [(at, token_id) for token_id, at in used.items()]

        def verb(connection: Connection) -> None:
            connection.executemany(
                "UPDATE token SET used = max(?1, coalesce(used, ?1)) WHERE id = ?2", rows
            )

        await self._file.write(verb)

    async def alive(self, token_ids: Collection[str], now: float) -> Mapping[str, bytes]:
        """The digests of those that still are tokens."""
        asked = frozenset(token_ids)

        def verb(connection: Connection) -> dict[str, bytes]:
            found = (_with_id(connection, each, now) for each in asked)
            return {record.id: record.digest for record in found if record is not None}

        return await self._file.read(verb)


class SqliteLinks:
    """`Links`."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def put(self, digest: bytes, label: str, expires: float) -> None:
        """Remember a link."""

        def verb(connection: Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO link (digest, label, expires) VALUES (?, ?, ?)",
                (digest, label, expires),
            )
            connection.execute(
                "DELETE FROM link WHERE number NOT IN"
                " (SELECT number FROM link ORDER BY number DESC LIMIT ?)",
                (MAX_LINKS,),
            )

        await self._file.write(verb)

    async def redeem(self, digest: bytes, token: TokenRecord, now: float) -> TokenRecord | None:
        """Exchange a link for `token`."""

        def verb(connection: Connection) -> TokenRecord | None:
            connection.execute("DELETE FROM link WHERE expires <= ?", (now,))
            gone = "DELETE FROM link WHERE digest = ? RETURNING label"
            row = connection.execute(gone, (digest,)).fetchone()
            return insert(connection, replace(token, label=row[0])) if row else None

        return await self._file.write(verb)


def insert(connection: Connection, record: TokenRecord) -> TokenRecord:
    """Remember a token, and forget those that had expired when it was made."""
    connection.execute("DELETE FROM token WHERE expires <= ?", (record.created,))
    connection.execute(
        "INSERT INTO token (id, digest, role, label, created, scope, expires, used)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(record.id, record.digest, record.role.value, record.label, record.created),
            *(scope_text(record.scope), record.expires, record.used),
        ),
    )
    return record


def _with_id(connection: Connection, token_id: str, now: float) -> TokenRecord | None:
    row = connection.execute(f"{_SELECT} AND id = :id", {"id": token_id, "now": now}).fetchone()
    return _record(row) if row else None


def _record(row: _Row) -> TokenRecord | None:
    token_id, digest, role, label, created, scope, expires, used = row
    try:
        kind, bounds = Role(role), parse_scope(scope)
    except ValueError:
        return None
    return TokenRecord(token_id, digest, kind, label, created, bounds, expires, used)


_: tuple[type[Tokens], type[Links]] = (SqliteTokens, SqliteLinks)
