"""Calls that wait for the operator, in SQLite."""

from collections import Counter
from collections.abc import Mapping, Sequence

from proxy.state.approvals import (
    MAX_ASK_BYTES,
    MAX_ASKS,
    MAX_ASKS_EACH,
    MAX_KEPT_EACH,
    TAKEN_SECONDS,
    Ask,
    Asks,
    Progress,
    Standing,
)
from proxy.state.sqlite.file import Connection, StateFile, is_text

# So many are cleared away at one time: what is deleted is overwritten, which takes a while.
_AT_ONCE = 100
_ALL = float("-inf")  # a time before any: what has expired and is still there takes room, too
_SELECT = """
SELECT id, principal, tool, binding, content, detached, created, expires, standing, decided_by,
       answer
FROM ask WHERE ends > :now
"""
_SAME = f"""
{_SELECT} AND (id = :id OR binding = :binding AND detached = :detached
               AND standing IN ('pending', 'approved'))
ORDER BY id = :id DESC, number LIMIT 1
"""
_PROGRESS = """
SELECT id, standing, detached, expires FROM ask WHERE ends > ? ORDER BY created, id
"""
_WAITS = """
SELECT count(*) FROM ask WHERE ends > ? AND standing IN ('pending', 'approved', 'taken')
"""
_LOAD = """
SELECT count(*), coalesce(sum(size), 0) FROM ask
WHERE principal = ? AND standing IN ('pending', 'approved', 'taken') AND ends > ?
"""
_TRIM = """
DELETE FROM ask WHERE number IN (
    SELECT number FROM (
        SELECT number, row_number() OVER last AS place, sum(size) OVER last AS held FROM ask
        WHERE principal = :principal AND standing IN ('refused', 'done', 'lost')
        WINDOW last AS (ORDER BY ends DESC, id DESC ROWS UNBOUNDED PRECEDING))
    WHERE place > :places OR held > :room)
"""
_UNDECIDED = "SELECT principal FROM ask WHERE id = ? AND standing = 'pending' AND expires > ?"
_DECIDE = """
UPDATE ask SET standing = :standing, decided_by = :by, expires = :expires, ends = :expires
WHERE id = :id
"""
_TAKE = """
UPDATE ask SET standing = 'taken', holder = :holder, ends = expires + :longer
WHERE id = :id AND binding = :binding AND standing = 'approved' AND expires > :now AND detached
"""
_TAKE_OUT = """
DELETE FROM ask
WHERE id = :id AND binding = :binding AND standing = 'approved' AND expires > :now AND NOT detached
"""
_ANSWERED = """
SELECT principal FROM ask
WHERE id = :id AND standing IN (:before, :or) AND (standing <> 'taken' OR holder = :holder)
"""
_ANSWER = """
UPDATE ask SET standing = :standing, answer = :answer, size = size + length(:answer),
               expires = :expires, ends = :expires
WHERE id = :id
"""
_LEFT = "SELECT principal FROM ask WHERE standing = 'taken' AND holder = ?"
_BURY = """
UPDATE ask SET standing = 'lost', expires = :expires, ends = :expires
WHERE standing = 'taken' AND holder = :holder
"""
_Row = tuple[str, str, str, str, bytes, int, float, float, str, str, bytes | None]


