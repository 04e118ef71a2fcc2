"""Read the words of one call by what is known of its program: which are paths, which are refused.

Options are found as getopt finds them: bundled, with their value glued to them or in the next word,
long ones shortened, and none behind "--". What is not understood is refused, or judged as a path.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.authorization.programs import variables
from proxy.authorization.programs.readers import ANY
from proxy.authorization.programs.spec import ASKS, RUNS, TEXT, UNKNOWN, Bar, Reader, Spec, Use
from proxy.decision import Deny, Facts
from proxy.reasons import Reason

RULE = "autonomy.allowed_commands"
PATTERN = Bar("a pattern would decide what is done", Reason.COMMAND_UNKNOWABLE)
_SHORTENED = Bar("shortened, so that it could be one of several")
_EXCLUDED = Bar("refused by the rule for this program")
_SUBCOMMAND = Bar("not among the subcommands of the rule for this program")
_VARIABLE = Bar("can change what programs do", Reason.COMMAND_VARIABLE_NOT_ALLOWED)
_PLACE = Bar("names of files would become a part of a word", Reason.COMMAND_UNKNOWABLE)
_UNENDED = Bar("a call without an end", Reason.COMMAND_MALFORMED)
# Names that programs of all kinds give to options that run or load what they are told.
_SUSPECT = re.compile(
    r"--?(?:exec|command|cmd|shell|pre$|pre-?process|preload|pager|editor|rsh|use-\w*-?prog|plugin"
    r"|load|filter|eval|script|hook|require|import|init-file|rc-?file|startup|library|driver"
    r"|program|interpreter|run-(?:command|program|script)|spawn|on-\w+-(?:command|exec)|ext$|runtool"
    r"|wrapper|launcher|gdb|allow-scripts|config\.|@"
    r"|[\w-]*(?:cmd|command|exec|eval))"
)
_ASSIGNMENT = re.compile(r"(\w+)=(.*)", re.DOTALL)
_POSITION = re.compile(r"\+(?:[0-9]+|[FG])")  # where a pager begins
_LONGEST_BUNDLE = 64
_FOUND = "./{}"


class Word(NamedTuple):
    """A word of a call. `pattern`: names of files come in its place."""

    text: str
    pattern: bool = False


class Inner(NamedTuple):
    """A call that the program makes. `own`: of a module of its own, which needs no listing."""

    words: tuple[Word, ...]
    own: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator's rule adds: the subcommands that remain, the options that do not."""

    subcommands: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()


