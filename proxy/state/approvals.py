"""The interface to what waits for the operator, and to what the operator has ruled.

A part of `store`, with its rules: verbs are atomic, the time is passed in, and what is kept of a
call is sealed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

MAX_ASKS = 1000
"""Calls that wait or are under way at one time, whosever they are."""
MAX_ASKS_EACH = 50
"""Those of one principal: nobody's are crowded out by another's."""
MAX_KEPT_EACH = 200
"""Calls of one principal that are over, and kept for whoever comes to read of them."""
MAX_ASK_BYTES = 32 << 20
"""Contents and answers of one principal, as sealed. What is over makes room for what is not."""
TAKEN_SECONDS = 86_400.0
"""How much longer than `expires` is kept what somebody does, so that its end can be told."""
MAX_STANDING = 200
"""Standing grants at one time."""
MAX_STOPS = 500
"""Stops at one time. A stop by the operator is never refused for those of the loop guard."""


class Standing(Enum):
    """How far an ask has come."""

    PENDING = "pending"
    """The operator has not decided."""
    APPROVED = "approved"
    """It may be done, once."""
    REFUSED = "refused"
    """It may not."""
    TAKEN = "taken"
    """Somebody does it: nobody else will, whatever becomes of that."""
    DONE = "done"
    """It was done, and `answer` is kept."""
    LOST = "lost"
    """Who took it went away without a word."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One call that a human is asked about, or that is done apart from its request.

    `binding`: a MAC over principal, tool, canonical arguments and the version of the rules, in hex.
    `detached`: nobody waits: it is done when it is approved, and its answer is kept; any other is
    gone once it is taken. `content` and `answer` are sealed. Until `expires` it can be decided,
    taken or, once over, read; while it is TAKEN, TAKEN_SECONDS longer.
    """

    id: str
    principal: str
    tool: str
    binding: str
    content: bytes
    detached: bool
    created: float
    expires: float
    standing: Standing = Standing.PENDING
    decided_by: str = ""
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ask has come, without what it is about."""

    standing: Standing
    detached: bool
    expires: float


@dataclass(frozen=True, slots=True)
class StandingGrant:
    """The operator's word that a principal may use a tool for a time without being asked about.

    `boot`: it also ends with this run of Sidegate, where not empty.
    """

    id: str
    principal: str
    tool: str
    granted_by: str
    created: float
    expires: float
    boot: str = ""


class StopKind(Enum):
    """What a stop stops."""

    ALL = "all"
    TOOL = "tool"
    """`target` is a tool's name, or a pattern in which each asterisk is any characters."""
    PRINCIPAL = "principal"
    """`target` is a principal's id."""
    CALL = "call"
    """`target` is the digest of one principal's call that was denied again and again."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Something that must not go on. `expires` is None where only an operator lifts it."""

    id: str
    kind: StopKind
    target: str
    why: str
    stopped_by: str
    since: float
    expires: float | None = None


class Asks(Protocol):
    """Calls that wait for the operator. An id that no ask can have is one that is unknown."""

    async def put(self, ask: Ask, now: float) -> Ask | None:
        """The ask of this id, else the live one of the same binding and `detached`, else this one.

        Live is what is PENDING or APPROVED and has not expired. None, and nothing is kept, where
        the id is that of another binding, or where MAX_ASKS, or of its principal MAX_ASKS_EACH or
        MAX_ASK_BYTES, wait or are under way. What is over of its principal makes room for it, what
        ends first before the rest; so it does wherever more of them come to be over or to keep.
        """
        ...

    async def get(self, ask_id: str, now: float) -> Ask | None:
        """One ask that has not expired."""
        ...

    async def list(self, now: float) -> list[Ask]:
        """All that have not expired, oldest first, whole."""
        ...

    async def progress(self, now: float) -> dict[str, Progress]:
        """How far each has come that has not expired, oldest first, by id."""
        ...

    async def decide(
        self, lasting: Mapping[str, float], *, approve: bool, by: str, now: float
    ) -> bool:
        """Decide on all of these, which then last until the time beside each; or, False, on none.

        None is decided where one is unknown, expired, or no longer pending.
        """
        ...

    async def take(self, ask_id: str, binding: str, holder: str, now: float) -> bool:
        """Let `holder` do what was APPROVED under `binding`. True once, for one of all who ask.

        What is not detached is gone with that.
        """
        ...

    async def finish(self, ask_id: str, holder: str, answer: bytes, expires: float) -> None:
        """What was TAKEN by `holder` is done; nothing where it was not."""
        ...

    async def refuse(self, ask_id: str, answer: bytes, expires: float) -> None:
        """What is PENDING or APPROVED will not be done, and `answer` says why; nothing else is."""
        ...

    async def bury(self, holder: str, expires: float) -> int:
        """What `holder` took and never finished is LOST; how many there were.

        To be asked at a start, before anything is taken: `holder` outlives a process.
        """
        ...


class StandingGrants(Protocol):
    """What the operator grants for a time."""

    async def add(self, grant: StandingGrant, now: float) -> bool:
        """Remember a grant; False where there are too many."""
        ...

    async def list(self, now: float) -> list[StandingGrant]:
        """All that have not expired, oldest first."""
        ...

    async def revoke(self, grant_id: str) -> bool:
        """Forget a grant; False where there was none."""
        ...


class Stops(Protocol):
    """What must not go on."""

    async def add(self, stop: Stop, now: float) -> bool:
        """Remember a stop; False where there are too many of the loop guard's."""
        ...

    async def list(self, now: float) -> list[Stop]:
        """All that stand, oldest first."""
        ...

    async def lift(self, stop_id: str) -> bool:
        """Forget a stop; False where there was none."""
        ...
