"""The interface to what is remembered.

Verbs are asynchronous, named by purpose and atomic: what must hold together is one verb. The time
is passed in, in seconds since the epoch. Implementations raise OSError where they cannot answer;
nothing is then assumed.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from proxy.exchange import Role


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A bearer token as stored: its SHA-256 digest and what is known of it, never the token."""

    id: str
    digest: bytes
    role: Role
    label: str
    created: float


class Redeemed(Enum):
    """How an attempt to redeem a pairing code ended."""

    PAIRED = "paired"
    WRONG = "wrong"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Redemption:
    """The outcome of one attempt; `retry_after` in seconds, where locked."""

    outcome: Redeemed
    retry_after: float = 0.0


class Codes(Protocol):
    """Pairing codes: one pending at a time, stored as a MAC, good for one use."""

    async def put(self, code: str, label: str, expires: float) -> None:
        """Make `code` the pending one; an earlier one is void."""
        ...

    async def pending(self, now: float) -> bool:
        """Whether a code waits to be redeemed."""
        ...

    async def redeem(self, code: str, peer: str, token: TokenRecord, now: float) -> Redemption:
        """Exchange `code` for `token`, or count the failure against `peer`; all or nothing.

        Failures count while no code is pending, too, so that the answer tells nothing. `token`
        takes the label that the code was minted with.
        """
        ...


class Tokens(Protocol):
    """Bearer tokens."""

    async def find(self, digest: bytes) -> TokenRecord | None:
        """The token with this SHA-256 digest."""
        ...

    async def list(self) -> list[TokenRecord]:
        """All tokens, oldest first."""
        ...

    async def revoke(self, token_id: str) -> bool:
        """Forget a token; False where there was none."""
        ...


class Store(Protocol):
    """Everything remembered."""

    @property
    def instance(self) -> str:
        """An id made with the state and kept with it: it labels this Sidegate's containers."""
        ...

    @property
    def codes(self) -> Codes:
        """Pairing codes."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Bearer tokens."""
        ...

    async def aclose(self) -> None:
        """Finish what was begun and let go."""
        ...
