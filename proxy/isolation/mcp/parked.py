"""Answers that wait for a person: streams of legacy servers that a modern client comes back to.

They are kept in memory, since they are open connections; who comes back to another replica, or too
late, starts again.
"""

import asyncio
import secrets
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

SECONDS = 300.0
"""How long one waits."""
MAX_OWNED = 8
"""Of one owner."""
MAX_ALL = 256


class Leaving(Protocol):
    """What can be given up."""

    def leave(self) -> None:
        """Nobody comes back for it."""
        ...


T = TypeVar("T", bound=Leaving)


@dataclass(frozen=True, slots=True)
class _Place(Generic[T]):
    owner: str
    bound: str
    what: T
    expiry: asyncio.TimerHandle


class Parked(Generic[T]):
    """What waits, by keys that cannot be guessed. `bound`: to what exactly one must come back."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._places: dict[str, _Place[T]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def room(self, owner: str) -> bool:
        """Whether another of this owner's can wait."""
        owned = sum(place.owner == owner for place in self._places.values())
        return owned < MAX_OWNED and len(self._places) < MAX_ALL

    def put(self, owner: str, bound: str, what: T) -> str:
        """Let it wait; the key that brings it back. There must be room."""
        key = secrets.token_urlsafe(18)
        loop = asyncio.get_running_loop()
        expiry = loop.call_later(self._seconds, self._expire, key)
        self._places[key] = _Place(owner, bound, what, expiry)
        return key

    def take(self, owner: str, bound: str, key: str) -> T | None:
        """What waits under the key, once, for who left it there, and for the same thing."""
        place = self._places.get(key)
        if place is None or (place.owner, place.bound) != (owner, bound):
            return None
        del self._places[key]
        place.expiry.cancel()
        return place.what

    def close(self) -> None:
        """Give all of it up."""
        for key in list(self._places):
            self._expire(key)

    def _expire(self, key: str) -> None:
        place = self._places.pop(key, None)
        if place is not None:
            place.expiry.cancel()
            place.what.leave()
