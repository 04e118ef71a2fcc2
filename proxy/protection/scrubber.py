"""Take the secrets out of a text that comes in pieces.

A machine that is fed and gives back; any cutting of the text gives the same output. It holds back
what a longer text could still turn into a match: the last unfinished line, and of that no more than
the longest match, so that its memory is bounded and a line that ends is never delayed.
"""

from collections import Counter

from proxy.protection.rules import KEYS, TAILS, Expression, Rules, Span

MARK = b"*[REDACTED]"
_PREFIX = 4
_PREFIX_FROM = 20  # shorter values keep nothing: four of their characters would say too much
_TAILS = {kind: Expression(pattern) for kind, pattern in TAILS.items()}
_KINDS = ("held", "own", *TAILS)


class Scrubber:
    """One channel of text."""

    def __init__(self, rules: Rules, tally: Counter[str]) -> None:
        self._rules = rules
        self._tally = tally
        self._text = b""
        self._tail: str | None = None  # the kind of value whose rest is being swallowed

    def scrub(self, data: bytes, *, final: bool) -> bytes:
        """What may be shown of the text so far; with `final`, all of the rest."""
        self._text += data
        shown: list[bytes] = []
        safe = len(self._text) if final else self._safe_length()
        at = self._swallow(0, final=final)
        while self._tail is None:
            found = self._rules.expression.search(self._text, at)
            if found is None or found[""][0] >= safe:
                shown.append(self._text[at:safe])
                at = max(at, safe)
                break
            at = self._swallow(self._mask(found, at, shown), final=final)
        self._text = self._text[at:]
        return b"".join(shown)

    def _safe_length(self) -> int:
        """Up to where no text to come can change what matches."""
        line = self._text.rfind(b"\n") + 1
        return max(line, len(self._text) - self._rules.longest, 0)

    def _swallow(self, at: int, *, final: bool) -> int:
        """Pass over the rest of a value that is longer than its pattern, as far as it is there."""
        if self._tail is None:
            return at
        end = _TAILS[self._tail].match_end(self._text, at)
        # At the end of the text, or before the beginning of an escape there, more may come.
        if final or self._text[end : end + 4].strip(b"\\"):
            self._tail = None
        return end

    def _mask(self, found: dict[str, Span], at: int, shown: list[bytes]) -> int:
        """Show the text from `at` with the value that was found masked; where to go on."""
        kind = next(name for name in _KINDS if name in found)
        start, end = found[kind]
        if _is_word(kind, self._text[start:end], self._text[end : end + 1]):
            shown.append(self._text[at:end])
            return end
        mask = MARK if kind == "held" else masked(self._text[start:end])
        if kind == "bare" and "quote" in found:
            quote = _quote(self._text[slice(*found["quote"])])
            mask = quote + mask + quote  # a number in JSON becomes a string
        shown += (self._text[at:start], mask)
        self._tally[rule_name(found)] += 1
        self._tail = kind if kind in TAILS else None
        return end


def _quote(quote: bytes) -> bytes:
    """The quote that closed a key, less backslashes that were the end of the key itself."""
    return quote if len(quote) % 2 == 0 else quote[-1:]


def _is_word(kind: str, value: bytes, after: bytes) -> bool:
    """Whether a match is a call, an index or prose after all."""
    if kind == "bare":
        return after in (b"(", b"[")
    return kind == "bearer" and len(value) < _PREFIX_FROM and value.rstrip(b".-").isalpha()


def masked(value: bytes) -> bytes:
    """What is shown of a secret: its first four characters where they say little, and the mark."""
    keeps = len(value) >= _PREFIX_FROM and _plain(value[:_PREFIX])
    return (value[:_PREFIX] if keeps else b"") + MARK


def rule_name(found: dict[str, Span]) -> str:
    """The name of the rule that matched, as the metrics show it."""
    named = next((name for name in (*KEYS, "bearer", "held") if name in found), "token")
    return named.replace("_", "-")


def _plain(prefix: bytes) -> bool:
    """Whether a prefix may be cut off without breaking an escape or a character."""
    return all(byte < 0x80 and (chr(byte).isalnum() or byte in b"_-") for byte in prefix)
