"""Read a `[[ … ]]`, which starts no program but evaluates its words in ways of its own."""

import re
from collections.abc import Iterator

from proxy.authorization.shell.flow import State
from proxy.authorization.shell.words import Node, fixed, inert, keys, unknowable, valuations

_JOINING = frozenset({"&&", "||"})
_TEXTS = frozenset({"=", "==", "!=", "=~", "<", ">"})
_TIMES = frozenset({"-nt", "-ot", "-ef"})
# The shell evaluates these as expressions, in which the subscript of a variable may run programs.
_NUMBERS = frozenset({"-eq", "-ne", "-lt", "-le", "-gt", "-ge"})
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_SIZES = frozenset({"-n", "-z"})
_FILES = frozenset(f"-{letter}" for letter in "abcdefghkprsuwxGLNOS")


def paths(node: Node, state: State) -> list[str]:
    """The files that a condition looks at."""
    return list(_paths(node, state))


def _paths(node: Node, state: State) -> Iterator[str]:
    match node:
        case {"Type": "ParenTest"} if keys(node) == {"Type", "X"}:
            yield from _paths(node["X"], state)
        case {"Type": "UnaryTest"} if keys(node) == {"Type", "Op", "X"}:
            yield from _unary(node, state)
        case {"Type": "BinaryTest"} if keys(node) == {"Type", "Op", "X", "Y"}:
            yield from _binary(node, state)
        case {"Type": "Word"}:
            _values(node, state)
        case _:
            raise unknowable()


def _unary(node: Node, state: State) -> Iterator[str]:
    if node["Op"] == "!":
        yield from _paths(node["X"], state)
    elif node["Op"] in _FILES:
        yield from _values(node["X"], state)
    elif node["Op"] in _SIZES:
        _values(node["X"], state)
    else:
        raise unknowable(str(node["Op"]))


def _binary(node: Node, state: State) -> Iterator[str]:
    operator, left, right = node["Op"], node["X"], node["Y"]
    if operator in _JOINING:
        yield from _paths(left, state)
        yield from _paths(right, state)
    elif operator in _TIMES:
        yield from (*_values(left, state), *_values(right, state))
    elif operator in _TEXTS:
        _values(left, state)
        inert(right)
    elif operator in _NUMBERS:
        if not all(map(_NUMBER.fullmatch, (*_values(left, state), *_values(right, state)))):
            raise unknowable()
    else:
        raise unknowable(str(operator))


def _values(word: Node, state: State) -> list[str]:
    """All that an operand may be."""
    return [fixed(word, valuation) for valuation in valuations([word], state.values)]
