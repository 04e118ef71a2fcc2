"""JSON without its secrets, and otherwise as it was.

A string is taken for what it means, not for how it is escaped. What is a secret by its key is
masked whole, and a string that is JSON itself is walked in turn. Only what holds a secret is
written anew: spaces, escapes, the order of members and the spelling of numbers stay.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from proxy.values import Json

MAX_DEPTH = 8
"""How deep strings of JSON in strings of JSON are walked; those in them are mere text."""

TOKENS = re.compile(
    r'"((?:[^"\\]++|\\.)*+)"(\s*+:)?+|[\[\]{}]|-?\d[\d.eE+-]*+|[tfnNI][A-Za-z]++', re.DOTALL
)
"""What JSON is made of, but for commas: strings (and the colon after a name), brackets, scalars."""

_UNITS = re.compile(
    r"[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u.{4}|\\.", re.DOTALL
)
_HALF = re.compile("[\ud800-\udfff]")  # of a character: no UTF-8, but it may be written escaped
_MIN_NUMBER = 6  # digits; shorter ones are ports, counts and years
_WINDOW = 1024  # characters that are looked at together
_MOST_DIGITS = 20  # of whole numbers that are read: many more would take long
_NOTHING: Mapping[int, str] = {}


class Cleaner(Protocol):
    """What finds and masks the secrets of one answer."""

    def text(self, text: str) -> str:
        """A whole text without its secrets."""
        ...

    def member(self, key: str, value: str) -> str | None:
        """The mask for the whole value of an object's member; None: no secret by its key."""
        ...

    def clean(self, data: bytes) -> bool:
        """Whether there is surely no secret in a text: in what it means as JSON, or so called."""
        ...


def walk(value: Json, cleaner: Cleaner) -> Json:
    """A JSON value without its secrets: the very same where it has none.

    Half a character, which no UTF-8 text can hold, is shown as a replacement character.
    """
    text = _ENCODER.encode(value)
    try:
        whole, data = text, text.encode()
    except UnicodeEncodeError:
        data = text.encode("utf-8", "surrogatepass")
        whole = data.decode("utf-8", "replace")
    if whole is text and cleaner.clean(data):
        return value
    shown = _Scan(cleaner, 0).run(whole)
    return value if shown == text else cast("Json", json.loads(shown))


def json_text(data: str, cleaner: Cleaner, done: Mapping[int, str] = _NOTHING) -> str:
    """A text that may be JSON, without its secrets; what is none is a text like any other.

    `done`: strings of the JSON that are known already, by where their opening quote stands.
    """
    if not done and cleaner.clean(data.encode("utf-8", "surrogatepass")):
        return data
    return _json(data, cleaner, 0, done)


def parsed(text: str) -> object:
    """What a text is as JSON, its longest numbers as 0; raises ValueError where it is none."""
    try:
        return _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("too deep") from error


def decoded(raw: str) -> str:
    """What stands between the quotes of a string."""
    return cast("str", _DECODER.decode(f'"{raw}"')) if "\\" in raw else raw


def encoded(text: str) -> str:
    """A string with its quotes."""
    return json.dumps(text, ensure_ascii=_HALF.search(text) is not None)


def _json(data: str, cleaner: Cleaner, depth: int, done: Mapping[int, str] = _NOTHING) -> str:
    try:
        parsed(data)
    except ValueError:
        return cleaner.text(data)
    return _Scan(cleaner, depth, done).run(data)


