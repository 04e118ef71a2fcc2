"""Which programs may run, and with which words: the operator's list and the table, joined.

The counterparts are `options`, which reads the words of one call, and `lines`, which finds the
calls in a line. A program that runs another is read as far as that other, which is judged anew.
"""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from proxy.authorization.programs.options import PATTERN, RULE, Limits, Scan, Word
from proxy.authorization.programs.spec import Bar, Spec
from proxy.authorization.programs.table import ALIASES, PROGRAMS, UNLISTED, VERSIONS
from proxy.authorization.shell.script import Call
from proxy.config.commands import CommandRule
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.reasons import Reason

_DEEPEST = 8
_MOST_WORDS = 4096
_VERSION = re.compile(r"[-.0-9]+\Z")
_APPENDED = Bar("is given words that are not known before", Reason.COMMAND_UNKNOWABLE)
_NOTHING = Limits()


@dataclass(frozen=True, slots=True)
class Judged:
    """A call that may be made. `operands`: all that may be read as a path, yet to be checked."""

    operands: tuple[str, ...]
    note: str = ""


class Allowlist:
    """The programs that may run."""

    def __init__(self, entries: Sequence[str | CommandRule]) -> None:
        self._limits: Mapping[str, Limits] = dict(map(_limits, entries))

    def judge(self, call: Call) -> Decision[Judged]:
        """Whether `call` may be made, as far as that does not depend on paths."""
        if len(call.argv) > _MOST_WORDS:
            return Deny(Reason.COMMAND_TOO_COMPLEX)
        words = [Word(text, place in call.patterns) for place, text in enumerate(call.argv)]
        return self._judge(words, fed=call.fed, depth=0)

    def _judge(
        self, words: Sequence[Word], *, fed: bool, depth: int, own: bool = False, more: bool = False
    ) -> Decision[Judged]:
        """`own`: needs no listing. `more`: words will follow that are not known."""
        if depth > _DEEPEST or not words:
            return Deny(Reason.COMMAND_TOO_COMPLEX if words else Reason.COMMAND_MALFORMED)
        program = words[0]
        limits = _NOTHING if own else self._limits.get(program.text)
        if program.pattern:
            return _refuse(program.text, "program", PATTERN)
        if limits is None:
            return Deny(Reason.COMMAND_NOT_ALLOWED, program.text, Facts(rule=RULE))
        title, spec = look_up(program.text)
        if isinstance(spec, Bar):
            if limits.subcommands is None:
                told = not more and _asks_for_version(title, words, limits)
                return Allow(Judged(())) if told else _refuse(program.text, title, spec)
            spec = UNLISTED
        if more and not spec.inert:
            return _refuse(program.text, title, _APPENDED)
        scan = Scan(title, spec, deque(words[1:]), limits, fed=fed)
        return scan.run() or self._with_inner(scan, depth)

    def _with_inner(self, scan: Scan, depth: int) -> Decision[Judged]:
        """What was found, and what the calls add that the program makes in its turn."""
        operands, notes = list(scan.operands), [f"{scan.title}: {scan.spec.note}"]
        for words, own in scan.calls:
            more = scan.spec.appended
            inner = self._judge(words, fed=scan.fed, depth=depth + 1, own=own, more=more)
            if isinstance(inner, Deny):
                return inner
            operands += inner.value.operands
            notes.append(inner.value.note)
        told = [note for note in notes if note and not note.endswith(": ")]
        return Allow(Judged(tuple(operands), "; ".join(told)))


def _asks_for_version(title: str, words: Sequence[Word], limits: Limits) -> bool:
    """Whether a program that is refused as a whole is only asked which one it is."""
    asked = VERSIONS.get(title)
    return [word.text for word in words[1:]] == [asked] and asked not in limits.denied


def look_up(program: str) -> tuple[str, Spec | Bar]:
    """What the table knows of a program, and the name that it has there."""
    base = program.rpartition("/")[2]
    for name in (base, _VERSION.sub("", base)):
        known = ALIASES.get(name, name)
        if known in PROGRAMS:
            return known, PROGRAMS[known]
    return "a program that is not in the table", UNLISTED


def _limits(entry: str | CommandRule) -> tuple[str, Limits]:
    if isinstance(entry, str):
        return entry, _NOTHING
    narrowed = None if entry.subcommands is None else frozenset(entry.subcommands)
    return entry.program, Limits(narrowed, frozenset(entry.options.deny))


def _refuse(evidence: str, title: str, bar: Bar) -> Deny:
    return Deny(bar.reason, evidence, Facts(rule=RULE, known=f"{title}: {bar.effect}"))
