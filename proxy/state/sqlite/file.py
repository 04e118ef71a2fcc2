"""The file of the state, and the only place where SQLite is spoken to.

One connection in one thread does all that takes a transaction, so a verb is atomic by construction
and never waits for another of ours. What every request asks is a few rows of one statement: that is
looked up where it is asked, by a connection that cannot write, since to change threads costs more.
Commits are durable (synchronous=FULL) before a verb returns. Whatever is no state of ours is found
out without opening it for writing, and stays byte for byte what it was.
"""

import asyncio
import os
import secrets
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from proxy.decision import ConfigError
from proxy.state.sqlite.schema import MIGRATIONS, VERSION

Connection = sqlite3.Connection
T = TypeVar("T")

# What is deleted is overwritten, so that no message outlives its delivery in a free page.
_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "trusted_schema=OFF")
_SMALLEST_PAGE = 512
_ANEW = "or move it away to begin anew, where everybody pairs again"


@dataclass(frozen=True, slots=True)
class Found:
    """What lies at a path. Version 0 is nothing yet; `fingerprint` is of the key it is under."""

    version: int = 0
    fingerprint: str | None = None


def is_text(value: str) -> bool:
    """Whether it can be in a file at all: half of a surrogate pair, of a caller's JSON, cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def inspect(path: str) -> Found:
    """Look at a file that nobody has open; raises OSError for one that is no state of ours."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return Found()
    except OSError as error:
        raise OSError(f"the state {path} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise OSError(f"the state {path} is not a file: move it away, or set another path")
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        raise OSError(
            f"the state {path} may not be read and written here: see its owner, mode and mount"
        )
    if status.st_size == 0:
        return Found()  # a process died between making the file and writing to it
    try:
        if status.st_size < _SMALLEST_PAGE:  # SQLite takes a single byte for nothing
            raise sqlite3.DatabaseError("file is not a database")
        with closing(sqlite3.connect(_unwritten(path), uri=True, timeout=5)) as connection:
            return _found(connection, path)
    except sqlite3.Error as error:
        raise OSError(
            f"{path} is not a readable state ({error}): put a copy of it back, {_ANEW}"
        ) from error


def _unwritten(path: str) -> str:
    """An address at which SQLite leaves no trace.

    Without a log beside it the file is all there is, and no lock is needed. With one it must be
    read through it, but `mode=ro` never moves it into the file. A journal is left by a process
    that died while it made the file, and only undone by a writer.
    """
    how = "immutable=1"
    if _exists(f"{path}-wal"):
        how = "mode=ro"
    elif _exists(f"{path}-journal"):
        how = "mode=rw"
    return f"file:{quote(os.fsencode(os.path.abspath(path)))}?{how}"


def _exists(path: str) -> bool:
    with suppress(FileNotFoundError):
        return os.stat(path).st_size > 0
    return False


def _found(connection: Connection, path: str) -> Found:
    version = int(_pragma(connection, "user_version"))
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    if version == 0 and not tables:
        return Found()
    if version < 1 or not {"identity", "token"} <= tables:
        raise OSError(f"{path} is not a state of sidegate: move it away, or set another path")
    if version > VERSION:
        raise OSError(
            f"{path} is a state of version {version}, and this sidegate reads versions up to"
            f" {VERSION}: start the newer sidegate again, {_ANEW}"
        )
    _check_whole(connection, path)
    query = "SELECT fingerprint FROM identity" if version > 1 else "SELECT NULL FROM identity"
    identity = connection.execute(query).fetchone()
    if identity is None:
        raise sqlite3.DatabaseError("its identity is missing")
    return Found(version, identity[0])


def _check_whole(connection: Connection, path: str) -> None:
    """Damage is found here, once, and not years later in the middle of a verb."""
    pages = int(_pragma(connection, "page_count")) * int(_pragma(connection, "page_size"))
    if not _exists(f"{path}-wal") and os.stat(path).st_size < pages:
        raise sqlite3.DatabaseError("its end is missing")
    verdict = _pragma(connection, "quick_check(1)")
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)


