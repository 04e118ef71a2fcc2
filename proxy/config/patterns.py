"""Which entries of the table of tools speak about a tool.

An entry stands under a name or a pattern, in which each `*` is any characters, dots included. Where
several cover a tool, the closest counts, field by field: its own name, then the pattern with the
longer beginning, then the one with more that is fixed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

MAX_NAME = 128
_PLAIN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_./-]+)?", re.ASCII)

T = TypeVar("T")


def is_name(text: str) -> bool:
    """Whether a tool can have this name: what a pattern admits is still no free text."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def is_plain(text: str) -> bool:
    """Whether a name has nothing that is for tools of MCP servers alone: it may be in a path."""
    return len(text) <= MAX_NAME and _PLAIN.fullmatch(text) is not None


def server_of(key: str, servers: Iterable[str]) -> str | None:
    """The one of `servers` whose name all names begin with that the entry speaks about."""
    head, dot, _ = key.partition(".")
    return head if dot and head in servers else None


def is_pattern(key: str) -> bool:
    """Whether the key of an entry is a pattern."""
    return "*" in key


def covers(key: str, name: str) -> bool:
    """Whether the entry under `key` speaks about the tool."""
    if not is_pattern(key):
        return key == name
    first, *middle, last = key.split("*")
    at, end = len(first), len(name) - len(last)
    if end < at or not name.startswith(first) or not name.endswith(last):
        return False
    for part in middle:
        found = name.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True


def meet(key: str, other: str) -> bool:
    """Whether there is a name that both speak about."""
    seen: set[tuple[int, int]] = set()
    todo = {(0, 0)}
    while todo:
        seen.add(place := todo.pop())
        todo |= set(_on(key, other, *place)) - seen
    return (len(key), len(other)) in seen


def _on(key: str, other: str, at: int, there: int) -> Iterator[tuple[int, int]]:
    """How far two keys may be read after one more character of a name, or of none."""
    one, two = key[at : at + 1], other[there : there + 1]
    if one == two != "":
        yield at + 1, there + 1
    if one and (one == "*" or two == "*"):
        yield at + 1, there
    if two and (one == "*" or two == "*"):
        yield at, there + 1


def any_covers(keys: Iterable[str], name: str) -> bool:
    """Whether one of `keys` speaks about the tool."""
    return any(covers(key, name) for key in keys)


def closest_last(keys: Iterable[str], name: str) -> list[str]:
    """Those of `keys` that speak about the tool, the closest at the end."""
    return sorted((key for key in keys if covers(key, name)), key=_closeness)


def joined(name: str, entries: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """What is said about the tool, each field by the closest entry that has it."""
    return merged(closest_last(entries, name), entries)


def merged(keys: Iterable[str], entries: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    """The fields of the entries under `keys`, of which the last that has a field counts."""
    found: dict[str, T] = {}
    for key in keys:
        found |= entries[key]
    return found


def _closeness(key: str) -> tuple[bool, int, int, str]:
    return not is_pattern(key), len(key.partition("*")[0]), len(key) - key.count("*"), key
