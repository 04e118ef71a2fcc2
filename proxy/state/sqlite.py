"""The state in one SQLite file.

One connection in one thread does all the work, so a verb is atomic by construction and a
transaction never waits for another of ours. Commits are durable (synchronous=FULL) before a verb
returns.
"""

import asyncio
import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from proxy.exchange import Role
from proxy.state.store import Codes, Redeemed, Redemption, Store, TokenRecord, Tokens

_VERSION = 1
_SCHEMA = """
CREATE TABLE identity (instance TEXT NOT NULL, key BLOB NOT NULL) STRICT;
CREATE TABLE code (mac BLOB NOT NULL, label TEXT NOT NULL, expires REAL NOT NULL,
                   wrong INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE lockout (peer TEXT PRIMARY KEY, failures INTEGER NOT NULL, until REAL NOT NULL,
                      seen REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX lockout_seen ON lockout (seen);
CREATE TABLE token (id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, role TEXT NOT NULL,
                    label TEXT NOT NULL, created REAL NOT NULL) STRICT;
"""

MAX_FAILURES = 5
LOCKOUT_SECONDS = 300.0
FORGET_SECONDS = 900.0
MAX_WRONG = 100  # over all peers; then the code is void, at odds of 1 in 10,000
# A stranger with many addresses must not fill the disk. Who comes past this bound is not locked
# out, which is safe: MAX_WRONG holds over all peers, and the owner must not pay for the crowd.
MAX_LOCKOUTS = 10_000

T = TypeVar("T")


class SqliteStore:
    """`Store` in a file of mode 0600."""

    def __init__(self, path: str) -> None:
        """Open or make the file; raises OSError where it is not a state of this version."""
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.fchmod(file, 0o600)
        os.close(file)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state")
        try:
            self._connection, self.instance, key = self._thread.submit(_open, path).result()
        except sqlite3.Error as error:
            self._thread.shutdown()
            raise OSError(f"{path} is not a readable state: {error}") from error
        except OSError:
            self._thread.shutdown()
            raise
        self.codes: Codes = _Codes(self, key)
        self.tokens: Tokens = _Tokens(self)

    async def transact(self, verb: Callable[[sqlite3.Connection], T]) -> T:
        """Run `verb` in one transaction; raises OSError where the file cannot be used."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, verb)

    def _run(self, verb: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                value = verb(self._connection)
            except BaseException:
                if self._connection.in_transaction:  # a full disk has ended it already
                    self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise OSError(f"the state cannot be used: {error}") from error
        return value

    async def aclose(self) -> None:
        """Close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        self._thread.shutdown()


def _open(path: str) -> tuple[sqlite3.Connection, str, bytes]:
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        new = _is_new(connection, path)
    except (OSError, sqlite3.Error):
        connection.close()
        raise
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "trusted_schema=OFF"):
        connection.execute(f"PRAGMA {pragma}")
    if new:
        _create(connection)
    instance, key = connection.execute("SELECT instance, key FROM identity").fetchone()
    return connection, instance, key


def _is_new(connection: sqlite3.Connection, path: str) -> bool:
    """Whether the file is empty; raises OSError for one that is not ours, and leaves it alone."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if version not in (0, _VERSION):
        raise OSError(f"{path} is a state of version {version}; this sidegate reads {_VERSION}")
    if (version == 0) != (tables == 0):
        raise OSError(f"{path} is not a state of sidegate")
    return version == 0


def _create(connection: sqlite3.Connection) -> None:
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={_VERSION};")
    connection.execute(
        "INSERT INTO identity VALUES (?, ?)", (secrets.token_hex(8), secrets.token_bytes(32))
    )
    connection.execute("COMMIT")


class _Codes:
    """`Codes`. The MAC's key lies in the same file: it keeps codes out of backups and listings."""

    def __init__(self, store: SqliteStore, key: bytes) -> None:
        self._store = store
        self._key = key

    async def put(self, code: str, label: str, expires: float) -> None:
        """Make `code` the pending one."""
        mac = self._mac(code)

        def verb(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM code")
            # The operator is at hand: who shares an address with a guesser can pair now.
            connection.execute("DELETE FROM lockout")
            connection.execute("INSERT INTO code VALUES (?, ?, ?, 0)", (mac, label, expires))

        await self._store.transact(verb)

    async def pending(self, now: float) -> bool:
        """Whether a code waits."""

        def verb(connection: sqlite3.Connection) -> bool:
            row = connection.execute("SELECT 1 FROM code WHERE expires > ?", (now,)).fetchone()
            return row is not None

        return await self._store.transact(verb)

    async def redeem(self, code: str, peer: str, token: TokenRecord, now: float) -> Redemption:
        """Exchange `code` for `token`."""
        mac = self._mac(code)

        def verb(connection: sqlite3.Connection) -> Redemption:
            locked = _locked(connection, peer, now)
            if locked > 0:
                return Redemption(Redeemed.LOCKED, locked)
            label = _matching(connection, mac, now)
            if label is None:
                _count_failure(connection, peer, now)
                return Redemption(Redeemed.WRONG)
            connection.execute("DELETE FROM code")
            connection.execute("DELETE FROM lockout WHERE peer = ?", (peer,))
            connection.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, ?)",
                (token.id, token.digest, token.role.value, label, token.created),
            )
            return Redemption(Redeemed.PAIRED)

        return await self._store.transact(verb)

    def _mac(self, code: str) -> bytes:
        return hmac.digest(self._key, code.encode("utf-8", "surrogateescape"), hashlib.sha256)


