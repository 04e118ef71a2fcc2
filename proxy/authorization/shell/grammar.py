"""Walk the whole tree of a line, and tell every program that it would run.

Each construct is followed as a shell would: one after the other, or as if each of its ways were
taken. What is not known here, a kind of node or a key of it, is refused, so that nothing new that
a parser learns is a way around the walk.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from proxy.authorization.programs.variables import is_own
from proxy.authorization.shell import builtins, conditions, redirections
from proxy.authorization.shell.calls import Calls, check_order
from proxy.authorization.shell.flow import State, assigned, beneath, joined
from proxy.authorization.shell.script import Script
from proxy.authorization.shell.words import (
    Node,
    Value,
    evaluate,
    expect,
    fixed,
    inert,
    keys,
    literal,
    unknowable,
    valuations,
)
from proxy.decision import Malformed
from proxy.reasons import Reason

_STATEMENT = frozenset({"Cmd", "Redirs", "Negated", "Background"})
_PIPES = frozenset({"|", "|&"})


def read(tree: Node, strings: frozenset[int] = frozenset()) -> Script:
    """What the file that the parser read would do; raises Malformed with the reason against it.

    `strings`: where in the line a here-string stands that was hidden from the parser.
    """
    try:
        return _read(tree, strings)
    except (LookupError, TypeError, AttributeError) as error:  # a tree of another form
        raise Malformed(Reason.COMMAND_UNPARSABLE) from error


def _read(tree: Node, strings: frozenset[int]) -> Script:
    reader = _Reader(strings)
    expect(tree, {"Type", "Stmts"})
    statements = tree.get("Stmts", [])
    if not statements:
        raise Malformed(Reason.COMMAND_UNPARSABLE)
    state = State()
    for statement in statements:
        state = reader.top(statement, state)
    script = reader.found.script()
    return replace(script, plain=len(script.calls) == 1 and _is_plain(statements))


def _is_plain(statements: Sequence[Node]) -> bool:
    """Whether it is one call and nothing else, which needs no shell."""
    if len(statements) != 1 or keys(statements[0]) != {"Cmd"}:
        return False
    command = statements[0]["Cmd"]
    if command["Type"] != "CallExpr" or keys(command) != {"Type", "Args"}:
        return False
    return not builtins.needs_shell(literal(command["Args"][0]))


class _Reader:
    """Collects while it walks. Each method takes the state before, and gives the state after."""

    def __init__(self, strings: frozenset[int]) -> None:
        self.found = Calls()
        self._strings = strings
        self._constructs = {
            "Block": self._block,
            "Subshell": self._subshell,
            "IfClause": self._branch,
            "WhileClause": self._while,
            "ForClause": self._for,
            "CaseClause": self._case,
            "TimeClause": self._timed,
            "TestClause": self._condition,
        }

    def top(self, statement: Node, state: State) -> State:
        """A statement that stands for itself; only here a function may be defined."""
        command = statement.get("Cmd", {})
        if command.get("Type") == "FuncDecl" and keys(statement) == {"Cmd"}:
            return self._function(command, state.ended())
        return self._statement(statement, state.ended())

    def _list(self, statements: Sequence[Node], state: State) -> State:
        for statement in statements:
            state = self._statement(statement, state.ended())
        return state

    def _statement(self, node: Node, before: State, prefix: tuple[str, ...] = ()) -> State:
        expect(node, _STATEMENT)
        found = redirections.read(node.get("Redirs", []), before, self._strings)
        self.found.note(found.paths, found.written)
        state = replace(before, fed=before.fed or found.fed)
        if "Cmd" in node:
            check_order(node)
            state = self._command(node["Cmd"], state, prefix)
            if "Redirs" in node and node["Cmd"]["Type"] != "CallExpr":
                state = joined(before, state)  # what cannot be redirected is not run
        if node.get("Background"):
            return before
        state = replace(state, fed=before.fed)
        return state.ended() if node.get("Negated") else state

    def _command(self, node: Node, state: State, prefix: tuple[str, ...]) -> State:
        if node["Type"] == "CallExpr":
            return self.found.call(node, state, prefix)
        if node["Type"] == "BinaryCmd":
            return self._binary(node, state, prefix)
        if prefix:
            raise unknowable()
        construct = self._constructs.get(node["Type"])
        if construct is None:
            raise unknowable(str(node["Type"]))
        return construct(node, state)

    def _block(self, node: Node, state: State) -> State:
        expect(node, {"Type", "Stmts"})
        return self._list(node["Stmts"], state)

    def _subshell(self, node: Node, state: State) -> State:
        """What happens in a shell of its own is forgotten with it, even a change of folder."""
        self._block(node, replace(state, settled=False))
        return state

    def _condition(self, node: Node, state: State) -> State:
        expect(node, {"Type", "X"})
        for path in conditions.paths(node["X"], state):
            self.found.note(beneath(folder, path) for folder in state.folders)
        return state

    # Lists, branches and loops

    def _binary(self, node: Node, state: State, prefix: tuple[str, ...]) -> State:
        expect(node, {"Type", "Op", "X", "Y"})
        left = self._statement(node["X"], state, prefix)
        if node["Op"] in _PIPES:
            # Some shells run the last part themselves, so that what it sets remains.
            right = self._statement(node["Y"], replace(state, fed=True))
            return joined(state, left, right)
        if node["Op"] == "&&":
            right = self._statement(node["Y"], left.succeeded())
            return replace(right, failed=joined(left.otherwise(), right.otherwise()))
        if node["Op"] == "||":
            return joined(left.succeeded(), self._statement(node["Y"], left.otherwise()))
        raise unknowable(str(node["Op"]))

    def _branch(self, node: Node, state: State) -> State:
        expect(node, {"Type", "Cond", "Then", "Else"})
        if "Cond" not in node:
            return self._list(node["Then"], state)
        tested = self._list(node["Cond"], state)
        then = self._list(node["Then"], tested.succeeded())
        other = tested.otherwise()
        return joined(then, self._branch(node["Else"], other) if "Else" in node else other)

    def _while(self, node: Node, state: State) -> State:
        expect(node, {"Type", "Until", "Cond", "Do"})
        inner = self._looped(node, state)
        self._list(node["Do"], self._list(node["Cond"], inner))
        return replace(inner, settled=state.settled)

    def _for(self, node: Node, state: State) -> State:
        loop = node["Loop"]
        expect(node, {"Type", "Loop", "Do"})
        if loop["Type"] != "WordIter":
            raise unknowable()
        expect(loop, {"Type", "Name", "Items"})
        name = loop["Name"]["Value"]
        if not is_own(name):
            raise Malformed(Reason.COMMAND_VARIABLE_NOT_ALLOWED, name)
        items = [value for item in loop.get("Items", []) for value in self._items(item, state)]
        inner = self._looped(node["Do"], state)
        self._list(node["Do"], inner.knows(name, items))
        kept = assigned(node["Do"], state.functions)
        after = replace(inner, settled=state.settled)
        return after if name in kept else after.knows(name, items)

    def _items(self, word: Node, state: State) -> Iterator[Value]:
        for valuation in valuations([word], state.values):
            value = evaluate(word, valuation)
            self.found.look(word, value)
            yield value

    def _looped(self, body: object, state: State) -> State:
        """The state at the head of a loop, in whichever round."""
        return replace(state.forgets(assigned(body, state.functions)), settled=True)

    def _case(self, node: Node, state: State) -> State:
        expect(node, {"Type", "Word", "Items"})
        for valuation in valuations([node["Word"]], state.values):
            fixed(node["Word"], valuation)
        ways = [state]
        for item in node.get("Items", []):
            expect(item, {"Op", "Patterns", "Stmts"})
            if item["Op"] != ";;":
                raise unknowable()
            for pattern in item["Patterns"]:
                inert(pattern)
            ways.append(self._list(item.get("Stmts", []), state))
        return joined(*ways)

    def _function(self, node: Node, state: State) -> State:
        """A function is followed where it is defined, for whatever may be fed to it."""
        expect(node, {"Type", "Parens", "Name", "Body"})
        name = node["Name"]["Value"]
        self.found.define(name, state)
        self._statement(node["Body"], replace(state, values={}, fed=True, settled=True))
        sets = frozenset(assigned(node["Body"], state.functions))
        return replace(state, functions={**state.functions, name: sets})

    def _timed(self, node: Node, state: State) -> State:
        """The keyword `time`: to other shells a program, which is given the rest as words."""
        expect(node, {"Type", "PosixFormat", "Stmt"})
        prefix = ("time", "-p") if node.get("PosixFormat") else ("time",)
        return self._statement(node["Stmt"], state, prefix)
