"""Calls whose callers did not wait for the operator, and have not heard yet what came of them.

They are remembered in this process alone: who comes back to another one is asked about anew, which
bothers the operator, and lets nothing through.
"""

from dataclasses import dataclass

from proxy.state.approvals import MAX_ASKS, Ask

_TOLD_SECONDS = 600.0
"""How long after its end somebody may come to hear of it. Later, the same call is a new one."""


@dataclass(frozen=True, slots=True)
class Open:
    """An ask that was left open. `expires`: when its time to be decided is over."""

    id: str
    expires: float


class Left:
    """The asks that were left open, by what they are bound to; the oldest make room for others."""

    def __init__(self, most: int = MAX_ASKS) -> None:
        self._most = most
        self._asks: dict[str, Open] = {}

    def __len__(self) -> int:
        return len(self._asks)

    def keep(self, ask: Ask, now: float) -> None:
        """Somebody left it."""
        self._asks.pop(ask.binding, None)
        for binding in [key for key, each in self._asks.items() if _over(each, now)]:
            del self._asks[binding]
        while len(self._asks) >= self._most:
            del self._asks[next(iter(self._asks))]
        self._asks[ask.binding] = Open(ask.id, ask.expires)

    def pop(self, binding: str, now: float) -> Open | None:
        """Somebody is back for it."""
        ask = self._asks.pop(binding, None)
        return None if ask is None or _over(ask, now) else ask


def _over(ask: Open, now: float) -> bool:
    return now >= ask.expires + _TOLD_SECONDS
