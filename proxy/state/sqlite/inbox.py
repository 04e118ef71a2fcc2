"""The inbox in SQLite.

A claim is a lease on a letter that stays WAITING; the step to SENDING is the one that only one of
two holders makes. The end of the lease is what a holder proves itself by: a later claim ends later.
"""

from proxy.state.letters import MAX_LETTER_BYTES, MAX_LETTERS, Condition, Inbox, Letter, Put
from proxy.state.sqlite.file import Connection, StateFile

_CLAIM = """
UPDATE letter SET lease = :lease WHERE number =
    (SELECT number FROM letter WHERE condition = 'waiting' AND due <= :now AND lease <= :now
     ORDER BY due, number LIMIT 1)
RETURNING id, channel, content, stored, due, attempts, condition, why, lease
"""
_LIST = """
SELECT id, channel, x'', stored, due, attempts, condition, why, lease FROM letter
WHERE condition IN ('waiting', 'sending', 'dead') ORDER BY stored, number
"""
_Row = tuple[str, str, bytes, float, float, int, str, str, float]


class SqliteInbox:
    """`Inbox`."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def put(self, letter: Letter) -> Put:
        """Store a letter."""

        def verb(connection: Connection) -> Put:
            connection.execute("DELETE FROM letter WHERE forget <= ?", (letter.stored,))
            if connection.execute("SELECT 1 FROM letter WHERE id = ?", (letter.id,)).fetchone():
                return Put.KNOWN
            if not _has_room(connection, len(letter.content)):
                return Put.FULL
            _insert(connection, letter)
            return Put.STORED

        return await self._file.write(verb)

    async def claim(self, now: float, lease: float) -> Letter | None:
        """The letter that is due first."""

        def verb(connection: Connection) -> Letter | None:
            row = connection.execute(_CLAIM, {"lease": lease, "now": now}).fetchone()
            return _letter(row) if row else None

        return await self._file.write(verb)

    async def sending(self, letter_id: str, held: float, lease: float) -> bool:
        """From now on it may have arrived."""
        return await self._change(
            "UPDATE letter SET condition = 'sending', lease = ?"
            " WHERE id = ? AND condition = 'waiting' AND lease = ?",
            *(lease, letter_id, held),
        )

    async def delivered(self, letter_id: str, forget: float) -> None:
        """It has arrived."""
        await self._change(
            "UPDATE letter SET condition = 'delivered', forget = ?, why = '', size = 0,"
            " content = x'' WHERE id = ?",
            *(forget, letter_id),
        )

    async def postpone(self, letter_id: str, held: float, due: float) -> None:
        """It did not arrive."""
        await self._change(
            "UPDATE letter SET condition = 'waiting', due = ?, attempts = attempts + 1, lease = 0"
            " WHERE id = ? AND lease = ? AND condition IN ('waiting', 'sending')",
            *(due, letter_id, held),
        )

    async def bury(self, letter_id: str, held: float, why: str) -> None:
        """It will not be tried again by itself."""
        await self._change(
            "UPDATE letter SET condition = 'dead', why = ?"
            " WHERE id = ? AND lease = ? AND condition IN ('waiting', 'sending')",
            *(why, letter_id, held),
        )

    async def recover(self, why: str, now: float) -> int:
        """Bury what was SENDING when its lease ended."""
        statement = (
            "UPDATE letter SET condition = 'dead', why = ?"
            " WHERE condition = 'sending' AND lease <= ?"
        )
        return await self._file.write(
            lambda connection: connection.execute(statement, (why, now)).rowcount
        )

    async def list(self, now: float) -> list[Letter]:  # noqa: ARG002
        """All that are not delivered; `now` is of no use here, where no letter goes by itself."""

        def verb(connection: Connection) -> list[Letter]:
            return [_letter(row) for row in connection.execute(_LIST)]

        return await self._file.read(verb)

    async def retry(self, letter_id: str, now: float) -> bool:
        """Try a dead letter again."""
        return await self._change(
            "UPDATE letter SET condition = 'waiting', why = '', attempts = 0, lease = 0, due = ?"
            " WHERE id = ? AND condition = 'dead'",
            *(now, letter_id),
        )

    async def drop(self, letter_id: str) -> bool:
        """Forget a letter."""
        return await self._change(
            "DELETE FROM letter WHERE id = ? AND condition IN ('waiting', 'dead')", letter_id
        )

    async def _change(self, statement: str, *values: str | float) -> bool:
        return await self._file.write(
            lambda connection: connection.execute(statement, values).rowcount == 1
        )


def _has_room(connection: Connection, size: int) -> bool:
    letters, held = connection.execute(
        "SELECT count(*), coalesce(sum(size), 0) FROM letter"
        " WHERE condition IN ('waiting', 'sending', 'dead')"
    ).fetchone()
    return bool(letters < MAX_LETTERS and held + size <= MAX_LETTER_BYTES)


def _insert(connection: Connection, letter: Letter) -> None:
    connection.execute(
        "INSERT INTO letter (id, channel, stored, due, attempts, condition, why, size, content)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(letter.id, letter.channel, letter.stored, letter.due, letter.attempts),
            *(letter.condition.value, letter.why, len(letter.content), letter.content),
        ),
    )


def _letter(row: _Row) -> Letter:
    letter_id, channel, content, stored, due, attempts, condition, why, lease = row
    stands = Condition(condition)
    return Letter(letter_id, channel, content, stored, due, attempts, stands, why, lease)


_: type[Inbox] = SqliteInbox
