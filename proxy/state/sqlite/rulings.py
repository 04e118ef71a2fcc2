"""What the operator has ruled, in SQLite: standing grants, and stops."""

from proxy.state.approvals import (
    MAX_STANDING,
    MAX_STOPS,
    StandingGrant,
    StandingGrants,
    Stop,
    StopKind,
    Stops,
)
from proxy.state.sqlite.file import Connection, StateFile, is_text

_GRANTS = """
SELECT id, principal, tool, granted_by, created, expires, boot FROM standing_grant
WHERE expires > ? ORDER BY created, id
"""
_STOPS = """
SELECT id, kind, target, why, stopped_by, since, expires FROM stop
WHERE expires IS NULL OR expires > ? ORDER BY since, id
"""
_Row = tuple[str, str, str, str, str, float, float | None]


class SqliteGrants:
    """`StandingGrants`."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def add(self, grant: StandingGrant, now: float) -> bool:
        """Remember a grant."""
        row = (
            *(grant.id, grant.principal, grant.tool, grant.granted_by),
            *(grant.created, grant.expires, grant.boot),
        )

        def verb(connection: Connection) -> bool:
            connection.execute("DELETE FROM standing_grant WHERE expires <= ?", (now,))
            (known,) = connection.execute("SELECT count(*) FROM standing_grant").fetchone()
            if known >= MAX_STANDING:
                return False
            connection.execute("INSERT INTO standing_grant VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return True

        return await self._file.write(verb)

    async def list(self, now: float) -> list[StandingGrant]:
        """All that have not expired."""

        def verb(connection: Connection) -> list[StandingGrant]:
            return [StandingGrant(*row) for row in connection.execute(_GRANTS, (now,))]

        return await self._file.read(verb)

    async def revoke(self, grant_id: str) -> bool:
        """Forget a grant."""
        statement = "DELETE FROM standing_grant WHERE id = ?"
        return is_text(grant_id) and await self._file.write(
            lambda connection: connection.execute(statement, (grant_id,)).rowcount == 1
        )


class SqliteStops:
    """`Stops`."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def add(self, stop: Stop, now: float) -> bool:
        """Remember a stop."""
        row = (
            *(stop.id, stop.kind.value, stop.target, stop.why),
            *(stop.stopped_by, stop.since, stop.expires),
        )

        def verb(connection: Connection) -> bool:
            connection.execute("DELETE FROM stop WHERE expires <= ?", (now,))
            if stop.kind is StopKind.CALL and _calls(connection) >= MAX_STOPS:
                return False
            connection.execute("INSERT INTO stop VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return True

        return await self._file.write(verb)

    async def list(self, now: float) -> list[Stop]:
        """All that stand."""

        def verb(connection: Connection) -> list[Stop]:
            return [_stop(row) for row in connection.execute(_STOPS, (now,))]

        return await self._file.look(verb)

    async def lift(self, stop_id: str) -> bool:
        """Forget a stop."""
        statement = "DELETE FROM stop WHERE id = ?"
        return is_text(stop_id) and await self._file.write(
            lambda connection: connection.execute(statement, (stop_id,)).rowcount == 1
        )


def _calls(connection: Connection) -> int:
    query = "SELECT count(*) FROM stop WHERE kind = ?"
    return int(connection.execute(query, (StopKind.CALL.value,)).fetchone()[0])


def _stop(row: _Row) -> Stop:
    """A stop of `_STOPS`; raises OSError where it is not understood: who may go on is not known."""
    stop_id, kind, target, why, stopped_by, since, expires = row
    try:
        return Stop(stop_id, StopKind(kind), target, why, stopped_by, since, expires)
    except ValueError as error:
        raise OSError("the state holds a stop that no sidegate wrote there") from error


_: tuple[type[StandingGrants], type[Stops]] = (SqliteGrants, SqliteStops)
