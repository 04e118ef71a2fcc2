"""What a secret looks like: five patterns, and every value that Sidegate itself holds.

All rules are one RE2 expression over bytes: its time is linear in the text, whatever the text is.
No rule matches across a line end, and each match is bounded, so that a stream need hold back
little.

    token, api-key, password, secret    a telling key, then ":" or "=", then a value in any quoting
    bearer                              the scheme of an Authorization header and its credential
    held                                the very values that were registered
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

import re2

MAX_VALUE = 24  # of a value that a pattern finds; the rest of a longer one is swallowed after it
MIN_HELD = 8  # shorter values occur by chance

Span = tuple[int, int]

KEYS = {
    "token": r"token",
    "api_key": r"api[_-]?key",
    "password": r"passw(?:or)?d",
    "secret": r"secret(?:[_-]?(?:access[_-]?)?key)?",
}
ASSIGN = r"[ \t]{0,16}(?:=>|:=|[:=])[ \t]{0,16}"
_ONE, _TWO = r"\\[^\n]", r"\\\\(?:\\[^\n]|[^\"\\\n])"  # an escape, and one in a nested string
_SIGNS = r"\x00-\x20\x7f\"'\\,;&|<>()\[\]{}`*"  # that end a value without quotes
_BARE = rf"(?P<bare>[^{_SIGNS}$][^{_SIGNS}]{{7,%(n)d}})"
KEY = "|".join(f"(?P<{name}>{pattern})" for name, pattern in KEYS.items())


_AFTER_A_QUOTE = r",:\]}\s"


def _keyed(quote: str, same: str = "") -> str:
    """A telling key that `quote` closes, and a value in any quoting.

    A value in the `same` quotes as the key may begin with anything. Any other quote may be the one
    that ends a JSON string, and what follows such a quote does not begin a value.
    """
    nested_first, double_first, single_first = (
        "" if kind == same else _AFTER_A_QUOTE for kind in ("nested", "double", "single")
    )
    deep = r"\\{3,8}[\"'](?P<deep>[^\"'\\\n]{6,%(n)d})"
    nested = rf"\\\"(?P<nested>(?:[^\"\\\n{nested_first}]|{_TWO})(?:[^\"\\\n]|{_TWO}){{5,%(n)d}})"
    quoted = rf"\"(?P<double>(?:[^\"\\\n{double_first}]|{_ONE})(?:[^\"\\\n]|{_ONE}){{5,%(n)d}})"
    apostrophe = (
        rf"'(?P<single>(?:[^'\"\\\n{single_first}]|{_ONE})(?:[^'\"\\\n]|{_ONE}){{5,%(n)d}})"
    )
    value = f"(?:{deep}|{nested}|{quoted}|{apostrophe}|{_BARE})" % {"n": MAX_VALUE}
    return f"(?:{KEY})s?{quote}{ASSIGN}{value}"


def _renamed(pattern: str, mark: str) -> str:
    """The same with other names for its groups, since RE2 wants each once."""
    return re.sub(r"\(\?P<(\w+)>", rf"(?P<\1{mark}>", pattern)


_KEYED = "|".join(
    (
        _keyed(r"(?P<quote>\")", "double"),
        _renamed(_keyed(r"(?P<quote>\\{1,8}\")", "nested"), "_"),
        _renamed(_keyed(r"(?P<quote>\\{0,8}')", "single"), "__"),
        _renamed(_keyed(""), "___"),
    )
)
_BEARER = rf"bearer(?:[ \t]{{1,16}}|{ASSIGN})(?P<bearer>[A-Za-z0-9._~+/=-]{{8,{MAX_VALUE}}})"
OWN = r"z[co]_[0-9a-f]{64}"  # a bearer token that Sidegate made
_OWN = f"(?P<own>{OWN})"
_NOTHING = r"[^\x00-\xff]"

# How each kind of value goes on where it is longer than a pattern may be.
TAILS = {
    "deep": r"[^\"'\\\n]*",
    "nested": rf"(?:[^\"\\\n]|{_TWO})*",
    "double": rf"(?:[^\"\\\n]|{_ONE})*",
    "single": rf"(?:[^'\"\\\n]|{_ONE})*",
    "bare": rf"[^{_SIGNS}]*",
    "bearer": r"[A-Za-z0-9._~+/=-]*",
}
# Key, quotes and assignment before a value, each character of it as four, and one byte after it.
_LONGEST = 48 + 2 * 9 + 2 * 16 + 4 * (MAX_VALUE + 1) + 1


class Expression:
    """An RE2 expression over bytes, without regard to case.

    Groups are known by name; `name_` is another group of that name, in an alternative.
    """

    def __init__(self, pattern: str) -> None:
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.case_sensitive = False
        options.log_errors = False
        options.max_mem = 64 << 20
        self._compiled = re2.compile(pattern.encode(), options)
        groups: dict[bytes, int] = self._compiled.groupindex
        self._names = [(name.decode().rstrip("_"), at) for name, at in groups.items()]

    def search(self, text: bytes, start: int = 0) -> dict[str, Span] | None:
        """The spans of the first match, as "", and of its groups by name; None without one."""
        match = self._compiled.search(text, start)
        if match is None:
            return None
        spans = ((name, match.span(at)) for name, at in self._names)
        return {"": match.span(), **{name: span for name, span in spans if span[0] >= 0}}

    def match_end(self, text: bytes, start: int) -> int:
        """Where a match that begins at `start` ends; `start` itself without one."""
        match = self._compiled.match(text, start)
        return int(match.end()) if match else start


@dataclass(frozen=True)
class Rules:
    """The compiled rules. `key` finds a telling key; `longest` bounds a match and a byte more."""

    expression: Expression
    key: Expression
    longest: int


def compile_rules(held: Iterable[str] = (), *, patterns: bool = True) -> Rules:
    """The registered values in the forms that JSON gives them and, after them, the patterns."""
    literals = sorted({form for value in held for form in _forms(value)}, key=len, reverse=True)
    either = "|".join(re2.escape(literal) for literal in literals)
    registered = [f"(?P<held>(?-i:{either}))"] if literals else []
    longest = max([_LONGEST, *(len(literal.encode()) + 1 for literal in literals)])
    expression = "|".join([*registered, *((_KEYED, _BEARER) if patterns else ()), _OWN])
    key = rf"(?:{KEY})s?\z" if patterns else _NOTHING
    return Rules(Expression(expression), Expression(key), longest)


def _forms(value: str) -> Iterable[str]:
    """A value line by line, since no rule crosses one, as it is and as JSON escapes it."""
    for line in value.splitlines():
        if len(line) >= MIN_HELD:
            escaped = (json.dumps(line, ensure_ascii=plain)[1:-1] for plain in (True, False))
            yield from (
                line,
                *(form for each in escaped for form in (each, each.replace("/", r"\/"))),
            )
