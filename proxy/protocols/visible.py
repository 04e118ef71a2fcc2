r"""Text for whoever decides on it: nothing hidden, nothing turned round, nothing cut in silence.

What does not show, or shows as something else, is written as `\u{200b}`. No text of a caller can
look like such an escape, so two texts that differ never look the same. What is too long to be read
ends in a mark that no text can hold, `\u{+…}`. Nor can it hold what stands for a secret:
`[secret password, 14 characters, sha256 1a2b3c4d]`.
"""

import bisect
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.protocols.strict_json import dumps
from proxy.values import Json

MAX_TEXT = 16384
"""Characters of one text that are shown."""
MAX_SHOWN = 65536
"""Bytes that are shown of one value, written as JSON, but for the marks of what is left out."""
_OVERLAP = 4096  # a secret that begins in what is shown is masked as a whole
_NUMBER = 16  # the least that is charged, for what is no text, too
_SECRET = 8  # no shorter number is one
_EXACT = 1 << 53  # a reader of JSON that has only doubles shows another number past it

# Printable to Python, and yet without a shape: fillers, selectors, joiners and a blank
# (Unicode, DerivedCoreProperties: Default_Ignorable_Code_Point; U+2800 is the empty Braille cell).
_SHAPELESS = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\ufff0-\ufff8\U000e0000-\U000e0fff"
)
_ODD = re.compile(rf"[{_SHAPELESS}]|\\(?=u\{{)|\[(?=secret )")
# A terminal writes these from the right, and what stands beside them in another order (UAX #9).
_TURNING = ("R", "AL", "AN")

Find = Callable[[str, str], Sequence[tuple[int, int, str]]]
"""Where secrets are in a text, in their order, by the key of the member whose value it is.

Of each its first character, the one after its last, and what it is.
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown of a value, and in how many places a secret is not."""

    value: Json
    masked: int


def visible(text: str) -> str:
    """The same in printable characters from left to right, and another for every other text."""
    text = _ODD.sub(lambda found: _escaped(found[0]), text)
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_seen(char) else _escaped(char) for char in text)


def shown(value: Json, find: Find, most: int = MAX_SHOWN) -> Shown:
    """A JSON value with its texts made visible, without secrets, and cut where they are too long.

    An integer that not every reader shows as it is becomes a text.
    """
    view = _View(find, most)
    return Shown(view.of(value), view.masked)


class _View:
    """How much more may be shown, and how much was masked."""

    def __init__(self, find: Find, most: int) -> None:
        self._find = find
        self._left = most
        self.masked = 0

    def of(self, value: Json, key: str = "") -> Json:
        if isinstance(value, str):
            return self._text(value, key)
        if isinstance(value, Mapping):
            return self._members(value)
        if isinstance(value, list | tuple):
            return self._items(value, key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return self._number(value, key)
        self._left -= _NUMBER
        return value

    def _number(self, value: float, key: str) -> Json:
        text = str(value)
        inexact = isinstance(value, int) and abs(value) > _EXACT
        if inexact or (len(text) >= _SECRET and self._find(text, key)):
            return self._text(text, key)
        self._left -= max(_NUMBER, len(text))
        return value

    def _members(self, value: Mapping[str, Json]) -> Json:
        members: dict[str, Json] = {}
        for name, member in value.items():
            if self._left <= 0:
                members[_left_out(len(value) - len(members), "members", dumps(value))] = None
                break
            key = self._key(name, members)
            members[key] = self.of(member, name)
        return members

    def _key(self, name: str, taken: Mapping[str, Json]) -> str:
        """The key as it is shown. Two that are masked alike are still two."""
        shown_as = key = self._text(name)
        number = 1
        while key in taken:
            number += 1
            key = f"{shown_as}#{number}"
        self._left -= len(key) - len(shown_as)
        return key

    def _items(self, value: Sequence[Json], key: str) -> Json:
        items: list[Json] = []
        for item in value:
            if self._left <= 0:
                items.append(_left_out(len(value) - len(items), "items", dumps(value)))
                break
            items.append(self.of(item, key))
        return items

    def _text(self, text: str, key: str = "") -> str:
        most = min(MAX_TEXT, max(0, self._left))
        head = text if len(text) <= most else text[: most + _OVERLAP]
        secrets = self._find(head, key)
        seen, end, masked = _written(head, secrets, most)
        if _cost(seen) > self._left:
            lengths = range(1, most + 1)
            most = bisect.bisect_right(
                lengths, self._left, key=lambda size: _cost(_written(head, secrets, size)[0])
            )
            seen, end, masked = _written(head, secrets, most)
        if end < len(text):
            whole = text.encode("utf-8", "surrogatepass")
            seen += _left_out(len(text) - end, "characters", whole)
        self._left -= _cost(seen) + _NUMBER
        self.masked += masked
        return seen


def _written(text: str, secrets: Sequence[tuple[int, int, str]], most: int) -> tuple[str, int, int]:
    """The first `most` characters with placeholders, how far they go, and how many those are.

    A secret that begins before the end is passed over as a whole.
    """
    pieces: list[str] = []
    at = 0
    begun = [each for each in secrets if each[0] < most]
    for start, end, kind in begun:
        pieces += (visible(text[at:start]), _placeholder(text[start:end], kind))
        at = end
    end = max(at, min(most, len(text)))
    return "".join((*pieces, visible(text[at:end]))), end, len(begun)


def _placeholder(secret: str, kind: str) -> str:
    digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    return f"[secret {kind}, {len(secret)} characters, sha256 {digest[:8]}]"


def _cost(seen: str) -> int:
    return len(dumps(seen))


def _left_out(count: int, what: str, whole: bytes) -> str:
    """The mark for what is not shown, with the SHA-256 of the whole."""
    return f"\\u{{+{count} {what}, sha256 of all {hashlib.sha256(whole).hexdigest()}}}"


def _is_seen(char: str) -> bool:
    return char.isprintable() and unicodedata.bidirectional(char) not in _TURNING


def _escaped(char: str) -> str:
    return f"\\u{{{ord(char):x}}}"
