"""The tables of the state in SQLite, version by version.

A new file goes through all of it, an old one through the rest, so that there is one schema however
a state came to it. A migration that was released is never changed.
"""

_VERSION_1 = """
CREATE TABLE identity (instance TEXT NOT NULL, key BLOB NOT NULL) STRICT;
CREATE TABLE code (mac BLOB NOT NULL, label TEXT NOT NULL, expires REAL NOT NULL,
                   wrong INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE lockout (peer TEXT PRIMARY KEY, failures INTEGER NOT NULL, until REAL NOT NULL,
                      seen REAL NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX lockout_seen ON lockout (seen);
CREATE TABLE token (id TEXT PRIMARY KEY, digest BLOB NOT NULL UNIQUE, role TEXT NOT NULL,
                    label TEXT NOT NULL, created REAL NOT NULL) STRICT;
"""

# The key of version 1 goes, and the code with it, which nobody could compare any more.
# A `number` counts up, and so tells which row is older. Content stands last, so that what is asked
# of a row is read without it.
_VERSION_2 = """
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

# An ask is kept until it `ends`, which is later than it expires while somebody does it.
_VERSION_3 = """
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

_VERSION_4 = """
CREATE TABLE pin (number INTEGER PRIMARY KEY, server TEXT NOT NULL, tool TEXT NOT NULL,
                  digest TEXT NOT NULL, note TEXT NOT NULL, seen REAL NOT NULL, accepted REAL,
                  size INTEGER NOT NULL, content BLOB NOT NULL,
                  UNIQUE (server, tool, digest)) STRICT;
CREATE INDEX pin_size ON pin (server, tool, size);
"""

MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)
"""The step from each version to the next; version 0 is an empty file."""
VERSION = len(MIGRATIONS)
