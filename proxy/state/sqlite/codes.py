"""Pairing codes and lockouts in SQLite.

A code is stored as a MAC under the master key, which is not in the file: a bare digest of one of a
million codes is soon undone.
"""

import hmac
from dataclasses import replace

from proxy.scope import Minting
from proxy.seal import Seal
from proxy.state.scopes import parse_scope, scope_text
from proxy.state.sqlite.file import Connection, StateFile
from proxy.state.sqlite.tokens import insert
from proxy.state.store import (
    FORGET_SECONDS,
    LOCKOUT_SECONDS,
    MAX_FAILURES,
    MAX_LOCKOUTS,
    MAX_WRONG,
    Codes,
    Redeemed,
    Redemption,
    TokenRecord,
)


class SqliteCodes:
    """`Codes`."""

    def __init__(self, file: StateFile, seal: Seal) -> None:
        self._file = file
        self._seal = seal

    async def put(self, code: str, minting: Minting, expires: float) -> None:
        """Make `code` the pending one."""
        row = (
            *(self._mac(code), minting.label, scope_text(minting.scope)),
            *(minting.lifetime, expires),
        )

        def verb(connection: Connection) -> None:
            connection.execute("DELETE FROM code")
            connection.execute("DELETE FROM lockout")
            connection.execute("INSERT INTO code VALUES (?, ?, ?, ?, ?, 0)", row)

        await self._file.write(verb)

    async def pending(self, now: float) -> bool:
        """Whether a code waits."""

        def verb(connection: Connection) -> bool:
            row = connection.execute("SELECT 1 FROM code WHERE expires > ?", (now,)).fetchone()
            return row is not None

        return await self._file.read(verb)

    async def redeem(self, code: str, peer: str, token: TokenRecord, now: float) -> Redemption:
        """Exchange `code` for `token`."""
        mac = self._mac(code)

        def verb(connection: Connection) -> Redemption:
            locked = _locked(connection, peer, now)
            if locked > 0:
                return Redemption(Redeemed.LOCKED, locked)
            minting = _matching(connection, mac, now)
            if minting is None:
                _count_failure(connection, peer, now)
                return Redemption(Redeemed.WRONG)
            connection.execute("DELETE FROM code")
            connection.execute("DELETE FROM lockout WHERE peer = ?", (peer,))
            record = insert(connection, _minted(token, minting, now))
            return Redemption(Redeemed.PAIRED, token=record)

        return await self._file.write(verb)

    def _mac(self, code: str) -> bytes:
        return self._seal.mac("pairing-code", code.encode("utf-8", "surrogatepass"))


def _minted(token: TokenRecord, minting: Minting, now: float) -> TokenRecord:
    expires = None if minting.lifetime is None else now + minting.lifetime
    return replace(token, label=minting.label, scope=minting.scope, expires=expires)


def _locked(connection: Connection, peer: str, now: float) -> float:
    """Seconds that `peer` stays locked; an ended lockout is forgotten, its count with it."""
    connection.execute("DELETE FROM lockout WHERE until > 0 AND until <= ?", (now,))
    row = connection.execute("SELECT until FROM lockout WHERE peer = ?", (peer,)).fetchone()
    return max(0.0, row[0] - now) if row else 0.0


def _matching(connection: Connection, mac: bytes, now: float) -> Minting | None:
    """What the pending code mints, where `mac` is its own, compared in constant time."""
    row = connection.execute("SELECT mac, expires, label, scope, lifetime FROM code").fetchone()
    expected, expires, label, scope, lifetime = row or (bytes(32), 0.0, "", "", None)
    if not hmac.compare_digest(expected, mac) or expires <= now:
        return None
    try:
        return Minting(label, parse_scope(scope), lifetime)
    except ValueError:
        return None


def _count_failure(connection: Connection, peer: str, now: float) -> None:
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


_: type[Codes] = SqliteCodes
