"""Rules as automata: one that finds where a match of any begins, and each on its own."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Sequence

from proxy.decision import ConfigError
from proxy.protection.checks import CHECKS
from proxy.protection.expression import (
    NOTHING,
    Alternation,
    Beginnings,
    Expression,
    opening_of,
)
from proxy.protection.held import REACH
from proxy.protection.rule import Rule

SPAN = 320
"""No match of ours that holds white space is longer, in bytes."""

_NEXT_LINE = r"(?:[=:>][ \t\"'`\\]{0,16}\r?\n[^\n]*)?"
_WINDOW = 8192  # looked at together: what does not match to its end must not be read to the end

PEM = "pem"
"""The check of the rules that find the first line of a private key: its body is another matter."""


class Compiled:
    """A rule, and what it is compiled to once it is needed: most never are."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    @functools.cached_property
    def expression(self) -> Expression:
        """The rule's own expression."""
        return Expression(self.rule.regex)

    @functools.cached_property
    def tail(self) -> Expression | str | None:
        """How its secret may go on: an expression, PEM, or not at all."""
        if self.rule.check == PEM:
            return PEM
        return Expression(self.rule.tail) if self.rule.tail else None


class Rules:
    """Rules, compiled once. Raises ConfigError for a check that does not exist."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        unknown = {rule.check for rule in rules} - {None, PEM, *CHECKS}
        if unknown:
            raise ConfigError([f"rules: there is no check {name!r}" for name in unknown])
        self.rules = rules
        self._each = [Compiled(rule) for rule in rules]

    @functools.cached_property
    def groups(self) -> tuple[Alternation, ...]:
        """Where the first match of any of a group may begin.

        As one automaton they would have too many states to be kept, and be slow at every hit.
        """
        groups = defaultdict[tuple[bool, bool], list[str]](list)
        for rule in self.rules:
            groups[rule.own, rule.spans].append(opening_of(rule.regex))
        return tuple(map(Alternation, groups.values()))

    def find(self, text: bytes) -> bool:
        """Whether a match of any may be in a text."""
        return any(group.start(text) >= 0 for group in self.groups)

    @functools.cached_property
    def opening(self) -> Alternation:
        """Where in SPAN bytes a match that holds white space may have begun, and not have ended."""
        words = _words(rule for rule in self.rules if rule.spans and rule.own)
        begun = {word[: at + 1] for word in words for at, sign in enumerate(word) if sign == " "}
        whole = rf"(?:{_either(words)})[^\n]*{_NEXT_LINE}"
        return Alternation([rf"(?i:(?:{whole}|{_either(begun)})\z)"])

    @functools.cached_property
    def telling(self) -> Alternation:
        """Where a text has a word that tells of a secret, whether or not one follows."""
        return Alternation([f"(?i:{_either(_words(each for each in self.rules if each.spans))})"])

    @functools.cached_property
    def keyed(self) -> bool:
        """Whether there are rules for what a key tells of."""
        return any(rule.spans for rule in self.rules)

    @functools.cached_property
    def by_lines(self) -> bool:
        """Whether somebody else's rules may cross any white space; line ends they never cross."""
        return any(rule.spans and not rule.own for rule in self.rules)

    @functools.cached_property
    def _beginning(self) -> Beginnings:
        return Beginnings(opening_of(rule.regex) for rule in self.rules)

    def at(self, text: bytes, start: int) -> Iterable[Compiled]:
        """The rules that may match at `start`, in their order."""
        return self.formats(text, start, spanning=True) or self._each

    def formats(self, text: bytes, start: int, *, spanning: bool = False) -> list[Compiled]:
        """Those of them whose matches hold no white space, `spanning` or not."""
        places = self._beginning.match(text[start : start + REACH])
        found = (self._each[place] for place in places)
        return [each for each in found if spanning or not each.rule.spans]


def start(group: Alternation, text: bytes, at: int, limit: int) -> int:
    """Where the first match of a group begins, at or after `at`; `limit` where not before it."""
    while at < limit:
        found = group.start(text, at, at + _WINDOW)
        if found >= 0:
            return min(found, limit)
        at += _WINDOW - REACH
    return limit


def _words(rules: Iterable[Rule]) -> set[str]:
    return {word for rule in rules for word in rule.keywords}


def _either(words: Iterable[str]) -> str:
    return "|".join(sorted(map(_literal, words))) or NOTHING


def _literal(word: str) -> str:
    return "".join(rf"\x{byte:02x}" if byte > 0x7F else _escaped(byte) for byte in word.encode())


def _escaped(byte: int) -> str:
    """Letters stay letters, so that they match in any case."""
    return chr(byte) if chr(byte).isalnum() else rf"\x{byte:02x}"


NONE = Rules(())
"""No rules at all."""
