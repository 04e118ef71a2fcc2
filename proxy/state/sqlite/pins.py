"""Definitions of tools in SQLite."""

from collections.abc import Sequence

from proxy.state.pins import (
    MAX_ACCEPTED,
    MAX_DIGESTS,
    MAX_PINNED,
    MAX_SERVER_BYTES,
    Pin,
    Pins,
    Seen,
    fitting,
)
from proxy.state.sqlite.file import Connection, StateFile, is_text

_KNOWN = "SELECT accepted IS NOT NULL FROM pin WHERE server = ? AND tool = ? AND digest = ?"
_MANY = "SELECT count(DISTINCT tool), coalesce(sum(size), 0) FROM pin WHERE server = ?"
_COUNT = "SELECT count(*) FROM pin WHERE server = ? AND tool = ?"
_OLDEST = """
DELETE FROM pin WHERE number =
  (SELECT min(number) FROM pin WHERE server = ? AND tool = ? AND accepted IS NULL) RETURNING size
"""
_INSERT = """
INSERT INTO pin (server, tool, digest, note, seen, accepted, size, content)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_LIST = """
SELECT server, tool, digest, note, seen, accepted FROM pin
ORDER BY accepted IS NOT NULL, server, tool, number LIMIT ?
"""
_GET = """
SELECT server, tool, digest, note, seen, accepted, content FROM pin
WHERE server = ? AND tool = ? ORDER BY number
"""
_ACCEPT = """
UPDATE pin SET accepted = coalesce(accepted, ?) WHERE server = ? AND tool = ? AND digest = ?
"""
_SURPLUS = """
DELETE FROM pin WHERE number IN
  (SELECT number FROM pin WHERE server = ?1 AND tool = ?2 AND accepted IS NOT NULL AND digest != ?3
   ORDER BY accepted DESC, number DESC LIMIT -1 OFFSET ?4)
"""


class SqlitePins:
    """`Pins`."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def see(self, server: str, tools: Sequence[Seen], now: float) -> frozenset[str]:
        """Remember what is shown."""
        shown = fitting(tools)
        known = await self._file.read(
            lambda connection: [_known(connection, server, each) for each in shown]
        )
        trusted = {each.tool for each, how in zip(shown, known, strict=True) if how}
        new = [each for each, how in zip(shown, known, strict=True) if how is None]
        if new:  # what is known already costs no commit
            trusted |= await self._file.write(lambda connection: _see(connection, server, new, now))
        return frozenset(trusted)

    async def get(self, server: str, tool: str) -> list[Pin]:
        """Those of one tool."""

        def verb(connection: Connection) -> list[Pin]:
            return [Pin(*row) for row in connection.execute(_GET, (server, tool))]

        return await self._file.read(verb) if is_text(server + tool) else []

    async def list(self, most: int) -> list[Pin]:
        """Those that are remembered."""

        def verb(connection: Connection) -> list[Pin]:
            return [Pin(*row) for row in connection.execute(_LIST, (most,))]

        return await self._file.read(verb)

    async def accept(self, server: str, tool: str, digest: str, now: float) -> bool:
        """Trust exactly this one."""

        def verb(connection: Connection) -> bool:
            if connection.execute(_ACCEPT, (now, server, tool, digest)).rowcount != 1:
                return False
            connection.execute(_SURPLUS, (server, tool, digest, MAX_ACCEPTED - 1))
            return True

        return is_text(server + tool + digest) and await self._file.write(verb)

    async def forget(self, server: str, tool: str) -> int:
        """Forget a tool."""
        if not is_text(server + tool):
            return 0
        statement = "DELETE FROM pin WHERE server = ? AND tool = ?"
        return await self._file.write(
            lambda connection: connection.execute(statement, (server, tool)).rowcount
        )


def _known(connection: Connection, server: str, seen: Seen) -> bool | None:
    """Whether it is trusted; None where it is not known."""
    row = connection.execute(_KNOWN, (server, seen.tool, seen.digest)).fetchone()
    return None if row is None else bool(row[0])


def _see(connection: Connection, server: str, tools: Sequence[Seen], now: float) -> set[str]:
    """Remember what is new, as far as there is room; what is trusted of it."""
    many, used = connection.execute(_MANY, (server,)).fetchone()
    trusted = set()
    for each in tools:
        known = _known(connection, server, each)
        if known is None:
            (others,) = connection.execute(_COUNT, (server, each.tool)).fetchone()
            if others >= MAX_DIGESTS:
                (freed,) = connection.execute(_OLDEST, (server, each.tool)).fetchone()
                used -= freed
            if (others == 0 and many >= MAX_PINNED) or used + len(each.content) > MAX_SERVER_BYTES:
                continue
            known = others == 0 and not each.note
            _insert(connection, server, each, now, trusted=known)
            many, used = many + (others == 0), used + len(each.content)
        if known:
            trusted.add(each.tool)
    return trusted


def _insert(connection: Connection, server: str, seen: Seen, now: float, *, trusted: bool) -> None:
    accepted = now if trusted else None
    row = (server, seen.tool, seen.digest, seen.note, now, accepted)
    connection.execute(_INSERT, (*row, len(seen.content), seen.content))


_: type[Pins] = SqlitePins
