"""What is known of one program, and the short notation that the table says it in.

The counterparts are `programs`, the table itself, and `options`, which reads a call by it.

An option is written as a call spells it, with what it takes behind it:

    -n      nothing
    -e=     text, which is never read as a path; in the same word or in the next
    -f:     a path
    -e*     what the program's first operand is, such as a script in its own language
    -m>     the name of a module, to which the rest of the call belongs
    -exec;  a whole call, up to ";" or "+"
    -i?=    any of these in the same word only

Options that do more than a listing of the program means are named by what they do (`runs`,
`loads`, …), and refused.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from proxy.reasons import Reason

RUNS = "runs other programs"
LOADS = "loads code, or settings that can"
READS = "reads what the call does not name"
WRITES = "writes where the call does not say"
CONNECTS = "opens connections"
DELETES = "deletes files"
ASKS = "waits for somebody who could run anything"
UNKNOWN = "not known, so that it could do anything"
INPUT = "would run what it is given as its input"


@dataclass(frozen=True, slots=True)
class Bar:
    """Why something is refused. `effect` is a constant, since it is shown."""

    effect: str
    reason: Reason = Reason.COMMAND_OPTION_NOT_ALLOWED


Reading = tuple[str, ...] | Bar
"""The paths that a word names, or why it is refused."""


@dataclass(frozen=True, slots=True)
class Reader:
    """What a word means. `code`: it is run, so that no name of a file may come to stand there."""

    read: Callable[[str], Reading]
    code: bool = False


def _path(word: str) -> Reading:
    return (f"./{word}" if word.startswith("-") and word != "-" else word,)


PATH = Reader(_path)
TEXT = Reader(lambda _: ())
ARGUMENT = Reader(lambda word: (word,))
"""A word for a program that is not known here, which may read it as an option or as a path."""


@dataclass(frozen=True, slots=True)
class Use:
    """What an option takes: nothing, where it has no reader."""

    reader: Reader | None = None
    glued: bool = False
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """One program, or one of its subcommands. Options are separated by blanks."""

    options: str = ""
    takes: Mapping[str, Reader] = field(default_factory=dict)
    """Options whose value has a meaning of its own."""
    pairs: str = ""
    """Options that take a name before their value."""
    runs: str = ""
    loads: str = ""
    reads: str = ""
    writes: str = ""
    connects: str = ""
    deletes: str = ""
    asks: str = ""
    operands: tuple[Reader, ...] = (PATH,)
    """What the operands are, in order; the last stands for all that follow."""
    given: str = ""
    """Options that stand in place of the first operand."""
    closed: bool = False
    """Whether options that are not named here are refused."""
    single: bool = False
    """Whether an option is a whole word, behind one dash or two."""
    ordered: bool = False
    """Whether what follows the first operand is all operands."""
    plus: bool = False
    """Whether a word that begins with "+" is an option."""
    bundled: bool = False
    """Whether the first word may be a bundle of options without its dash."""
    inner: int | None = None
    """How many operands stand before a program that is run with the rest of the words."""
    assigns: bool = False
    """Whether variables for that program may stand before it."""
    appended: bool = False
    """Whether that program is given further words, which nobody knows before."""
    needs: Bar | None = None
    """Why it may not be called without an operand."""
    alone: str = ""
    """Options with which it tells something and runs nothing."""
    demands: str = ""
    """Options of which one must be given, so that it does not wait for somebody at a terminal."""
    fed: Bar | None = None
    """Why its input may not be another's."""
    inert: bool = False
    """Whether it does no harm, whatever words it is given."""
    modules: frozenset[str] = frozenset()
    """The programs that it runs as modules of its own."""
    subcommands: Mapping[str, "Spec | Bar"] = field(default_factory=dict)
    otherwise: "Bar | Spec" = Bar(UNKNOWN)
    """Why a subcommand that is not named here is refused, or what the word is read by instead."""
    inherits: bool = False
    """Whether a subcommand takes the options of the program too."""
    note: str = ""
    """What a call means that may not be plain to see."""

    @cached_property
    def table(self) -> Mapping[str, Use | Bar]:
        """Every option that is known, by its spelling."""
        own = {name: Use(takes) for names, takes in self.takes.items() for name in names.split()}
        every: dict[str, Use | Bar] = dict(map(self._use, self.options.split()))
        every |= {**own, **dict(self._barred())}
        # One dash and two mean the same to a program whose options are whole words.
        return {f"-{key.lstrip('-')}": every[key] for key in every} if self.single else every

    @cached_property
    def instead(self) -> frozenset[str]:
        """The options of `given`."""
        return frozenset(self.given.split())

    @cached_property
    def paired(self) -> frozenset[str]:
        """The options of `pairs`."""
        return frozenset(self.pairs.split())

    @cached_property
    def telling(self) -> frozenset[str]:
        """The options of `alone`."""
        return frozenset(self.alone.split())

    @cached_property
    def demanded(self) -> frozenset[str]:
        """The options of `demands`."""
        return frozenset(self.demands.split())

    def _barred(self) -> Iterator[tuple[str, Bar]]:
        effects = (
            *((RUNS, self.runs), (LOADS, self.loads), (READS, self.reads), (WRITES, self.writes)),
            *((CONNECTS, self.connects), (DELETES, self.deletes), (ASKS, self.asks)),
        )
        return ((name, Bar(effect)) for effect, names in effects for name in names.split())

    def _use(self, entry: str) -> tuple[str, Use]:
        found = re.fullmatch(r"(-*.[^?=:*>;]*)(\??)([=:*>;]?)", entry)
        if found is None:
            raise ValueError(entry)
        name, glued, mark = found.groups()
        readers = {"=": TEXT, ":": PATH, "*": self.operands[0], ">": TEXT, ";": TEXT}
        reader = readers.get(mark, TEXT if glued else None)
        return name, Use(reader, glued=bool(glued), mark=mark)
