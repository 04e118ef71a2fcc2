"""What a tool's definition says to a model, and hides from a human; and what identifies it.

A server can write instructions in characters that no terminal shows. Text that people write in any
language passes: right-to-left scripts, combining marks, emoji and what joins them.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from proxy.values import Json

ESCAPES = "terminal escapes"
CONTROLS = "control characters"
ZERO_WIDTH = "zero-width characters"
TURNING = "characters that turn the direction"
TAGS = "tag characters"
SELECTORS = "variation selectors"
FILLERS = "characters without a shape"
PRIVATE = "private or unassigned characters"

_KINDS = (ESCAPES, CONTROLS, ZERO_WIDTH, TURNING, TAGS, SELECTORS, FILLERS, PRIVATE)
_CLASSES = {
    ESCAPES: "\x1b\x90\x9b-\x9f",
    CONTROLS: "\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x8f\x91-\x9a\u2028\u2029\ufff9-\ufffb",
    ZERO_WIDTH: "\u200b-\u200d\u2060-\u2064\ufeff",
    TURNING: "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069",
    TAGS: "\U000e0000-\U000e007f",
    SELECTORS: "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef",
    FILLERS: (
        "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u206a-\u206f\u2800\u3164\uffa0\ufff0-\ufff8"
    ),
}
_KNOWN = [(re.compile(f"[{chars}]"), kind) for kind, chars in _CLASSES.items()]
_ORDINARY = re.compile(r"\r\n|[\t\n]")
# The three flags of parts of a country that all systems draw (Unicode, emoji-sequences).
_PARTS = ("gbeng", "gbsct", "gbwls")
_FLAGS = re.compile(
    "\U0001f3f4(?:"
    + "|".join("".join(chr(0xE0000 + ord(char)) for char in part) for part in _PARTS)
    + ")\U000e007f"
)
_SHOWN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2")
_STYLES = "\ufe0e\ufe0f"
_STYLED = frozenset("0123456789#*\u203c\u2049\u2139\u3030")
_NON_JOINER, _JOINER = "\u200c", "\u200d"
_VIRAMA = 9  # Unicode's combining class


def hidden(value: Json) -> str:
    """The kinds of characters in a definition that are not seen, "" where there are none.

    The words are constants of this page: nothing of the definition is among them.
    """
    found = {kind for text in _texts(value) for kind in _in_text(text)}
    return ", ".join(kind for kind in _KINDS if kind in found)


def canonical(tool: Mapping[str, Json]) -> bytes:
    """A definition in the one form that all of its writings have."""
    return json.dumps(
        tool, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def digest(tool: Mapping[str, Json]) -> str:
    """SHA-256 of a definition, every member of it: in any one a server can speak to a model."""
    return hashlib.sha256(canonical(tool)).hexdigest()


def _texts(value: Json) -> Iterator[str]:
    """Every text in a value, names of members too."""
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, Mapping):
            todo += [*each.keys(), *each.values()]
        elif isinstance(each, Iterable):
            todo += each


def _in_text(text: str) -> Iterator[str]:
    text = _FLAGS.sub("-", _ORDINARY.sub(" ", text))
    if text.isprintable() and text.isascii():
        return
    padded = f" {text} "
    for (before, char), (_, after) in pairwise(pairwise(padded)):
        if not char.isascii() or not char.isprintable():
            yield from _of(before, char, after)


def _of(before: str, char: str, after: str) -> Iterator[str]:
    """The kind of a character that is hidden between these two, if it is."""
    if char in _STYLES and _is_picture(before, _STYLED):
        return
    if char in (_NON_JOINER, _JOINER) and _joins(before, char, after):
        return
    kind = next((kind for pattern, kind in _KNOWN if pattern.match(char)), "")
    category = unicodedata.category(char)
    if not kind and category == "Cf" and char not in _SHOWN_FORMATS:
        kind = FILLERS
    if not kind and category in ("Co", "Cn", "Cs"):
        kind = PRIVATE
    if kind:
        yield kind


def _is_picture(char: str, beside: Iterable[str] = ()) -> bool:
    """Whether emoji are made of this character."""
    drawn = not char.isascii() and unicodedata.category(char) in ("So", "Sm", "Sk")
    return drawn or char in beside


def _joins(before: str, char: str, after: str) -> bool:
    """Whether a joiner makes one emoji of two, or shapes letters as their script wants it."""
    if char == _JOINER and _is_picture(before, _STYLES) and _is_picture(after):
        return True
    if unicodedata.combining(after) == _VIRAMA:
        return before.isalpha()
    shaped = unicodedata.combining(before) == _VIRAMA or unicodedata.bidirectional(before) == "AL"
    return shaped and after.isalpha()
