"""The simple commands of a line: calls, assignments, changes of folder, and what they name.

The counterpart is `grammar`, which follows the constructs that they stand in.
"""

from collections.abc import Iterable, Iterator, Sequence

from proxy.authorization.programs.variables import is_own, may_set
from proxy.authorization.shell import builtins, documents
from proxy.authorization.shell.flow import State
from proxy.authorization.shell.script import Call, Script
from proxy.authorization.shell.words import (
    Node,
    Value,
    evaluate,
    expect,
    fixed,
    keys,
    literal,
    unknowable,
    valuations,
)
from proxy.decision import Malformed
from proxy.reasons import Reason

_MOST_CALLS = 1000


class Calls:
    """Collects what a line would run. `call` takes the state before, and gives the state after."""

    def __init__(self) -> None:
        self._calls: dict[Call, None] = {}
        self._paths: dict[str, None] = {}
        self._written: dict[str, int] = {}
        self._homes: dict[str, tuple[str, ...]] = {}
        self._bare: set[int] = set()

    def script(self) -> Script:
        """Everything, once the line is at its end.

        A name that is a function somewhere may be a program elsewhere, or call itself.
        """
        names = {call.argv[0] for call in self._calls} & set(self._homes)
        if names:
            raise unknowable(min(names))
        found = tuple(self._calls), tuple(self._paths), tuple(self._written)
        before = tuple(self._written.values())
        return Script(*found, bare=tuple(sorted(self._bare)), written_before=before)

    def note(self, paths: Iterable[str], written: Iterable[str] = ()) -> None:
        """Files that the line itself reads or looks at, and such as it may write."""
        self._paths.update(dict.fromkeys(paths))
        for path in written:
            self._written.setdefault(path, len(self._calls))

    def look(self, word: Node, value: Value) -> Value:
        """Remember where a pattern begins its word, so that any name might come to stand there."""
        first = word["Parts"][0] if value.pattern else {}
        if first.get("Type") == "Lit" and first["Value"][0] in "*?[":
            self._bare.add(word["Pos"].get("Offset", 0))
        return value

    def define(self, name: str, state: State) -> None:
        """A function of the line; raises Malformed where its calls could not be told apart."""
        if not is_own(name) or not builtins.is_free(name) or name in self._homes:
            raise unknowable(name)
        self._homes[name] = state.folders

    def call(self, node: Node, state: State, prefix: tuple[str, ...]) -> State:
        """A simple command. `prefix`: a keyword before it, to other shells a program."""
        expect(node, {"Type", "Assigns", "Args"})
        words = node.get("Args", [])
        if not words:
            return self._assign(node["Assigns"], state)
        for each in node.get("Assigns", []):
            _check_prefix(each, state)
        name = literal(words[0])
        alone = not prefix and "Assigns" not in node
        if name in state.functions:
            return self._invoke(name, words, state, alone=alone)
        if not alone and builtins.has_own_rules(name):
            raise unknowable(name)
        if name == builtins.MOVE:
            return self._move(words, state)
        self._collect(words, state, prefix)
        return state

    def _assign(self, nodes: Sequence[Node], state: State) -> State:
        for node in nodes:
            name = node.get("Name", {}).get("Value", "")
            if not is_own(name):
                raise Malformed(Reason.COMMAND_VARIABLE_NOT_ALLOWED, name)
            state = state.knows(name, _assigned(node, state))
        return state

    def _invoke(self, name: str, words: Sequence[Node], state: State, *, alone: bool) -> State:
        """A call of a function of the line, in the folder for which it was followed."""
        if not alone or state.ended().folders != self._homes[name]:
            raise unknowable(name)
        for valuation in valuations(words, state.values):
            for word in words:
                fixed(word, valuation)
        return state.forgets(state.functions[name])

    def _move(self, words: Sequence[Node], state: State) -> State:
        if len(words) != 2:
            raise unknowable(builtins.MOVE)
        places = [fixed(words[1], valuation) for valuation in valuations(words, state.values)]
        if any(not place or place.startswith("-") for place in places):
            raise unknowable(builtins.MOVE)
        after = state.moves(places)
        self.note(after.folders)
        return after

    def _collect(self, words: Sequence[Node], state: State, prefix: tuple[str, ...]) -> None:
        words = [self._inline(word, state) for word in words]
        for valuation in valuations(words, state.values):
            argv = [self.look(word, evaluate(word, valuation)) for word in words]
            texts = tuple(value.text for value in argv)
            builtins.check(texts)
            if texts[0] in builtins.IDLE:
                continue
            start = len(prefix)
            patterns = frozenset(start + at for at, value in enumerate(argv) if value.pattern)
            for folder in state.folders:
                self._calls[Call((*prefix, *texts), patterns, state.fed, folder)] = None
            if len(self._calls) > _MOST_CALLS:
                raise Malformed(Reason.COMMAND_TOO_COMPLEX)

    def _inline(self, word: Node, state: State) -> Node:
        """The word, once what writes a document into it is noted as the call that it is."""
        found, count = documents.inlined(word)
        if count:
            for folder in state.folders:
                self._calls[Call((documents.PROGRAM,), fed=True, folder=folder)] = None
        return found


def check_order(node: Node) -> None:
    """Refuse redirections where the shell's own state changes: which comes first differs."""
    command = node["Cmd"]
    if "Redirs" not in node or command["Type"] != "CallExpr":
        return
    if not command.get("Args") or literal(command["Args"][0]) in {"exec", builtins.MOVE}:
        raise unknowable()


def _assigned(node: Node, state: State) -> Iterator[Value]:
    """All that a variable may be set to."""
    if not keys(node) <= {"Name", "Value"}:
        raise unknowable()
    word = node.get("Value", {})
    for valuation in valuations([word], state.values):
        yield Value(fixed(word, valuation))


def _check_prefix(node: Node, state: State) -> None:
    """Refuse a variable for one program that may change more than how it speaks."""
    name = node.get("Name", {}).get("Value", "")
    if not all(may_set(name, value.text) for value in _assigned(node, state)):
        raise Malformed(Reason.COMMAND_VARIABLE_NOT_ALLOWED, name)
