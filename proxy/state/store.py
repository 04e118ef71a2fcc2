"""The interface to what is remembered.

Verbs are asynchronous, named by purpose and atomic: what must hold together is one verb. The time
is passed in, in seconds since the epoch. Implementations raise OSError where they cannot answer;
nothing is then assumed. What is kept of a body is sealed before it comes here.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from proxy.exchange import Role
from proxy.scope import UNBOUND, Minting, Scope
from proxy.state.approvals import Asks, StandingGrants, Stops
from proxy.state.letters import Inbox
from proxy.state.pins import Pins

MAX_FAILURES = 5
LOCKOUT_SECONDS = 300.0
FORGET_SECONDS = 900.0
MAX_WRONG = 100
"""Wrong guesses over all peers; then the code is void, at odds of 1 in 10,000."""
MAX_LOCKOUTS = 10_000
"""Peers remembered, so that a stranger with many addresses cannot fill the disk.

Who comes past this bound is not locked out, which is safe: MAX_WRONG holds over all peers, and the
owner must not pay for the crowd.
"""
MAX_LINKS = 100
"""Operator links that wait at one time."""
MAX_REPLAYS = 100_000
"""Signatures remembered. Past it the oldest is forgotten, which its timestamp has outlived."""


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A bearer token as stored: its SHA-256 digest and what is known of it, never the token.

    `expires` and `used` are times; None is never.
    """

    id: str
    digest: bytes
    role: Role
    label: str
    created: float
    scope: Scope = UNBOUND
    expires: float | None = None
    used: float | None = None


class Redeemed(Enum):
    """How an attempt to redeem a pairing code ended."""

    PAIRED = "paired"
    WRONG = "wrong"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Redemption:
    """The outcome of one attempt; `retry_after` in seconds where locked, the token where paired."""

    outcome: Redeemed
    retry_after: float = 0.0
    token: TokenRecord | None = None


class Codes(Protocol):
    """Pairing codes: one pending at a time, stored as a MAC, good for one use."""

    async def put(self, code: str, minting: Minting, expires: float) -> None:
        """Make `code` the pending one; an earlier one is void, and lockouts are lifted.

        The operator is at hand: who shares an address with a guesser can pair now.
        """
        ...

    async def pending(self, now: float) -> bool:
        """Whether a code waits to be redeemed."""
        ...

    async def redeem(self, code: str, peer: str, token: TokenRecord, now: float) -> Redemption:
        """Exchange `code` for `token`, or count the failure against `peer`; all or nothing.

        Failures count while no code is pending, too, so that the answer tells nothing. The token
        that is stored, and answered, takes label, scope and lifetime of the code's minting.
        """
        ...


class Links(Protocol):
    """Operator links: 128 random bits each, stored as SHA-256, good for one use."""

    async def put(self, digest: bytes, label: str, expires: float) -> None:
        """Remember a link; at most MAX_LINKS wait at one time, the oldest goes."""
        ...

    async def redeem(self, digest: bytes, token: TokenRecord, now: float) -> TokenRecord | None:
        """Exchange a link for `token`, which takes its label; None where there is no such link."""
        ...


class Tokens(Protocol):
    """Bearer tokens. One that has expired is as good as forgotten."""

    async def add(self, record: TokenRecord) -> None:
        """Remember a token."""
        ...

    async def find(self, digest: bytes, now: float) -> TokenRecord | None:
        """The token with this SHA-256 digest."""
        ...

    async def list(self, now: float) -> list[TokenRecord]:
        """All tokens, oldest first."""
        ...

    async def revoke(self, token_id: str) -> bool:
        """Forget a token; False where there was none."""
        ...

    async def rotate(self, token_id: str, digest: bytes, now: float) -> TokenRecord | None:
        """Replace a token's digest, so that the old token is void; None where there is none."""
        ...

    async def touch(self, used: Mapping[str, float]) -> None:
        """Remember when tokens, by id, were last used; never earlier than is known."""
        ...

    async def alive(self, token_ids: Collection[str], now: float) -> Mapping[str, bytes]:
        """The digests of those of these that still are tokens."""
        ...


class Begun(Enum):
    """What stands against doing something under an idempotency key."""

    FRESH = "fresh"
    """Nothing: the caller now holds the key."""
    RUNNING = "running"
    """Another call holds it."""
    DONE = "done"
    """It was done, with this answer."""
    OTHER = "other"
    """It belongs to another request: the fingerprints differ."""
    UNKNOWN = "unknown"
    """Who held it went away without a word: whether it was done is not known."""
    FULL = "full"
    """There is no room for another key."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A key to begin under.

    `key` is a digest, `fingerprint` that of the request. At most `bound` keys stand on one `shelf`.
    Who holds the key must `renew` it before `lease` (a time) is over; it is forgotten at `expires`.
    """

    key: str
    shelf: str
    fingerprint: str
    bound: int
    lease: float
    expires: float


@dataclass(frozen=True, slots=True)
class Standing:
    """The answer to a claim. `answer` is sealed, where done; None: it was too large to keep."""

    begun: Begun
    answer: bytes | None = None


class Once(Protocol):
    """Idempotency keys, and what was answered under them."""

    async def begin(self, claim: Claim, now: float) -> Standing:
        """Take the key, or say what stands against it.

        A shelf that is full gives up its oldest key that is done; one of which all run is FULL.
        """
        ...

    async def renew(self, keys: Collection[str], lease: float, now: float) -> None:
        """Hold these running keys until `lease`; they do not expire before it is over."""
        ...

    async def finish(self, key: str, answer: bytes | None) -> None:
        """It is done; the answer is kept until the key expires."""
        ...

    async def release(self, key: str) -> None:
        """It was not done: the key is free again."""
        ...

    async def abandon(self, key: str) -> None:
        """Whether it was done is not known: UNKNOWN until the key expires."""
        ...


class Replays(Protocol):
    """What was seen once and must not be seen again."""

    async def first(self, seen: str, expires: float, now: float) -> bool:
        """Remember `seen` until `expires`; False where it is remembered already."""
        ...


class Store(Protocol):
    """Everything remembered."""

    @property
    def instance(self) -> str:
        """An id that labels this Sidegate's containers; replicas on one store have one each."""
        ...

    @property
    def codes(self) -> Codes:
        """Pairing codes."""
        ...

    @property
    def links(self) -> Links:
        """Operator links."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Bearer tokens."""
        ...

    @property
    def once(self) -> Once:
        """Idempotency keys."""
        ...

    @property
    def replays(self) -> Replays:
        """Signatures seen."""
        ...

    @property
    def inbox(self) -> Inbox:
        """Messages to deliver."""
        ...

    @property
    def asks(self) -> Asks:
        """Calls that wait for the operator."""
        ...

    @property
    def grants(self) -> StandingGrants:
        """What the operator grants for a time."""
        ...

    @property
    def stops(self) -> Stops:
        """What must not go on."""
        ...

    @property
    def pins(self) -> Pins:
        """Definitions of tools."""
        ...

    async def missing(self) -> str | None:
        """What keeps the store from answering: a sentence, or None."""
        ...

    async def aclose(self) -> None:
        """Finish what was begun and let go."""
        ...
