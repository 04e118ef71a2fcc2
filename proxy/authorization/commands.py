"""Judge a command line by the grammar of the shell, and turn it into an argument vector.

A line is read by a real shell parser, and accepted only as one plain call whose every word is
literal. It then runs as that vector, without a shell: what was judged is what runs, and nothing in
a word can come to mean anything else.
"""

import asyncio
import importlib.metadata
import json
import re
import unicodedata
from typing import Any

from proxy import process
from proxy.decision import Allow, Decision, Deny
from proxy.reasons import Reason

Node = dict[str, Any]

MAX_LINE = 65536
_MAX_OPERATORS = 1000  # the parser's JSON grows with operators: 4 kB of "a|" make 427 MB
_MAX_TREE = 1 << 20
_SECONDS = 2.0
_PARSERS = 4  # at once: a hostile line may cost one of them 200 MB

_MAX_EXPANSIONS = 100  # nested, each costs half a megabyte
_OPERATORS = re.compile(r"[|&;()<>`$\n]")
_TILDE = re.compile(r"(?:\A|[=:])~")
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and signs that look like nothing
# Parsers differ on a line that is continued inside a word, an expansion or a comment.
_CONTINUED_BETWEEN_WORDS = re.compile(r"[^\\][ \t]\\\n")
_STATEMENT_KEYS = frozenset({"Cmd", "Comments", "Position", "Pos", "End", "Semicolon"})


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
    """From a line to the arguments of one plain call."""

    def __init__(self, parser: str) -> None:
        self._argv = (parser, "-ln", "bash", "--to-json")
        self._slots = asyncio.Semaphore(_PARSERS)

    async def parse(self, line: str) -> Decision[tuple[str, ...]]:
        """The argument vector, program first."""
        if _is_complex(line):
            return Deny(Reason.COMMAND_TOO_COMPLEX)
        if not all(_legible(char) for char in line):
            return Deny(Reason.COMMAND_MALFORMED)
        if not _continues_plainly(line):
            return Deny(Reason.COMMAND_NOT_PLAIN)
        async with self._slots:
            done = await process.run(self._argv, line.encode(), limit=_MAX_TREE, seconds=_SECONDS)
        if not done.complete:
            return Deny(Reason.COMMAND_TOO_COMPLEX)
        if done.code != 0:
            return Deny(Reason.COMMAND_NOT_PLAIN)
        try:
            argv = _plain_call(json.loads(done.output))
        except RecursionError:
            return Deny(Reason.COMMAND_TOO_COMPLEX)
        if argv is None:
            return Deny(Reason.COMMAND_NOT_PLAIN)
        if not argv[0] or argv[0].startswith("-"):
            return Deny(Reason.COMMAND_MALFORMED)
        return Allow(argv)


def _is_complex(line: str) -> bool:
    return (
        len(line) > MAX_LINE
        or len(_OPERATORS.findall(line)) > _MAX_OPERATORS
        or line.count("$") + line.count("`") > _MAX_EXPANSIONS
    )


def _legible(char: str) -> bool:
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


def _plain_call(tree: Node) -> tuple[str, ...] | None:
    """The words of a file that is one plain call; None for everything else.

    Keys that this function does not know are refused, so that a new kind of node is no way around
    it.
    """
    statements = tree.get("Stmts", [])
    if len(statements) != 1 or not set(statements[0]) <= _STATEMENT_KEYS:
        return None
    call = statements[0].get("Cmd", {})
    if call.get("Type") != "CallExpr" or call.get("Assigns") or not call.get("Args"):
        return None
    words = [_literal(word.get("Parts", [])) for word in call["Args"]]
    if any(word is None for word in words):
        return None
    return tuple(word for word in words if word is not None)


def _literal(parts: list[Node]) -> str | None:
    """The value of a word without any expansion; None where the shell would expand something."""
    value, bare = "", ""
    for part in parts:
        text = _part(part)
        if text is None:
            return None
        value += text
        bare += _unescaped(part["Value"]) if part["Type"] == "Lit" else "x"
    return None if _expands(bare) else value


def _expands(bare: str) -> bool:
    """Whether a shell might make something else of the unquoted part of a word."""
    rest = bare.partition("[")[2]
    return (
        "*" in bare
        or "?" in bare
        or "]" in rest
        or ("{" in bare and "}" in bare and ("," in bare or ".." in bare))
        or _TILDE.search(bare) is not None
    )


def _part(part: Node) -> str | None:
    match part:
        case {"Dollar": True}:
            return None
        case {"Type": "Lit", "Value": str(raw)}:
            return None if _dangling(raw) else re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL)
        case {"Type": "SglQuoted"}:
            return str(part.get("Value", ""))
        case {"Type": "DblQuoted"}:
            return _double_quoted(part.get("Parts", []))
        case _:
            return None


def _double_quoted(parts: list[Node]) -> str | None:
    if any(part["Type"] != "Lit" for part in parts):
        return None
    raw = "".join(part["Value"] for part in parts)
    return re.sub(r'\\([$`"\\])', r"\1", raw)


def _unescaped(raw: str) -> str:
    """A literal with each escaped character replaced by one that means nothing to a shell."""
    return re.sub(r"\\.", "x", raw, flags=re.DOTALL)


def _dangling(raw: str) -> bool:
    return _unescaped(raw).endswith("\\")
