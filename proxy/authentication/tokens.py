"""Bearer tokens: 256 random bits that are shown once and stored as SHA-256.

The digest of a token with that much entropy needs no salt and no slow hash: there is nothing to
guess. Whoever reads the state learns no token from it.
"""

import hashlib
import hmac
import secrets

from proxy.exchange import Principal, Role
from proxy.state.store import TokenRecord, Tokens

PREFIX = "zc_"


def mint(role: Role, now: float) -> tuple[str, TokenRecord]:
    """A new token and the record to store for it."""
    token = PREFIX + secrets.token_hex(32)
    return token, TokenRecord(secrets.token_hex(4), hash_token(token), role, "", now)


def hash_token(token: str) -> bytes:
    """What is stored of a token and what a presented one is looked up by."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


class TokenBook:
    """Every bearer token that is accepted: those paired and those that the configuration lists."""

    def __init__(self, tokens: Tokens, listed: tuple[str, ...]) -> None:
        self._tokens = tokens
        self._listed = tuple(bytes.fromhex(digest) for digest in listed)

    async def recognize(self, token: str) -> Principal | None:
        """The principal that a token belongs to.

        Look-ups are by digest, which a guesser cannot steer; the final comparison takes constant
        time.
        """
        digest = hash_token(token)
        record = await self._tokens.find(digest)
        if record is not None and hmac.compare_digest(record.digest, digest):
            return Principal(record.id, record.role, presented=token)
        matches = [hmac.compare_digest(listed, digest) for listed in self._listed]
        if True in matches:
            return Principal(f"listed-{digest.hex()[:8]}", Role.CLIENT, presented=token)
        return None

    async def empty(self) -> bool:
        """Whether nobody could present a token."""
        return not self._listed and not await self._tokens.list()
