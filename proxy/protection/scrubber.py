"""Take the secrets out of a text that comes in pieces.

A machine that is fed and gives back; any cutting of the text gives the same output. It holds back
no more than what a longer text could still turn into a secret: its memory is bounded, and what
surely holds none goes on at once.
"""

from collections import Counter
from typing import Protocol

from proxy.protection.detector import CONTEXT, Cursor, Detector, Finding
from proxy.protection.expression import Expression
from proxy.protection.held import Held
from proxy.protection.masks import Masks
from proxy.protection.pem import KeyBody
from proxy.protection.rule import TAIL_UNIT


class Scrubber:
    """One channel of text. `tally` counts what is found, by label.

    `whole`: the text comes in one piece, so that every secret is known to its end.
    """

    def __init__(
        self, detector: Detector, masks: Masks, tally: Counter[str], *, whole: bool = False
    ) -> None:
        self._detector = detector
        self._masks = masks
        self._tally = tally
        self._whole = whole
        self._text = b""  # what came, from CONTEXT bytes before what was not yet shown
        self._at = 0  # where the latter begins
        self._tail: _Tail | None = None

    @property
    def held_back(self) -> int:
        """How much is kept of what came, in bytes."""
        return len(self._text)

    def scrub(self, data: bytes, *, final: bool) -> bytes:
        """What may be shown of the text so far; with `final`, all of the rest."""
        text = self._text = self._text + data
        limit = len(text) if final else self._detector.boundary(text)
        cursor = Cursor(self._detector, text, limit)
        shown: list[bytes] = []
        at = self._swallow(self._at, final=final)
        while self._tail is None:
            found = cursor.next(at)
            if found is None:
                shown.append(text[at : cursor.limit])
                at = max(at, cursor.limit)
                break
            at = self._mask(found, at, shown, final=final)
        keep = max(0, at - CONTEXT)
        self._text, self._at = text[keep:], at - keep
        return b"".join(shown)

    def _swallow(self, at: int, *, final: bool) -> int:
        """Pass over the rest of a secret that is longer than its match, as far as it is there."""
        if self._tail is None:
            return at
        at, ended = self._tail.swallow(self._text, at, final=final)
        if ended or final:
            self._tail = None
        return at

    def _mask(self, found: Finding, at: int, shown: list[bytes], *, final: bool) -> int:
        """Show the text from `at` with the secret that was found masked; where to go on."""
        self._tail = _tail(found, self._detector.held)
        end = self._swallow(found.end, final=final)
        known = end if self._whole else found.end
        whole = self._whole or found.tail is None
        secret = self._text[found.start : known]
        mask = self._masks.mask(found.label, secret, public=found.public, whole=whole)
        quote = _quote(found.quote)
        shown += (self._text[at : found.start], quote, mask, quote)
        self._tally[found.label] += 1
        return end


class _Tail(Protocol):
    def swallow(self, text: bytes, at: int, *, final: bool) -> tuple[int, bool]: ...


class _Run:
    """What goes on as an expression says, and all that is held and begins in it."""

    def __init__(self, expression: Expression, held: Held) -> None:
        self._expression = expression
        self._held = held

    def swallow(self, text: bytes, at: int, *, final: bool) -> tuple[int, bool]:
        """Up to where it goes in the text, and whether that is all of it."""
        end = self._expression.match_end(text, at)
        known = len(text) if final else self._held.opened(text)
        while (held := self._held.search(text, at, end)) and held[0] < min(end, known):
            if held[1] > known:
                known = held[0]
            elif held[1] > end:
                return held[1], True
            at = held[1]
        if end > known:
            return known, False
        return end, final or len(text) - end >= TAIL_UNIT or text[end : end + 1].isspace()


def _tail(found: Finding, held: Held) -> _Tail | None:
    match found.tail:
        case None:
            return None
        case Expression() as expression:
            return _Run(expression, held)
        case _:
            return KeyBody()


def _quote(quote: bytes) -> bytes:
    """The quote that closed a key, less backslashes that were the end of the key itself."""
    return quote if len(quote) % 2 == 0 or not quote else quote[-1:]
