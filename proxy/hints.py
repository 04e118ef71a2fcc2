"""Notice what only the whole of many requests shows, and say it once.

All pairing attempts from one address, most of them failing, are one guesser, or everybody behind a
proxy that hides them: then one guesser locks out all. Which it is only the operator can tell.
"""

from collections import deque

import structlog

from proxy.exchange import Clock
from proxy.trace import Outcome, Step, Trace

log = structlog.get_logger()

_FAILURES = 5
_WINDOW_SECONDS = 600.0
_PAUSE_SECONDS = 3600.0
_ONE_ADDRESS = (
    "every pairing attempt comes from one address: if a proxy or container network stands between, "
    "set gateway.trust_forwarded_headers and gateway.trusted_proxies"
)


class Hints:
    """`Observer` of pairing attempts. It remembers one address, whoever asks and however often."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._key = ""
        self._last = self._other = self._told = float("-inf")
        self._failures: deque[float] = deque(maxlen=_FAILURES)

    async def step(self, trace: Trace, step: Step) -> None:
        """Count an attempt."""
        result, peer = step.decision.facts.get("pairing"), trace.peer
        if result is None or peer is None or trace.inbound.listener.name != "gateway":
            return
        now = self._clock()
        self._count(peer.key, now, failed=result != "paired")
        direct = peer.forwarded is None
        if direct and self._suspicious(now) and now - self._told >= _PAUSE_SECONDS:
            self._told = now
            log.warning(_ONE_ADDRESS, address=peer.key)

    async def close(self, trace: Trace, outcome: Outcome) -> None:
        """Nothing is told by the end."""

    def _count(self, key: str, now: float, *, failed: bool) -> None:
        if key != self._key:  # then the last attempt was the last of anybody else
            self._key, self._other = key, self._last
        self._last = now
        if failed:
            self._failures.append(now)

    def _suspicious(self, now: float) -> bool:
        """Whether the last minutes saw nobody else, and so all these failures are of one."""
        since = now - _WINDOW_SECONDS
        many = len(self._failures) == _FAILURES and self._failures[0] >= since
        return many and self._other < since
