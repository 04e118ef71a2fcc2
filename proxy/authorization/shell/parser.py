"""Judge a command line by the grammar of the shell: what it would run, and on what.

A plain call is split here; every other line is read by a real shell parser, in the two dialects
that a shell may speak, and counts only where both find the same programs and the same words in it.
What may not be judged for its characters or its size reaches no parser.
"""

import asyncio
import importlib.metadata
import json
import re
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace

from proxy import process
from proxy.authorization.shell import builtins, grammar, outline, plain
from proxy.authorization.shell.flow import nodes
from proxy.authorization.shell.script import Call, Script
from proxy.authorization.shell.words import Node
from proxy.decision import Allow, Decision, Deny, Malformed
from proxy.reasons import Reason

MAX_LINE = 65536
_MAX_TREE = 1 << 20
_SECONDS = 2.0
_LINES = 4  # at once: a hostile line may cost a parser 200 MB
_REMEMBERED = 1 << 20  # characters

_PRINTABLE = re.compile(r"[ -~\n\t]*")
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs that look like nothing
# Parsers differ on a line that is continued inside a word, an expansion or a comment.
_CONTINUED_BETWEEN_WORDS = re.compile(r"[^\\][ \t]\\\n")
_NOT_POSIX = {"<<<": b"<  ", "|&": b"| "}  # what a POSIX parser reads instead, as long


def find_parser() -> str:
    """The path of the parser that was installed with this package; raises OSError without it."""
    try:
        files = importlib.metadata.files("shfmt-py") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "shfmt":
            return str(file.locate().resolve())  # type: ignore[attr-defined]
    raise OSError("the shell parser shfmt is not installed: reinstall sidegate")


class CommandParser:
    """From a line to what it would do."""

    def __init__(self, parser: str) -> None:
        self._parser = parser
        self._slots = asyncio.Semaphore(_LINES)
        self._known = _Known()

    async def parse(self, line: str, *, bash: bool = False) -> Decision[Script]:
        """What `line` would do. `bash`: no other shell will read it."""
        if len(line) > MAX_LINE:
            return Deny(Reason.COMMAND_TOO_COMPLEX)
        if not _PRINTABLE.fullmatch(line) and not all(map(_is_legible, line)):
            return Deny(Reason.COMMAND_MALFORMED)
        try:
            words = plain.split(line)
            if words is not None:
                builtins.check(words)
                return Allow(Script((Call(words),), plain=True))
            return await self._compound(line, bash=bash)
        except Malformed as refusal:
            return Deny(refusal.reason, refusal.evidence)
        except RecursionError:
            return Deny(Reason.COMMAND_TOO_COMPLEX)

    async def _compound(self, line: str, *, bash: bool) -> Decision[Script]:
        outline.check(line)
        if not _continues_plainly(line):
            return Deny(Reason.COMMAND_UNPARSABLE)
        known = self._known.get(line, bash=bash)
        if known is None:
            async with self._slots:
                known = await (self._bash(line.encode()) if bash else self._both(line.encode()))
            self._known.put(line, known, bash=bash)
        return Allow(known)

    async def _bash(self, line: bytes) -> Script:
        return grammar.read(await self._tree(line, "bash"))

    async def _both(self, line: bytes) -> Script:
        """What the line says to any shell; Malformed where that is not the same."""
        if any(mark.encode() in line for mark in _NOT_POSIX):
            tree = await self._tree(line, "bash")
            hidden, strings = _without(line, tree)
            other = await self._tree(hidden, "posix")
        else:
            strings = frozenset[int]()
            trees = (self._tree(line, "bash"), self._tree(line, "posix"))
            tree, other = _all(await asyncio.gather(*trees, return_exceptions=True))
        first, second = grammar.read(tree), grammar.read(other, strings)
        both = first.plain and second.plain
        if replace(first, plain=both) != replace(second, plain=both):
            raise Malformed(Reason.COMMAND_UNPARSABLE)
        return replace(first, plain=both)

    async def _tree(self, line: bytes, dialect: str) -> Node:
        argv = (self._parser, "-ln", dialect, "--to-json")
        done = await process.run(argv, line, limit=_MAX_TREE, seconds=_SECONDS)
        if not done.complete:
            raise Malformed(Reason.COMMAND_TOO_COMPLEX)
        if done.code != 0:
            raise Malformed(Reason.COMMAND_UNPARSABLE)
        try:
            tree: Node = json.loads(done.output)
        except ValueError as error:
            raise Malformed(Reason.COMMAND_UNPARSABLE) from error
        return tree


class _Known:
    """The scripts of the lines that were read last, as many as fit."""

    def __init__(self) -> None:
        self._scripts: OrderedDict[tuple[str, bool], Script] = OrderedDict()
        self._size = 0

    def get(self, line: str, *, bash: bool) -> Script | None:
        """The script of a line that was read before."""
        script = self._scripts.get((line, bash))
        if script is not None:
            self._scripts.move_to_end((line, bash))
        return script

    def put(self, line: str, script: Script, *, bash: bool) -> None:
        """Remember a script, and forget those that were not asked for longest."""
        if (line, bash) not in self._scripts:
            self._size += _size(line, script)
        self._scripts[line, bash] = script
        while self._size > _REMEMBERED:
            (old, _), gone = self._scripts.popitem(last=False)
            self._size -= _size(old, gone)


def _is_legible(char: str) -> bool:
    """Whether every shell reads the character alike, and a human sees it.

    Carriage returns, other control characters and wide or invisible spaces are part of a word to
    one parser and not to another.
    """
    if " " <= char <= "~" or char in "\n\t":
        return True
    return char > "\x7f" and unicodedata.category(char)[0] not in "CZ" and char not in _BLANKS


def _continues_plainly(line: str) -> bool:
    """Whether each line that goes on in the next does so between two words."""
    continued = line.count("\\\n")
    between = len(_CONTINUED_BETWEEN_WORDS.findall(line))
    return continued == 0 or (continued == between and "#" not in line)


def _all(found: Iterable[Node | BaseException]) -> list[Node]:
    """What was found, where nothing failed."""
    trees = []
    for each in found:
        if isinstance(each, BaseException):
            raise each
        trees.append(each)
    return trees


def _without(line: bytes, tree: Node) -> tuple[bytes, frozenset[int]]:
    """The line with what only bash knows hidden, and where here-strings stood in it.

    A POSIX shell ends at one of these with an error; what stands before it, it reads as it would
    read this line.
    """
    hidden = bytearray(line)
    strings = set()
    for node in nodes(tree):
        operator = node.get("Op")
        if operator in _NOT_POSIX:
            start = node["OpPos"].get("Offset", 0)
            hidden[start : start + len(operator)] = _NOT_POSIX[operator]
            if operator == "<<<":
                strings.add(start)
    return bytes(hidden), frozenset(strings)


def _size(line: str, script: Script) -> int:
    words = sum(len(word) for call in script.calls for word in call.argv)
    return len(line) + words + sum(map(len, script.paths))
