"""Answers that begin before they are known, for clients that take events and give up on silence.

The counterpart is `writing`, which begins them. `exchange` says what is written in the end.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from proxy.exchange import Answer, Inbound
from proxy.values import Headers

FIRST_SECONDS = 4.0
"""Until an answer begins early: some clients give up after five."""
EVERY_SECONDS = 10.0
"""Between signs of life. Proxies cut what is silent for a minute, some for half of one."""


@dataclass(frozen=True, slots=True)
class Held:
    """An answer that begins with status 200 and `headers`, whatever comes of it.

    `beat`: the sign of life of this number, from 1. `last`: what the answer becomes, a refusal too,
    now that its status and headers cannot be sent any more.
    """

    headers: Headers
    beat: Callable[[int], bytes]
    last: Callable[[Answer], AsyncIterator[bytes]]
    every: float = EVERY_SECONDS


@runtime_checkable
class Holding(Protocol):
    """A `Codec` of callers that can be kept waiting."""

    def held(self, inbound: Inbound) -> Held | None:
        """How this one is; None where it cannot be, or what it wants is not known yet."""
        ...