def _pragma(connection: Connection, name: str) -> str | int:
    value: str | int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


class StateFile:
    """An open state, of mode 0600. `instance` is the id that it was given when it was made."""

    def __init__(self, path: str, fingerprint: str) -> None:
        """Open or make it; raises OSError, and ConfigError where it is under another key."""
        found = inspect(path)
        if found.fingerprint not in {None, fingerprint}:
            raise ConfigError([_another_key(path, str(found.fingerprint), fingerprint)])
        self._path = path
        self._closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="state")
        try:
            opening = self._thread.submit(_open_both, path, found.version, fingerprint)
            self._connection, self.instance, self._looking = opening.result()
        except (OSError, sqlite3.Error) as error:
            self._thread.shutdown()
            raise OSError(f"the state {path} cannot be opened: {error}") from error

    async def write(self, verb: Callable[[Connection], T]) -> T:
        """Run `verb` in one transaction; raises OSError where the file cannot be used."""
        return await self._transact("BEGIN IMMEDIATE", verb)

    async def read(self, verb: Callable[[Connection], T]) -> T:
        """Run a `verb` that only reads, and so needs no lock and no room on the disk."""
        return await self._transact("BEGIN", verb)

    async def look(self, verb: Callable[[Connection], T]) -> T:
        """Run a `verb` of one statement that finds a few rows; it sees all that was committed.

        A log in WAL mode makes no reader wait; should this one have to, it is sent to the thread.
        """
        if not self._closed:
            try:
                return verb(self._looking)
            except sqlite3.Error:
                pass  # the thread finds out what it is
        return await self.read(verb)

    async def _transact(self, begin: str, verb: Callable[[Connection], T]) -> T:
        if self._closed:
            raise OSError(f"the state {self._path} cannot be used: it was closed")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, begin, verb)

    def _run(self, begin: str, verb: Callable[[Connection], T]) -> T:
        connection = self._connection
        try:
            connection.execute(begin)
            try:
                value = verb(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk has ended it already
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise OSError(f"the state {self._path} cannot be used: {error}") from error
        return value

    async def aclose(self) -> None:
        """Close the file, after what was begun."""
        if self._closed:
            return
        self._closed = True
        self._looking.close()  # first: the last one to close puts the log into the file
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._connection.close)
        finally:
            self._thread.shutdown()


def _another_key(path: str, written: str, here: str) -> str:
    return (
        f"{path} was written under the master key of fingerprint {written}, and the key file at"
        f" hand is another, of fingerprint {here}: put the key file back; without it nothing"
        " sealed can be read"
    )


def _open(path: str, version: int, fingerprint: str) -> tuple[Connection, str]:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    for suffix in ("", "-wal", "-shm"):  # SQLite makes the others with the mode of the first
        with suppress(FileNotFoundError):
            os.chmod(path + suffix, 0o600)
    connection = sqlite3.connect(path, isolation_level=None, timeout=5)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        if version < VERSION:
            _migrate(connection, version, fingerprint)
        (instance,) = connection.execute("SELECT instance FROM identity").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection, instance


def _open_both(path: str, version: int, fingerprint: str) -> tuple[Connection, str, Connection]:
    connection, instance = _open(path, version, fingerprint)
    try:
        return connection, instance, _open_to_look(path)
    except BaseException:
        connection.close()
        raise


def _open_to_look(path: str) -> Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
    try:
        for pragma in ("query_only=ON", "trusted_schema=OFF"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: Connection, version: int, fingerprint: str) -> None:
    steps = "".join(MIGRATIONS[version:])
    connection.executescript(f"BEGIN IMMEDIATE; {steps} PRAGMA user_version={VERSION};")
    if version == 0:
        connection.execute("INSERT INTO identity (instance) VALUES (?)", (secrets.token_hex(8),))
    connection.execute("UPDATE identity SET fingerprint = ?", (fingerprint,))
    connection.execute("COMMIT")
