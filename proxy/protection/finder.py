"""Where secrets are in a text that somebody decides on, and nothing else than secrets.

The rules for answers take rather too much than too little. Who decides on a call must see all of it
that may act, so here a value is a secret only where Sidegate holds it, where it is in a provider's
own format, or where a telling key stands before it and it is too plain to be a command, an address,
a path or an expansion. What follows is never taken.
"""

import functools
import re
from collections.abc import Iterable, Iterator

from proxy.protection.compiled import NONE, Rules
from proxy.protection.detector import Cursor, Detector
from proxy.protection.expression import Expression, Span
from proxy.protection.held import Held
from proxy.protection.rule import shipped

Secret = tuple[int, int, str]
"""From where to where, in characters, and what it is: `held`, a rule's id, a telling key."""

_MIN = 8
_MIN_WITH_SLASHES = _LONGEST_WORD = 20
_MAX = 4096  # no key or value is longer that is worth a look
_PLAIN = r"[A-Za-z0-9_+][A-Za-z0-9+/_=-]{7,}"
_KEYS = {
    "token": r"token",
    "api_key": r"api[_-]?key",
    "password": r"passw(?:or)?d",
    "secret": r"secret(?:[_-]?(?:access[_-]?)?key)?",
}
_KEY = "|".join(f"(?P<{name}>{pattern})" for name, pattern in _KEYS.items())
_ASSIGN = r"[ \t]{0,16}(?:=>|:=|[:=])[ \t]{0,16}"
_QUOTE = r"(?:\\{0,8}[\"'])?"
_KEYED = rf"(?:{_KEY})s?{_QUOTE}{_ASSIGN}{_QUOTE}(?P<value>{_PLAIN})"
_BEARER = r"bearer[ \t]{1,16}(?P<bearer>[A-Za-z0-9_+][A-Za-z0-9._~+/=-]{7,})"
_FOUND = Expression(rf"(?i:{_BEARER}|{_KEYED})")
_WHOLE = Expression(rf"{_PLAIN}\z")
_TELLING = Expression(rf"(?i:(?:{_KEY})s?\z)")
_AFTER = b" \t\r\n\"'\\,;&|<>)]}"  # what may stand after a value and is no part of it


@functools.cache
def _providers() -> Rules:
    return Rules(shipped(("providers",)))


class Finder:
    """Finds the secrets of a text. `held` are the values that Sidegate holds."""

    def __init__(self, held: Iterable[str]) -> None:
        self._exact = Detector(NONE, Held(held))

    def find(self, text: str, key: str = "") -> list[Secret]:
        """The secrets of a text in their order; `key` is that of the member whose value it is."""
        data = text.encode("utf-8", "surrogatepass")
        found = list(_found(self._exact, data, 0, len(data)))
        for kind in (_formatted, _seeming):
            free = list(_gaps(sorted(found), len(data)))
            found += [each for start, end in free for each in kind(data, start, end)]
        telling = _TELLING.search(key[-_MAX:].encode("utf-8", "surrogatepass")) if key else None
        if telling is not None and not found and _is_plain_whole(data):
            found = [(0, len(data), _name(telling.named))]
        return list(_in_characters(data, sorted(found)))


def _found(detector: Detector, data: bytes, start: int, end: int) -> Iterator[Secret]:
    """What a detector finds between `start` and `end`."""
    cursor = Cursor(detector, data[:end], end)
    while (found := cursor.next(start)) is not None:
        tail, start = found.tail, found.end
        if isinstance(tail, Expression):
            start = tail.match_end(data[:end], start)
        yield found.start, start, found.label


def _formatted(data: bytes, start: int, end: int) -> Iterator[Secret]:
    """What is in a provider's format."""
    return _found(Detector(_providers(), Held(())), data, start, end)


def _gaps(found: Iterable[Secret], size: int) -> Iterator[Span]:
    """What lies between."""
    at = 0
    for start, end, _ in found:
        yield at, start
        at = end
    yield at, size


def _seeming(data: bytes, start: int, end: int) -> Iterator[Secret]:
    """What looks like a secret between `start` and `end`."""
    piece = data[start:end]
    at = 0
    while (match := _FOUND.search(piece, at)) is not None:
        kind = "bearer" if "bearer" in match.named else "value"
        first, at = match.named[kind]
        if _is_secret(kind, piece[first:at], data[start + at : start + at + 1]):
            yield start + first, start + at, _name(match.named)


def _name(named: Iterable[str]) -> str:
    """What a match is called by the group of its key."""
    return next(name for name in (*_KEYS, "bearer") if name in named).replace("_", "-")


def _is_secret(kind: str, value: bytes, after: bytes) -> bool:
    """Whether a value is no word, and neither a path nor a part of something longer."""
    if after and after not in _AFTER:
        return False
    if kind == "bearer" and (_is_word(value) or (b"/" in value and b"." in value)):
        return False
    return b"/" not in value or _is_mixed(value)


def _is_word(value: bytes) -> bool:
    return len(value) < _LONGEST_WORD and value.rstrip(b".-").isalpha()


def _is_plain_whole(data: bytes) -> bool:
    span = _WHOLE.match_end(data, 0)
    return span == len(data) >= _MIN and (b"/" not in data or _is_mixed(data))


def _is_mixed(value: bytes) -> bool:
    """Whether a value with slashes is rather Base64 than a path."""
    if len(value) < _MIN_WITH_SLASHES:
        return False
    return all(re.search(kind, value) for kind in (rb"[a-z]", rb"[A-Z]", rb"[0-9]"))


def _in_characters(data: bytes, found: Iterable[Secret]) -> Iterator[Secret]:
    at = characters = 0
    for start, end, name in found:
        first = characters + len(data[at:start].decode("utf-8", "surrogatepass"))
        at, characters = end, first + len(data[start:end].decode("utf-8", "surrogatepass"))
        yield first, characters, name