def _locked(connection: sqlite3.Connection, peer: str, now: float) -> float:
    """Seconds that `peer` stays locked; an ended lockout is forgotten, its count with it."""
    connection.execute("DELETE FROM lockout WHERE until > 0 AND until <= ?", (now,))
    row = connection.execute("SELECT until FROM lockout WHERE peer = ?", (peer,)).fetchone()
    return max(0.0, row[0] - now) if row else 0.0


def _matching(connection: sqlite3.Connection, mac: bytes, now: float) -> str | None:
    """The label of the pending code where `mac` is its own, compared in constant time."""
    row = connection.execute("SELECT mac, label, expires FROM code").fetchone()
    expected, label, expires = row or (bytes(32), "", 0.0)
    right = hmac.compare_digest(expected, mac)
    return label if right and expires > now else None


def _count_failure(connection: sqlite3.Connection, peer: str, now: float) -> None:
    connection.execute("DELETE FROM lockout WHERE seen < ?", (now - FORGET_SECONDS,))
    (known,) = connection.execute("SELECT count(*) FROM lockout").fetchone()
    mine = connection.execute("SELECT 1 FROM lockout WHERE peer = ?", (peer,)).fetchone()
    if mine or known < MAX_LOCKOUTS:
        connection.execute(
            "INSERT INTO lockout VALUES (?, 1, 0, ?) ON CONFLICT (peer) DO UPDATE"
            " SET failures = failures + 1, seen = excluded.seen",
            (peer, now),
        )
    connection.execute(
        "UPDATE lockout SET until = ? WHERE peer = ? AND failures >= ?",
        (now + LOCKOUT_SECONDS, peer, MAX_FAILURES),
    )
    connection.execute("UPDATE code SET wrong = wrong + 1")
    connection.execute("DELETE FROM code WHERE wrong >= ?", (MAX_WRONG,))


class _Tokens:
    """`Tokens`."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    async def find(self, digest: bytes) -> TokenRecord | None:
        """The token with this digest."""

        def verb(connection: sqlite3.Connection) -> TokenRecord | None:
            row = connection.execute("SELECT * FROM token WHERE digest = ?", (digest,)).fetchone()
            return _record(row) if row else None

        return await self._store.transact(verb)

    async def list(self) -> list[TokenRecord]:
        """All tokens."""

        def verb(connection: sqlite3.Connection) -> list[TokenRecord]:
            return [
                _record(row) for row in connection.execute("SELECT * FROM token ORDER BY created")
            ]

        return await self._store.transact(verb)

    async def revoke(self, token_id: str) -> bool:
        """Forget a token."""

        def verb(connection: sqlite3.Connection) -> bool:
            return connection.execute("DELETE FROM token WHERE id = ?", (token_id,)).rowcount == 1

        return await self._store.transact(verb)


def _record(row: tuple[str, bytes, str, str, float]) -> TokenRecord:
    token_id, digest, role, label, created = row
    return TokenRecord(token_id, digest, Role(role), label, created)


_: type[Store] = SqliteStore
