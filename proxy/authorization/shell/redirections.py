"""Where the input and the output of a statement go: the files, and whether it is fed a text."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from proxy.authorization.shell.flow import State, beneath
from proxy.authorization.shell.words import (
    Node,
    fixed,
    keys,
    literal,
    parts,
    unknowable,
    valuations,
)
from proxy.decision import Malformed
from proxy.reasons import Reason

_HARMLESS = frozenset({"/dev/null", "/dev/stdout", "/dev/stderr"})
_FILES = frozenset({"<", ">", ">>", ">|", "<>", "&>", "&>>"})
_COPIES = frozenset({"<&", ">&"})
_DOCUMENTS = frozenset({"<<", "<<-"})
_STRING = "<<<"
_KEYS = frozenset({"Op", "N", "Word", "Hdoc"})
_DESCRIPTOR = re.compile(r"[0-9]")
_COPIED = re.compile(r"[0-9]|-")
_DELIMITER = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Redirections:
    """What the redirections of a statement say.

    `paths`: the files that are only read; `written`: those that may be written, harmless ones left
    out of both. `fed`: something is read.
    """

    paths: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    fed: bool = False


def read(nodes: Iterable[Node], state: State, strings: frozenset[int]) -> Redirections:
    """What the redirections of one statement say, all together.

    `strings`: where in the line a here-string stands that was hidden from the parser.
    """
    each = [_read(node, state, strings) for node in nodes]
    paths = tuple(path for one in each for path in one.paths)
    written = tuple(path for one in each for path in one.written)
    return Redirections(paths, written, any(one.fed for one in each))


def _read(node: Node, state: State, strings: frozenset[int]) -> Redirections:
    operator = _STRING if node["OpPos"].get("Offset", 0) in strings else node["Op"]
    number = node.get("N", {}).get("Value", "")
    # More than one digit is a descriptor to one shell, and a word of the call to another.
    if not keys(node) <= _KEYS or (number and not _DESCRIPTOR.fullmatch(number)):
        raise Malformed(Reason.COMMAND_UNPARSABLE)
    if operator in _DOCUMENTS:
        _check_document(node)
        return Redirections(fed=True)
    if operator == _STRING:
        list(_targets(node, state))
        return Redirections(fed=True)
    if operator in _COPIES:
        if not _COPIED.fullmatch(literal(node["Word"])):
            raise unknowable()
        return Redirections(fed=operator == "<&" or number == "0")
    if operator not in _FILES:
        raise unknowable()
    paths = [path for path in _targets(node, state) if path not in _HARMLESS]
    placed = tuple(beneath(folder, path) for folder in state.folders for path in paths)
    fed = bool(paths) and (operator[0] == "<" or number == "0")
    return Redirections(placed, (), fed) if operator == "<" else Redirections((), placed, fed)


def _targets(node: Node, state: State) -> Iterator[str]:
    """What a redirection may name, in every way in which its variables may be set."""
    for valuation in valuations([node["Word"]], state.values):
        target = fixed(node["Word"], valuation)
        if not target:
            raise unknowable()
        yield target


def _check_document(node: Node) -> None:
    """Refuse a here-document that the shell would change, or whose end is open to doubt."""
    delimiter = literal(node["Word"])
    kinds = [piece["Type"] for piece in parts(node["Word"])]
    if len(kinds) != 1 or not _DELIMITER.fullmatch(delimiter):
        raise Malformed(Reason.COMMAND_UNPARSABLE)
    body = node.get("Hdoc", {}).get("Parts", [])
    if kinds == ["Lit"] and any(_is_changed(piece) for piece in body):
        raise unknowable()


def _is_changed(piece: Node) -> bool:
    return piece.get("Type") != "Lit" or any(mark in piece["Value"] for mark in "$`\\")