@dataclass
class Scan:
    """One pass over the words of a call; `title` is what the table calls the program."""

    title: str
    spec: Spec
    words: deque[Word]
    limits: Limits = Limits()
    fed: bool = False
    operands: list[str] = field(default_factory=list)
    """What may be read as a path."""
    calls: list[Inner] = field(default_factory=list)
    taken: int = 0
    ended: bool = False
    unsure: bool = False
    """Whether an operand may be the value of an option that is not known."""
    descended: bool = False
    seen: set[str] = field(default_factory=set)
    inherited: Mapping[str, Use | Bar] = field(default_factory=dict)
    found: dict[str, tuple[str, Use | Bar | None]] = field(default_factory=dict)

    def run(self) -> Deny | None:
        """Read every word; None where nothing is refused."""
        if self.fed and self.spec.fed:
            return self.refuse("", self.spec.fed, "")
        denied: Deny | None = None
        if self.spec.bundled and self.words and not self.words[0].text.startswith("-"):
            denied = self._old_bundle(self.words.popleft())
        while self.words and denied is None:
            denied = self._word(self.words.popleft())
        return denied or self._end()

    def refuse(self, name: str, bar: Bar, evidence: str) -> Deny:
        """The refusal of something that `name` names in the table."""
        known = f"{self.title} {name}".rstrip()
        return Deny(bar.reason, evidence, Facts(rule=RULE, known=f"{known}: {bar.effect}"))

    def _word(self, word: Word) -> Deny | None:
        text = word.text
        marked = text.startswith("-") and text != "-"
        if self.spec.plus and text.startswith("+") and not _POSITION.fullmatch(text):
            return self.refuse("+", Bar(RUNS), text)
        if self.ended or not marked:
            return self._operand(word)
        if word.pattern:
            return self.refuse("option", PATTERN, text)
        if text == "--" and not self.spec.single:
            self.ended = True
            return None
        if text.startswith("--") or self.spec.single:
            return self._long(text)
        return self._bundle(text)

    def _long(self, text: str) -> Deny | None:
        name, glued, value = text.partition("=")
        name, use = self._find(name)
        if use is None:
            return self._unknown(name, text)
        return self._use(name, use, text, value if glued else None)

    def _bundle(self, text: str) -> Deny | None:
        for place, letter in enumerate(text[1:], 2):
            if place > _LONGEST_BUNDLE:
                return self.refuse("option", Bar(UNKNOWN), text)
            name, use = self._find(f"-{letter}")
            if use is None:
                if denied := self._unknown(name, text):
                    return denied
            elif isinstance(use, Use) and use.reader is not None:
                return self._use(name, use, text, text[place:] or None)
            elif denied := self._use(name, use, text, None):
                return denied
        return None

    def _old_bundle(self, word: Word) -> Deny | None:
        """The values of such a bundle are in the words behind it, one after the other."""
        for letter in word.text:
            name, use = self._find(f"-{letter}")
            if use is None:
                return self.refuse("option", Bar(UNKNOWN), word.text)
            if denied := self._use(name, use, word.text, None):
                return denied
        return None

    def _find(self, name: str) -> tuple[str, Use | Bar | None]:
        """The option that `name` is, or is short for."""
        if self.spec.single:
            name = f"-{name.lstrip('-')}"
        if name not in self.found:
            self.found[name] = self._look_up(name, {**self.inherited, **self.spec.table})
        return self.found[name]

    def _look_up(self, name: str, table: Mapping[str, Use | Bar]) -> tuple[str, Use | Bar | None]:
        keys = list(self._keys(name, table))
        if any(key in self.limits.denied for key in keys):
            return "option", _EXCLUDED
        for key in keys:
            if isinstance(table[key], Bar):
                return key, table[key]
        if len({table[key] for key in keys}) > 1:
            return "option", _SHORTENED
        return (keys[0], table[keys[0]]) if keys else (name, None)

    def _keys(self, name: str, table: Mapping[str, Use | Bar]) -> Iterator[str]:
        """The options that `name` may mean, those of the rule among them."""
        if name in table or name in self.limits.denied:
            yield name
        elif name.startswith("--"):
            yield from (key for key in (*table, *self.limits.denied) if key.startswith(name))
        elif self.spec.single:
            joined = (key for key in table if len(key) > 1 and name.startswith(key))
            yield from (key for key in joined if isinstance(table[key], Bar))

    def _unknown(self, name: str, text: str) -> Deny | None:
        early = self.limits.subcommands is not None and not self.descended
        dashes = name.startswith("---") and not self.spec.inert
        if self.spec.closed or early or dashes:  # it could take the subcommand for its value
            return self.refuse("option", Bar(UNKNOWN), text)
        unlisted = self.spec.operands == (ANY,)
        if _SUSPECT.match(text if unlisted else name):
            return self.refuse("option", Bar(RUNS), text)
        if unlisted and text in {"-c", "-e"}:
            return self.refuse(name, Bar(RUNS), text)
        self.unsure = True
        value = text.partition("=")[2]
        self.operands.extend([text, value] if value.startswith("-") else [text])
        return None

    def _use(self, name: str, use: Use | Bar, text: str, value: str | None) -> Deny | None:
        if isinstance(use, Bar):
            return self.refuse(name, use, text)
        self.seen.add(name)
        if use.mark == ";":
            return self._call(name, text)
        if use.reader is None or (use.glued and value is None):
            # A value that the option is not known to take might be anything.
            self.operands.extend([text] if value else [])
            return None
        # What follows a script that an option names belongs to the script.
        self.ended = self.ended or (self.spec.ordered and name in self.spec.instead)
        if name in self.spec.paired and self.words:
            self.words.popleft()
            value = None
        if value is not None:
            return self._read(use.reader, Word(value), name, use.mark)
        return self._read(use.reader, self.words.popleft(), name, use.mark) if self.words else None

    def _read(self, reader: Reader, word: Word, name: str, mark: str = "") -> Deny | None:
        if mark == ">":
            return self._module(name, word)
        if word.pattern and reader.code:
            return self.refuse(name, PATTERN, word.text)
        found = reader.read(word.text)
        if isinstance(found, Bar):
            return self.refuse(name, found, word.text)
        self.operands.extend(found)
        return None

    def _module(self, name: str, word: Word) -> Deny | None:
        if word.pattern or word.text not in self.spec.modules:
            return self.refuse(name, Bar(RUNS), word.text)
        self._rest(word, own=True)
        return None

    def _operand(self, word: Word) -> Deny | None:
        if self.spec.subcommands or (self.limits.subcommands is not None and not self.descended):
            return self._descend(word)
        if self.spec.assigns and (assigned := _ASSIGNMENT.match(word.text)):
            if variables.may_set(assigned[1], assigned[2]) and not word.pattern:
                return None
            return self.refuse("variable", _VARIABLE, word.text)
        if self.taken == self.spec.inner and not self.seen & self.spec.telling:
            self._rest(word)
            return None
        place = self.taken + bool(self.seen & self.spec.instead)
        self.taken += 1
        self.ended = self.ended or self.spec.ordered
        reader = self.spec.operands[min(place, len(self.spec.operands) - 1)]
        if self.unsure and reader is TEXT:
            self.operands.append(word.text)
        return self._read(reader, word, "operand")

    def _rest(self, first: Word, *, own: bool = False) -> None:
        """The rest of the words is a call of its own."""
        self.calls.append(Inner((first, *self.words), own))
        self.words.clear()

    def _call(self, name: str, text: str) -> Deny | None:
        """A call up to its end, whose words {} stand for what will be found."""
        words: list[Word] = []
        while self.words:
            word = self.words.popleft()
            if word.text == ";" or (word.text == "+" and words and words[-1].text == _FOUND):
                self.calls.append(Inner(tuple(words)))
                return None if words else self.refuse(name, _UNENDED, text)
            if "{}" in word.text and word.text != "{}":
                return self.refuse(name, _PLACE, word.text)
            words.append(Word(_FOUND, pattern=True) if word.text == "{}" else word)
        return self.refuse(name, _UNENDED, text)

    def _descend(self, word: Word) -> Deny | None:
        """Go on with what is known of a subcommand."""
        listed = self.limits.subcommands
        if listed is not None and not self.descended and word.text not in listed:
            return self.refuse("subcommand", _SUBCOMMAND, word.text)
        found = self.spec.subcommands.get(word.text)
        if word.pattern:
            return self.refuse("subcommand", PATTERN, word.text)
        if isinstance(found, Spec):
            self._enter(f"{self.title} {word.text}", found)
        elif listed is not None and not self.descended:
            self._enter(f"{self.title} subcommand", Spec(operands=(ANY,)))
        elif found is not None:
            return self.refuse(word.text, found, word.text)
        elif isinstance(self.spec.otherwise, Spec):
            self._enter(self.title, self.spec.otherwise)
            return self._operand(word)
        else:
            return self.refuse("subcommand", self.spec.otherwise, word.text)
        return None

    def _enter(self, title: str, spec: Spec) -> None:
        self.inherited = {**self.inherited, **self.spec.table} if self.spec.inherits else {}
        self.title, self.spec, self.found = title, spec, {}
        self.taken, self.descended = 0, True

    def _end(self) -> Deny | None:
        needs = self.spec.needs
        if needs and not self.taken and not self.calls and not self.seen & self.spec.telling:
            return self.refuse("", needs, "")
        if self.limits.subcommands is not None and not self.descended:
            return self.refuse("subcommand", _SUBCOMMAND, "")
        if self.spec.demands and not self.seen & self.spec.demanded:
            return self.refuse(f"without {self.spec.demands.split()[0]}", Bar(ASKS), "")
        return None
