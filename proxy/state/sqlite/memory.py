"""Idempotency keys and signatures seen, in SQLite."""

from collections.abc import Collection

from proxy.state.sqlite.file import Connection, StateFile
from proxy.state.store import MAX_REPLAYS, Begun, Claim, Once, Replays, Standing

_RUNNING, _UNKNOWN, _DONE = Begun.RUNNING.value, Begun.UNKNOWN.value, Begun.DONE.value

# What still runs is not forgotten, however long it takes.
_RENEW = """
UPDATE once SET lease = :lease, expires = max(expires, :lease)
WHERE key = :key AND begun = 'running' AND expires > :now
"""


class SqliteOnce:
    """`Once`. That a lease is over is seen when the key is asked for; nothing is written for it."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def begin(self, claim: Claim, now: float) -> Standing:
        """Take the key, or say what stands against it."""

        def verb(connection: Connection) -> Standing:
            connection.execute("DELETE FROM once WHERE expires <= ?", (now,))
            query = "SELECT fingerprint, begun, lease, answer FROM once WHERE key = ?"
            row = connection.execute(query, (claim.key,)).fetchone()
            if row is not None:
                return _standing(row, claim, now)
            return Standing(_take(connection, claim))

        return await self._file.write(verb)

    async def renew(self, keys: Collection[str], lease: float, now: float) -> None:
        """Hold these running keys until `lease`."""
        rows = [{"key": key, "lease": lease, "now": now} for key in keys]

        def verb(connection: Connection) -> None:
            connection.executemany(_RENEW, rows)

        await self._file.write(verb)

    async def finish(self, key: str, answer: bytes | None) -> None:
        """It is done."""
        await self._execute(
            "UPDATE once SET begun = ?, answer = ? WHERE key = ? AND begun <> ?",
            (_DONE, answer, key, _DONE),
        )

    async def release(self, key: str) -> None:
        """It was not done."""
        await self._execute("DELETE FROM once WHERE key = ? AND begun <> ?", (key, _DONE))

    async def abandon(self, key: str) -> None:
        """Whether it was done is not known."""
        await self._execute(
            "UPDATE once SET begun = ? WHERE key = ? AND begun = ?", (_UNKNOWN, key, _RUNNING)
        )

    async def _execute(self, statement: str, values: tuple[str | bytes | None, ...]) -> None:
        await self._file.write(lambda connection: connection.execute(statement, values).rowcount)


def _standing(row: tuple[str, str, float, bytes | None], claim: Claim, now: float) -> Standing:
    fingerprint, begun, lease, answer = row
    if fingerprint != claim.fingerprint:
        return Standing(Begun.OTHER)
    if begun == _DONE:
        return Standing(Begun.DONE, answer)
    return Standing(Begun.RUNNING if begun == _RUNNING and lease > now else Begun.UNKNOWN)


def _take(connection: Connection, claim: Claim) -> Begun:
    query = "SELECT count(*), count(*) FILTER (WHERE begun = ?) FROM once WHERE shelf = ?"
    standing, done = connection.execute(query, (_DONE, claim.shelf)).fetchone()
    over = max(0, standing - claim.bound + 1)
    if over > done:
        return Begun.FULL
    connection.execute(
        "DELETE FROM once WHERE number IN"
        " (SELECT number FROM once WHERE shelf = ? AND begun = ? ORDER BY number LIMIT ?)",
        (claim.shelf, _DONE, over),
    )
    connection.execute(
        "INSERT INTO once (key, shelf, fingerprint, begun, lease, expires)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (claim.key, claim.shelf, claim.fingerprint, _RUNNING, claim.lease, claim.expires),
    )
    return Begun.FRESH


class SqliteReplays:
    """`Replays`."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def first(self, seen: str, expires: float, now: float) -> bool:
        """Remember `seen`."""

        def verb(connection: Connection) -> bool:
            connection.execute("DELETE FROM replay WHERE expires <= ?", (now,))
            added = connection.execute(
                "INSERT INTO replay (seen, expires) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (seen, expires),
            )
            _forget_oldest(connection)
            return added.rowcount == 1

        return await self._file.write(verb)


def _forget_oldest(connection: Connection) -> None:
    """Hold the bound. Numbers tell at once that it is not reached; counting takes a while."""
    (span,) = connection.execute(
        "SELECT (SELECT max(number) FROM replay) - (SELECT min(number) FROM replay) + 1"
    ).fetchone()
    if span > MAX_REPLAYS:
        connection.execute(
            "DELETE FROM replay WHERE number IN (SELECT number FROM replay ORDER BY number"
            " LIMIT max(0, (SELECT count(*) FROM replay) - ?))",
            (MAX_REPLAYS,),
        )


_: tuple[type[Once], type[Replays]] = (SqliteOnce, SqliteReplays)
