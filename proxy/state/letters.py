"""The interface to the messages that wait to be delivered: a part of `store`, with its rules."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class Put(Enum):
    """What became of a message for the inbox."""

    STORED = "stored"
    KNOWN = "known"
    FULL = "full"


class Condition(Enum):
    """Where a message of the inbox stands."""

    WAITING = "waiting"
    SENDING = "sending"
    DEAD = "dead"
    DELIVERED = "delivered"


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that waits to be delivered. `content` is sealed; `why` is of a dead one.

    `held` is the lease that it was claimed under, which its holder proves itself by.
    """

    id: str
    channel: str
    content: bytes
    stored: float
    due: float
    attempts: int = 0
    condition: Condition = Condition.WAITING
    why: str = ""
    held: float = field(default=0.0, compare=False)


MAX_LETTERS = 10_000
MAX_LETTER_BYTES = 128 << 20


class Inbox(Protocol):
    """Messages that were taken and must be delivered, each at most once under its id."""

    async def put(self, letter: Letter) -> Put:
        """Store a letter, durably; `letter.stored` is now.

        KNOWN where its id is remembered, delivered ones included; FULL past MAX_LETTERS letters or
        MAX_LETTER_BYTES of content that are not delivered.
        """
        ...

    async def claim(self, now: float, lease: float) -> Letter | None:
        """The letter that is due first, WAITING, and nobody's until `lease`, or None."""
        ...

    async def sending(self, letter_id: str, held: float, lease: float) -> bool:
        """From now on it may have arrived, and is held until `lease`, which is the new `held`.

        False where it is no longer WAITING for whoever claimed it until `held`: it was dropped, or
        the lease ended and another has it.
        """
        ...

    async def delivered(self, letter_id: str, forget: float) -> None:
        """It has arrived; its id is remembered until `forget`, its content is not."""
        ...

    async def postpone(self, letter_id: str, held: float, due: float) -> None:
        """It did not arrive: WAITING until `due`, with one attempt more. Nothing of another's."""
        ...

    async def bury(self, letter_id: str, held: float, why: str) -> None:
        """It will not be tried again by itself: DEAD. `why` is a fixed sentence."""
        ...

    async def recover(self, why: str, now: float) -> int:
        """Bury what was SENDING when its lease ended: nobody knows whether it arrived."""
        ...

    async def list(self, now: float) -> list[Letter]:
        """All that are not delivered, oldest first, with empty content."""
        ...

    async def retry(self, letter_id: str, now: float) -> bool:
        """Try a dead letter again, from its first attempt on; False where there is none."""
        ...

    async def drop(self, letter_id: str) -> bool:
        """Forget a letter that is not SENDING; False where there is none."""
        ...
