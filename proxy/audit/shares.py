"""How many denials a minute get a row, so that nobody can fill the disk by being refused.

All strangers have one share together, each principal has one of its own. What is left out is
counted, and told with the next row of a later minute, or at the end. Grants and outcomes are never
left out.
"""

from collections import Counter
from collections.abc import Iterator

from proxy.exchange import Clock

STRANGERS_EACH_MINUTE = 60
PRINCIPAL_EACH_MINUTE = 600
MAX_NAMES = 1000
OTHERS = "others"
"""Who comes when so many principals were refused in one minute: they have one share together."""


class Shares:
    """The denials of this minute by principal; None stands for all strangers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._minute = 0
        self._taken: Counter[str | None] = Counter()

    def take(self, name: str | None) -> bool:
        """Count a denial: whether it gets a row. `told` is asked before."""
        if name not in self._taken and len(self._taken) >= MAX_NAMES:
            name = OTHERS
        self._taken[name] += 1
        return self._taken[name] <= _most(name)

    def told(self, *, end: bool = False) -> Iterator[tuple[str | None, int]]:
        """How many of whom earlier minutes had to leave out, once; `end`: this one too."""
        minute = int(self._clock() // 60)
        if minute == self._minute and not end:
            return
        taken, self._taken, self._minute = self._taken, Counter(), minute
        for name, count in taken.items():
            if count > _most(name):
                yield name, count - _most(name)


def _most(name: str | None) -> int:
    return STRANGERS_EACH_MINUTE if name is None else PRINCIPAL_EACH_MINUTE
