"""Bearer tokens: 256 random bits that are shown once and stored as SHA-256.

The digest of a token with that much entropy needs no salt and no slow hash: there is nothing to
guess. Whoever reads the state learns no token from it.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from proxy.exchange import Clock, Peer, Principal, Role
from proxy.scope import Minting, Scope
from proxy.state.store import TokenRecord, Tokens

PREFIXES: Mapping[Role, str] = {Role.CLIENT: "zc_", Role.OPERATOR: "zo_"}
"""What a token starts with, so that people and scanners see what they found."""

_ID = re.compile(r"[0-9a-f]{8}")


def mint(role: Role, now: float, minting: Minting | None = None) -> tuple[str, TokenRecord]:
    """A new token and the record to store for it."""
    wish = minting or Minting()
    token = new_token(role)
    expires = None if wish.lifetime is None else now + wish.lifetime
    token_id = secrets.token_hex(4)
    return token, TokenRecord(
        token_id, hash_token(token), role, wish.label, now, wish.scope, expires
    )


def new_token(role: Role) -> str:
    """256 random bits, spelled as a token of this role."""
    return PREFIXES[role] + secrets.token_hex(32)


def hash_token(token: str) -> bytes:
    """What is stored of a token and what a presented one is looked up by."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


@dataclass(frozen=True, slots=True)
class Machine:
    """A principal of the configuration, by the digest of its token."""

    name: str
    digest: bytes
    role: Role
    scope: Scope


@dataclass
class TokenBook:
    """Every bearer token that is accepted: the stored ones and those of the configuration."""

    tokens: Tokens
    clock: Clock
    listed: tuple[bytes, ...] = ()
    machines: tuple[Machine, ...] = ()
    _used: dict[str, float] = field(default_factory=dict)
    _seen: dict[str, bytes] = field(default_factory=dict)
    _rotated: set[str] = field(default_factory=set)

    async def recognize(self, token: str, peer: Peer) -> Principal | None:
        """The principal that a token belongs to.

        Look-ups are by digest, which a guesser cannot steer; every comparison takes constant time,
        and all are made.
        """
        principal = await self.belonging_to(hash_token(token), peer)
        return principal and replace(principal, presented=token)

    async def belonging_to(self, digest: bytes, peer: Peer) -> Principal | None:
        """The principal that the token of this digest belongs to."""
        now = self.clock()
        record = await self.tokens.find(digest, now)
        configured = self._configured(digest)
        if record is not None and hmac.compare_digest(record.digest, digest):
            self._used[record.id] = now
            if self._seen.setdefault(record.id, digest) != digest:
                self._rotated.add(record.id)
            self._seen[record.id] = digest
            return Principal(record.id, record.role, peer, record.scope)
        if configured is not None:
            name, role, scope = configured
            return Principal(name, role, peer, scope)
        return None

    def _configured(self, digest: bytes) -> tuple[str, Role, Scope] | None:
        found: tuple[str, Role, Scope] | None = None
        for machine in self.machines:
            if hmac.compare_digest(machine.digest, digest):
                found = (f"principal:{machine.name}", machine.role, machine.scope)
        for listed in self.listed:
            if hmac.compare_digest(listed, digest):
                found = found or (f"listed-{digest.hex()[:8]}", Role.CLIENT, Scope())
        return found

    async def create(self, role: Role, minting: Minting) -> tuple[str, TokenRecord]:
        """A new token, stored before it is told."""
        token, record = mint(role, self.clock(), minting)
        await self.tokens.add(record)
        return token, record

    async def rotate(self, token_id: str) -> str | None:
        """A new token in the place of an old one, which is void from now on."""
        records = await self.tokens.list(self.clock())
        role = next((record.role for record in records if record.id == token_id), None)
        if role is None:
            return None
        token = new_token(role)
        rotated = await self.tokens.rotate(token_id, hash_token(token), self.clock())
        return token if rotated else None

    async def empty(self) -> bool:
        """Whether no client could present a token."""
        if self.listed or any(machine.role is Role.CLIENT for machine in self.machines):
            return False
        return not any(
            record.role is Role.CLIENT for record in await self.tokens.list(self.clock())
        )

    async def gone(self, principals: Collection[str]) -> frozenset[str]:
        """Which of these principals had a stored token, and have it, or that one, no longer."""
        stored = frozenset(name for name in principals if _ID.fullmatch(name))
        self._seen = {name: digest for name, digest in self._seen.items() if name in stored}
        rotated, self._rotated = stored & self._rotated, set()
        if not stored:
            return stored
        alive = await self.tokens.alive(stored, self.clock())
        same = {name for name, digest in alive.items() if self._seen.get(name, digest) == digest}
        return (stored - same) | rotated

    async def flush(self) -> None:
        """Store when tokens were last used, which lags behind so that a use costs no write."""
        used, self._used = self._used, {}
        if used:
            try:
                await self.tokens.touch(used)
            except OSError:
                self._used = {**used, **self._used}
                raise
