"""Files of a state, seen and made from outside."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from state.backends import SEAL

from proxy.seal import Seal
from proxy.state.sqlite.store import SqliteStore

# What a sidegate of version 1 made, word for word.
VERSION_1 = """
CREATE TABLE identity (instance TEXT NOT NULL, key BLOB NOT NULL) STRICT;
CREATE TABLE code (mac BLOB NOT NULL, label TEXT NOT NULL, expires REAL NOT NULL,
                   wrong INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE lockout (peer TEXT PRIMARY KEY, failures INTEGER NOT NULL, until REAL NOT NULL,
                      seen REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX lockout_seen ON lockout (seen);
CREATE TABLE token (id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, role TEXT NOT NULL,
                    label TEXT NOT NULL, created REAL NOT NULL) STRICT;
"""

# What one of version 2 made of that.
VERSION_2 = """
ALTER TABLE identity DROP COLUMN key;
ALTER TABLE identity ADD COLUMN fingerprint TEXT NOT NULL DEFAULT '';
DROP TABLE code;
CREATE TABLE code (mac BLOB NOT NULL, label TEXT NOT NULL, scope TEXT NOT NULL, lifetime REAL,
                   expires REAL NOT NULL, wrong INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE link (number INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, label TEXT NOT NULL,
                   expires REAL NOT NULL) STRICT;
ALTER TABLE token ADD COLUMN
    scope TEXT NOT NULL DEFAULT '{"routes": null, "tools": null, "level": null}';
ALTER TABLE token ADD COLUMN expires REAL;
ALTER TABLE token ADD COLUMN used REAL;
CREATE INDEX token_expires ON token (expires) WHERE expires IS NOT NULL;
CREATE TABLE once (number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, shelf TEXT NOT NULL,
                   fingerprint TEXT NOT NULL, begun TEXT NOT NULL, lease REAL NOT NULL,
                   expires REAL NOT NULL, answer BLOB) STRICT;
CREATE INDEX once_shelf ON once (shelf, begun, number);
CREATE INDEX once_expires ON once (expires);
CREATE TABLE replay (number INTEGER PRIMARY KEY, seen TEXT NOT NULL UNIQUE,
                     expires REAL NOT NULL) STRICT;
CREATE INDEX replay_expires ON replay (expires);
CREATE TABLE letter (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, channel TEXT NOT NULL,
                     stored REAL NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL,
                     condition TEXT NOT NULL, why TEXT NOT NULL, lease REAL NOT NULL DEFAULT 0,
                     forget REAL, size INTEGER NOT NULL, content BLOB NOT NULL) STRICT;
CREATE INDEX letter_due ON letter (condition, due);
CREATE INDEX letter_size ON letter (condition, size);
CREATE INDEX letter_forget ON letter (forget) WHERE forget IS NOT NULL;
"""
VERSION_3 = """
CREATE TABLE ask (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, principal TEXT NOT NULL,
                  tool TEXT NOT NULL, binding TEXT NOT NULL, detached INTEGER NOT NULL,
                  created REAL NOT NULL, expires REAL NOT NULL, ends REAL NOT NULL,
                  standing TEXT NOT NULL, decided_by TEXT NOT NULL,
                  holder TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL, answer BLOB,
                  content BLOB NOT NULL) STRICT;
CREATE INDEX ask_principal ON ask (principal, standing, ends, size);
CREATE INDEX ask_binding ON ask (binding, standing);
CREATE INDEX ask_ends ON ask (ends, standing);
CREATE TABLE standing_grant (id TEXT PRIMARY KEY, principal TEXT NOT NULL, tool TEXT NOT NULL,
                             granted_by TEXT NOT NULL, created REAL NOT NULL,
                             expires REAL NOT NULL, boot TEXT NOT NULL) STRICT;
CREATE INDEX standing_grant_expires ON standing_grant (expires);
CREATE TABLE stop (id TEXT PRIMARY KEY, kind TEXT NOT NULL, target TEXT NOT NULL,
                   why TEXT NOT NULL, stopped_by TEXT NOT NULL, since REAL NOT NULL,
                   expires REAL) STRICT;
CREATE INDEX stop_expires ON stop (expires) WHERE expires IS NOT NULL;
"""


@asynccontextmanager
async def opened(path: Path, seal: Seal = SEAL) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(str(path), seal)
    yield store
    await store.aclose()


def database(path: Path, script: str) -> None:
    """Run a script on a file, from outside."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    """What a query answers, from outside."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def count(path: Path, table: str) -> int:
    [(number,)] = rows(path, f"SELECT count(*) FROM {table}")
    assert isinstance(number, int)
    return number


def content(folder: Path) -> dict[str, bytes]:
    """Every file, byte for byte; but not the index of a log, which is no part of the data."""
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.is_file() and not file.name.endswith("-shm")
    }


def everything(folder: Path) -> bytes:
    return b"".join(content(folder).values())
