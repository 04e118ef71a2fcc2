"""What is known at one point of a script: variables, the folder, functions, the standard input.

A state is never changed; a construct makes the next one of it. Where two ways meet, what holds
afterwards is what may hold on either.
"""

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from proxy.authorization.shell.words import Node, Value, unknowable
from proxy.decision import Malformed
from proxy.reasons import Reason

_MOST_VALUES = 100
_MOST_FOLDERS = 8


@dataclass(frozen=True, slots=True)
class State:
    """What holds before a statement.

    `values`: each variable that is known, and all that it may be. `folders`: where relative paths
    may begin. `functions`: by name, the variables that a call may set. `fed`: the standard input is
    not Sidegate's own. `settled`: a statement here may run at another time than once, so it must
    leave the folder. `failed`: what holds instead, should the statement before have failed.
    """

    values: Mapping[str, tuple[Value, ...]] = field(default_factory=dict)
    folders: tuple[str, ...] = (".",)
    functions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    fed: bool = False
    settled: bool = False
    failed: "State | None" = None

    def knows(self, name: str, values: Iterable[Value]) -> "State":
        """The state once `name` is one of `values`, of which there is at least one."""
        distinct = tuple(dict.fromkeys(values))
        if not distinct:
            raise unknowable(name)
        if len(distinct) > _MOST_VALUES:
            raise Malformed(Reason.COMMAND_TOO_COMPLEX)
        return replace(self, values={**self.values, name: distinct})

    def forgets(self, names: Iterable[str]) -> "State":
        """The state once `names` may be anything."""
        gone = set(names)
        kept = {name: values for name, values in self.values.items() if name not in gone}
        return replace(self, values=kept)

    def moves(self, folders: Sequence[str]) -> "State":
        """The state once the folder is changed to one of `folders`, unless that fails."""
        if self.settled:
            raise unknowable(folders[0])
        places = [to for at in self.folders for folder in folders for to in _entered(at, folder)]
        return replace(self, folders=_few(places), failed=self.ended())

    def succeeded(self) -> "State":
        """The state where the statement before did not fail."""
        return replace(self, failed=None)

    def otherwise(self) -> "State":
        """The state where it did."""
        return self if self.failed is None else replace(self.failed, fed=self.fed)

    def ended(self) -> "State":
        """The state however it ended."""
        return self if self.failed is None else joined(self.succeeded(), self.otherwise())


def joined(first: State, *others: State) -> State:
    """The state after one of several ways, each of which started from the same functions."""
    states = [state.ended() for state in (first, *others)]
    names = set.intersection(*(set(state.values) for state in states))
    values = {
        name: tuple(dict.fromkeys(value for state in states for value in state.values[name]))
        for name in names
    }
    few = {name: found for name, found in values.items() if len(found) <= _MOST_VALUES}
    folders = _few([folder for state in states for folder in state.folders])
    return replace(first, values=few, folders=folders, failed=None)


def beneath(folder: str, path: str) -> str:
    """Where a path leads that is used in `folder`."""
    return path if folder == "." else posixpath.join(folder, path)


def _entered(start: str, folder: str) -> list[str]:
    """Where a change of folder may lead: a shell may take a link and `..` back for one another."""
    place = beneath(start, folder)
    return [place, posixpath.normpath(place)] if ".." in folder.split("/") else [place]


def _few(folders: Iterable[str]) -> tuple[str, ...]:
    distinct = tuple(dict.fromkeys(folders))
    if len(distinct) > _MOST_FOLDERS:
        raise Malformed(Reason.COMMAND_TOO_COMPLEX)
    return distinct


def assigned(tree: object, functions: Mapping[str, frozenset[str]]) -> set[str]:
    """Every variable that some part of a tree may set, by itself or by a function that it calls."""
    names = set().union(*functions.values()) if functions else set()
    return names | {str(name) for node in nodes(tree) for name in _targets(node)}


def nodes(tree: object) -> Iterator[Node]:
    """Every node of a tree."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from nodes(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes(value)


def _targets(node: Node) -> Iterator[object]:
    for each in node.get("Assigns", []):
        yield each.get("Name", {}).get("Value")
    if isinstance(node.get("Loop"), dict):
        yield node["Loop"].get("Name", {}).get("Value")
