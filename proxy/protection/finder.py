"""Where secrets are in a text that somebody decides on, and nothing else than secrets.

The rules of `rules` take rather too much than too little, which suits an answer. Who decides on a
call must see all of it that may act, so here a value is a secret only where Sidegate holds it,
where its shape is that of a known kind of credential, or where a telling key stands before it and
it is too plain to be a command, an address, a path or an expansion. What follows is never taken.
"""

import re
from collections.abc import Iterable, Iterator

from proxy.protection.rules import ASSIGN, KEY, Expression, Span, compile_rules
from proxy.protection.scrubber import rule_name

Secret = tuple[int, int, str]
"""From where to where, in characters, and what it is: `held`, `key`, `bearer`, a telling key."""

_MIN = 8
_MIN_WITH_SLASHES = _LONGEST_WORD = 20
_MAX = 4096  # no key or value is longer that is worth a look
_PLAIN = r"[A-Za-z0-9_+][A-Za-z0-9+/_=-]{7,}"
# Prefixes by which their makers tell their keys, as secret scanners know them, and a JWT.
_SHAPES = (
    r"sk-[A-Za-z0-9_-]{20,}"
    r"|gh[opsur]_[A-Za-z0-9]{36,}"
    r"|github_pat_[A-Za-z0-9_]{22,}"
    r"|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"
    r"|AIza[A-Za-z0-9_-]{35}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"
)
_QUOTE = r"(?:\\{0,8}[\"'])?"
_KEYED = rf"(?:{KEY})s?{_QUOTE}{ASSIGN}{_QUOTE}(?P<value>{_PLAIN})"
_BEARER = r"bearer[ \t]{1,16}(?P<bearer>[A-Za-z0-9_+][A-Za-z0-9._~+/=-]{7,})"
_FOUND = Expression(rf"(?P<shape>\b(?-i:{_SHAPES}))|{_BEARER}|{_KEYED}")
_WHOLE = Expression(rf"{_PLAIN}\z")
_TELLING = Expression(rf"(?:{KEY})s?\z")
_AFTER = b" \t\r\n\"'\\,;&|<>)]}"  # what may stand after a value and is no part of it


class Finder:
    """Finds the secrets of a text. `held` are the values that Sidegate holds."""

    def __init__(self, held: Iterable[str]) -> None:
        self._held = compile_rules(held, patterns=False).expression

    def find(self, text: str, key: str = "") -> list[Secret]:
        """The secrets of a text in their order; `key` is that of the member whose value it is."""
        data = text.encode("utf-8", "surrogatepass")
        found = list(self._known(data))
        free = _gaps(found, len(data))
        found += [each for start, end in free for each in _seeming(data, start, end)]
        telling = _TELLING.search(key[-_MAX:].encode("utf-8", "surrogatepass")) if key else None
        if telling is not None and not found and _is_plain_whole(data):
            found = [(0, len(data), rule_name(telling))]
        return list(_in_characters(data, sorted(found)))

    def _known(self, data: bytes) -> Iterator[Secret]:
        at = 0
        while (match := self._held.search(data, at)) is not None:
            start, at = match[""]
            yield start, at, rule_name(match)


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
        kind = next(name for name in ("shape", "bearer", "value") if name in match)
        first, at = match[kind]
        name = "key" if kind == "shape" else rule_name(match)
        if kind == "shape" or _is_secret(kind, piece[first:at], data[start + at : start + at + 1]):
            yield start + first, start + at, name


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
