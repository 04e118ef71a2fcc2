"""Whether it is worth trying to reach an upstream now: a circuit breaker.

Only what no client can bring about opens it, which is that connections fail: an answer that is slow
or broken never does, or whoever asks for the right thing could lock out everybody else. While it is
open nothing is tried; then one call is let through to see, and the next not before that one is
known, or has had its time.
"""

from collections.abc import Callable

_FAILURES = 5
_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 30.0
_LEASE_SECONDS = 5.0  # for a try of which nothing is heard: its caller may have left


class Breaker:
    """The breaker of one upstream. `clock` gives seconds that never go back.

    `up`: whether the upstream is there, as far as the last try could tell.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._pause = 0.0
        self._until = 0.0
        self._trying = False
        self.up = False

    def wait(self) -> float:
        """Seconds until a call may try, which it may at 0: then it is the one that does."""
        now = self._clock()
        if self._pause and now < self._until:
            return self._until - now
        if self._pause:
            self._trying = True
            self._until = now + max(self._pause, _LEASE_SECONDS)
        return 0.0

    def failed(self) -> None:
        """A connection could not be made."""
        self.up = False
        self._failures += 1
        if self._pause and self._trying:
            self._open(min(2 * self._pause, _LONGEST_SECONDS))
        elif not self._pause and self._failures >= _FAILURES:
            self._open(_FIRST_SECONDS)

    def reached(self) -> None:
        """A connection was made, or an answer came."""
        self._failures, self._pause, self._trying = 0, 0.0, False
        self.up = True

    def _open(self, pause: float) -> None:
        self._pause, self._until, self._trying = pause, self._clock() + pause, False