class SqliteAsks:
    """`Asks`."""

    def __init__(self, file: StateFile) -> None:
        self._file = file

    async def put(self, ask: Ask, now: float) -> Ask | None:
        """The ask of this id, else the live one of the same binding, else this one."""
        same = {"id": ask.id, "binding": ask.binding, "detached": ask.detached, "now": now}

        def verb(connection: Connection) -> Ask | None:
            _sweep(connection, now)
            connection.execute("DELETE FROM ask WHERE id = ? AND ends <= ?", (ask.id, now))
            row = connection.execute(_SAME, same).fetchone()
            if row is not None:
                found = _ask(row)
                return found if found.binding == ask.binding else None
            if not _make_room(connection, ask, now):
                return None
            _insert(connection, ask)
            return ask

        return await self._file.write(verb)

    async def get(self, ask_id: str, now: float) -> Ask | None:
        """One ask."""
        if not is_text(ask_id):
            return None
        values = {"id": ask_id, "now": now}

        def verb(connection: Connection) -> Ask | None:
            row = connection.execute(f"{_SELECT} AND id = :id", values).fetchone()
            return _ask(row) if row else None

        return await self._file.read(verb)

    async def list(self, now: float) -> list[Ask]:
        """All that have not expired."""

        def verb(connection: Connection) -> list[Ask]:
            rows = connection.execute(f"{_SELECT} ORDER BY created, id", {"now": now})
            return [_ask(row) for row in rows]

        return await self._file.read(verb)

    async def progress(self, now: float) -> dict[str, Progress]:
        """How far each has come."""

        def verb(connection: Connection) -> dict[str, Progress]:
            rows = connection.execute(_PROGRESS, (now,))
            return {
                ask_id: Progress(_standing(standing), bool(apart), expires)
                for ask_id, standing, apart, expires in rows
            }

        return await self._file.read(verb)

    async def decide(
        self, lasting: Mapping[str, float], *, approve: bool, by: str, now: float
    ) -> bool:
        """Decide on all of these, or on none."""
        if not all(is_text(ask_id) for ask_id in lasting):
            return False
        standing = Standing.APPROVED if approve else Standing.REFUSED
        ruling = {"standing": standing.value, "by": by}
        each = [{**ruling, "id": ask_id, "expires": ends} for ask_id, ends in lasting.items()]

        def verb(connection: Connection) -> bool:
            asks = [connection.execute(_UNDECIDED, (ask_id, now)).fetchone() for ask_id in lasting]
            if None in asks:
                return False
            if not approve:
                _trim_each(connection, asks)
            connection.executemany(_DECIDE, each)
            return True

        return await self._file.write(verb)

    async def take(self, ask_id: str, binding: str, holder: str, now: float) -> bool:
        """Let `holder` do what was approved."""
        values = {"id": ask_id, "binding": binding, "now": now}
        longer = {"holder": holder, "longer": TAKEN_SECONDS}

        def verb(connection: Connection) -> bool:
            taken = connection.execute(_TAKE, values | longer).rowcount
            taken = taken or connection.execute(_TAKE_OUT, values).rowcount
            _sweep(connection, now)
            return taken == 1

        return is_text(ask_id) and await self._file.write(verb)

    async def finish(self, ask_id: str, holder: str, answer: bytes, expires: float) -> None:
        """What was taken by `holder` is done."""
        step = {"standing": "done", "before": "taken", "or": "taken", "holder": holder}
        await self._answer(step, ask_id, answer, expires)

    async def refuse(self, ask_id: str, answer: bytes, expires: float) -> None:
        """What waits or was approved will not be done."""
        step = {"standing": "refused", "before": "pending", "or": "approved", "holder": ""}
        await self._answer(step, ask_id, answer, expires)

    async def bury(self, holder: str, expires: float) -> int:
        """What `holder` took and never finished is lost."""
        values = {"holder": holder, "expires": expires}

        def verb(connection: Connection) -> int:
            _trim_each(connection, connection.execute(_LEFT, (holder,)).fetchall())
            return connection.execute(_BURY, values).rowcount

        return await self._file.write(verb)

    async def _answer(
        self, step: Mapping[str, str], ask_id: str, answer: bytes, expires: float
    ) -> None:
        values = {**step, "id": ask_id, "answer": answer, "expires": expires}

        def verb(connection: Connection) -> None:
            for (principal,) in connection.execute(_ANSWERED, values).fetchall():
                _trim(connection, principal, MAX_KEPT_EACH - 1, len(answer))
                connection.execute(_ANSWER, values)

        if is_text(ask_id):
            await self._file.write(verb)


def _sweep(connection: Connection, now: float) -> None:
    connection.execute(
        "DELETE FROM ask WHERE number IN"
        " (SELECT number FROM ask WHERE ends <= ? ORDER BY ends LIMIT ?)",
        (now, _AT_ONCE),
    )


def _make_room(connection: Connection, ask: Ask, now: float) -> bool:
    (all_waiting,) = connection.execute(_WAITS, (now,)).fetchone()
    mine, held = connection.execute(_LOAD, (ask.principal, now)).fetchone()
    fits = held + len(ask.content) <= MAX_ASK_BYTES
    if not (all_waiting < MAX_ASKS and mine < MAX_ASKS_EACH and fits):
        return False
    _trim(connection, ask.principal, MAX_KEPT_EACH, len(ask.content))
    return True


def _trim_each(connection: Connection, ended: Sequence[tuple[str]]) -> None:
    """Make room for these of their principals among what is over."""
    for principal, count in Counter(principal for (principal,) in ended).items():
        _trim(connection, principal, MAX_KEPT_EACH - count, 0)


def _trim(connection: Connection, principal: str, places: int, more: int) -> None:
    """Leave so many of one principal that are over, and room for so many more bytes."""
    _, held = connection.execute(_LOAD, (principal, _ALL)).fetchone()
    room = {"principal": principal, "places": places, "room": MAX_ASK_BYTES - held - more}
    connection.execute(_TRIM, room)


def _insert(connection: Connection, ask: Ask) -> None:
    connection.execute(
        "INSERT INTO ask (id, principal, tool, binding, content, detached, created, expires, ends,"
        " standing, decided_by, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(ask.id, ask.principal, ask.tool, ask.binding, ask.content, ask.detached),
            *(ask.created, ask.expires, ask.expires, ask.standing.value, ask.decided_by),
            len(ask.content),
        ),
    )


def _ask(row: _Row) -> Ask:
    """An ask of `_SELECT`; raises OSError where it is not understood."""
    ask_id, principal, tool, binding, content, apart, created, expires, standing, by, answer = row
    return Ask(
        *(ask_id, principal, tool, binding, content, bool(apart), created, expires),
        *(_standing(standing), by, answer),
    )


def _standing(word: str) -> Standing:
    try:
        return Standing(word)
    except ValueError as error:
        raise OSError("the state holds an ask that no sidegate wrote there") from error


_: type[Asks] = SqliteAsks