def _plain(value: object) -> object:
    """What `json` knows, of what it does not."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence):
        return list(value)
    raise TypeError(type(value).__name__)


def _whole_number(digits: str) -> int:
    return int(digits) if len(digits) <= _MOST_DIGITS else 0


_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, default=_plain)
_DECODER = json.JSONDecoder(strict=False, parse_int=_whole_number)


class _Scan:
    """One way through a text that is JSON. `_key`: the name that the next value stands under.

    The items of an array stand under the array's own, and none under one that tells nothing.
    """

    def __init__(self, cleaner: Cleaner, depth: int, done: Mapping[int, str] = _NOTHING) -> None:
        self._cleaner = cleaner
        self._depth = depth
        self._done = done
        self._text = ""
        self._seen, self._sure = 0, True  # up to where it was looked at, and found clean at once
        self._key = ""
        self._names: set[str] = set()
        self._renamed = False
        self._around: list[tuple[str, set[str], bool]] = []
        # What names mean, whether they tell nothing, and how they are shown.
        self._known: dict[str, tuple[str, bool, str]] = {}

    def run(self, data: str) -> str:
        """The text; the same object where nothing is changed."""
        shown: list[str] = []
        self._text = data
        at = 0
        for token in TOKENS.finditer(data):
            new = self._token(token)
            if new is not None:
                shown += (data[at : token.start()], new)
                at = token.end()
        return "".join((*shown, data[at:])) if shown else data

    def _token(self, token: re.Match[str]) -> str | None:
        """What stands there instead; None: it stays."""
        match token[0][0]:
            case '"':
                return self._name(token) if token[2] else self._string(token)
            case "{" | "[" as bracket:
                self._around.append((self._key, self._names, self._renamed))
                if bracket == "{":
                    self._key, self._names, self._renamed = "", set(), False
            case "}" | "]":
                self._key, self._names, self._renamed = self._around.pop()
            case "t" | "f" | "n" | "N" | "I":
                pass
            case _:
                return self._number(token)
        return None

    def _name(self, token: re.Match[str]) -> str | None:
        """The name of a member. Two that are masked alike stay two."""
        raw = token[1]
        if raw not in self._known:
            name = decoded(raw)
            plain = self._is_clean(name)
            self._known[raw] = name, plain, name if plain else self._cleaner.text(name)
        elif self._known[raw][0] != self._known[raw][2]:
            self._cleaner.text(self._known[raw][0])  # it counts again
        name, plain, shown = self._known[raw]
        self._key = "" if plain else name
        self._renamed = self._renamed or shown != name
        while self._renamed and shown in self._names:
            shown += "*"
        self._names.add(shown)
        return None if shown == name else _quoted(raw, name, shown) + token[2]

    def _string(self, token: re.Match[str]) -> str | None:
        new = self._done.get(token.start())
        if new is None and not self._key and self._is_sure(token):
            return None
        old = decoded(token[1])
        if new is None:
            masked = self._cleaner.member(self._key, old) if self._key else None
            new = self._value(old) if masked is None else masked
        return None if new == old else _quoted(token[1], old, new)

    def _value(self, text: str) -> str:
        """A string, which may be JSON of its own."""
        if self._depth < MAX_DEPTH and text.lstrip(" \t\r\n")[:1] in {"{", "["}:
            return _json(text, self._cleaner, self._depth + 1)
        return self._cleaner.text(text)

    def _number(self, token: re.Match[str]) -> str | None:
        """A number that is a secret becomes a string. Those of tokens are counts."""
        text = token[0]
        if len(text) < _MIN_NUMBER or (not self._key and self._is_sure(token)):
            return None
        counts = not self._key or "token" in self._key.lower()
        masked = None if counts else self._cleaner.member(self._key, text)
        new = self._value(text) if masked is None else masked
        return None if new == text else encoded(new)

    def _is_sure(self, token: re.Match[str]) -> bool:
        """Whether there is surely nothing in a token, nor in those around it: a quick look."""
        if token.end() > self._seen:
            begin = token.start()
            self._seen = max(token.end(), begin + _WINDOW)
            self._sure = self._is_clean(self._text[begin : self._seen])
        return self._sure

    def _is_clean(self, text: str) -> bool:
        return self._cleaner.clean(text.encode("utf-8", "surrogatepass"))


def _quoted(raw: str, old: str, new: str) -> str:
    """A string anew, written as before up to its first change and from its last."""
    if "\\" not in raw:
        return encoded(new)
    before = _common(old, new)
    most = min(len(old), len(new)) - before
    after = min(most, _common(old[::-1], new[::-1]))
    middle = encoded(new[before : len(new) - after])[1:-1]
    return f'"{raw[: _offset(raw, before)]}{middle}{raw[_offset(raw, len(old) - after) :]}"'


def _common(one: str, other: str) -> int:
    """How much two texts have in common at the beginning."""
    least, most = 0, min(len(one), len(other))
    while least < most:
        middle = (least + most + 1) // 2
        if one[least:middle] == other[least:middle]:
            least = middle
        else:
            most = middle - 1
    return least


def _offset(raw: str, count: int) -> int:
    """Where in the escaped text its first `count` characters end."""
    for unit in _UNITS.finditer(raw):
        size = 1 if unit[0][0] == "\\" else len(unit[0])
        if count < size:
            return unit.start() + count
        count -= size
    return len(raw)
