"""YAML text to a draft: plain data and the position of every key.

The counterpart is `model`, which gives the data its types. Rules of this file:

    Rule 1  What is read means one thing. A plain scalar is null, true, false, a decimal number, or
            text; what YAML 1.1 makes of `no`, `012`, `0x10`, `12:30` and dates stays text, so that
            a typed field refuses it instead of taking a surprise.
    Rule 2  Nothing expands: no anchors, aliases, merge keys or tags of other types.
    Rule 3  The parser's events are walked, not a composed tree, so nesting is bounded before it is
            recursed into.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

import yaml

from proxy.config.draft import Draft, KeyPath, Plain, Position, Problem, Scalar, unusable
from proxy.decision import ConfigError

MAX_BYTES = 1 << 20
MAX_DEPTH = 32

_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# Bounded: CPython refuses to convert more than 4,300 digits.
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]{0,99})", re.ASCII)
_DECIMAL = re.compile(r"[-+]?[0-9]{1,99}\.[0-9]{1,99}([eE][-+]?[0-9]{1,4})?", re.ASCII)
_CORE = "tag:yaml.org,2002:"
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}


def read(text: str, name: str, *, items: str | None = None) -> Draft:
    """Read `text`, called `name` in messages; raises ConfigError where no walk is possible.

    `items`: a document that is a list is read as a mapping with the list under this key.
    """
    _check_size(text, name)
    walk = _Walk(name, yaml.parse(text, Loader=yaml.CSafeLoader), items)
    try:
        walk.document()
    except yaml.YAMLError as error:
        raise _syntax(error, text, name) from None
    return walk.draft


def scalar(text: str) -> Scalar:
    """`text` read as one YAML scalar; raises ValueError for anything else.

    A comment or a line break inside would silently shorten the value, so it must be in quotes.
    """
    try:
        events = list(islice(yaml.parse(text, Loader=yaml.CSafeLoader), 6))
    except (yaml.YAMLError, UnicodeEncodeError):
        raise ValueError("is not one YAML value") from None
    match events:
        case [_, _] if not text.strip():
            return None
        case [_, _, yaml.ScalarEvent(anchor=None, tag=None) as event, _, _]:
            if event.implicit[0] and event.value != text.strip():
                raise ValueError("is not one YAML value: put it in quotes")
            return _resolved(event)
        case _:
            raise ValueError("is not one single value; lists and mappings belong in the file")


def _resolved(event: yaml.ScalarEvent) -> Scalar:
    """The value of a scalar without a tag; quoted and block scalars are text (rule 1)."""
    return _plain(event.value) if event.implicit[0] else str(event.value)


def _plain(value: str) -> Scalar:
    if value in _WORDS:
        return _WORDS[value]
    if _WHOLE.fullmatch(value):
        return int(value)
    return float(value) if _DECIMAL.fullmatch(value) else value


class _Mark(Protocol):
    """Where something stands, in either of the two forms that PyYAML has."""

    line: int
    column: int


class _Walk:
    """One pass over the parser's events."""

    def __init__(self, name: str, events: Iterator[yaml.Event], items: str | None) -> None:
        self.draft = Draft(name)
        self.events = events
        self.items = items

    def document(self) -> None:
        """Read the one document of the stream; an empty stream is an empty mapping."""
        root = next(self.events)
        while isinstance(root, yaml.StreamStartEvent | yaml.DocumentStartEvent):
            root = next(self.events)
        if isinstance(root, yaml.StreamEndEvent):
            return
        self.draft.positions[()] = self.mark(root)
        listed = self.items if isinstance(root, yaml.SequenceStartEvent) else None
        data = self.value(root, (listed,) if listed else ())
        if isinstance(data, dict):
            self.draft.data = data
        elif listed:
            self.draft.data = {listed: data}
        elif data is not None:
            self.draft.refuse((), "the configuration must be a mapping of sections")
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                self.draft.complain((), "only one YAML document is accepted", self.mark(event))
                return

    def value(self, event: yaml.Event, key: KeyPath) -> Plain:
        """The value that starts with `event`."""
        if len(key) > MAX_DEPTH:
            raise unusable([Problem(self.mark(event), (), f"nested over {MAX_DEPTH} levels deep")])
        if getattr(event, "anchor", None) is not None:
            self.draft.refuse(key, "anchors and aliases are not accepted", self.mark(event))
        match event:
            case yaml.ScalarEvent():
                return self.scalar(event, key)
            case yaml.SequenceStartEvent():
                self.check_tag(event, key, "seq")
                return self.sequence(key)
            case yaml.MappingStartEvent():
                self.check_tag(event, key, "map")
                return self.mapping(key)
            case _:  # an alias, refused above
                return None

    def sequence(self, key: KeyPath) -> list[Plain]:
        """The items up to the end of the sequence."""
        items: list[Plain] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            path = (*key, len(items))
            self.draft.positions[path] = self.mark(event)
            items.append(self.value(event, path))
        return items

    def mapping(self, key: KeyPath) -> dict[str, Plain]:
        """The entries up to the end of the mapping; of a duplicate the first counts."""
        entries: dict[str, Plain] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            name = self.name(event, key)
            path = (*key, "?" if name is None else name)
            if name is None:
                self.value(next(self.events), path)
            elif name in entries:
                line = self.draft.position(path).line
                self.draft.complain(path, f"duplicate key, first in line {line}", self.mark(event))
                self.value(next(self.events), (*path, "?"))
            else:
                self.draft.positions[path] = self.mark(event)
                entries[name] = self.value(next(self.events), path)
        return entries

    def name(self, event: yaml.Event, key: KeyPath) -> str | None:
        """The key that `event` holds, or None where it holds no usable one."""
        value = self.value(event, (*key, "?"))
        if isinstance(event, yaml.ScalarEvent) and isinstance(value, str):
            if value != "<<":
                return value
            self.draft.complain(key, "merge keys are not accepted", self.mark(event))
        elif not isinstance(event, yaml.AliasEvent):
            self.draft.complain(key, "keys must be text; quote it", self.mark(event))
        return None

    def scalar(self, event: yaml.ScalarEvent, key: KeyPath) -> Scalar:
        """The value of one scalar, as its tag or its form says."""
        if event.tag in (None, "!"):
            return str(event.value) if event.tag else _resolved(event)
        kind = event.tag.removeprefix(_CORE)
        if kind == "str":
            return str(event.value)
        value = _plain(event.value)
        if type(value) not in _TYPES.get(kind, ()):
            self.draft.refuse(key, "this YAML tag is not accepted here", self.mark(event))
            return None
        return value

    def check_tag(self, event: yaml.NodeEvent, key: KeyPath, kind: str) -> None:
        """Refuse a collection that claims to be something else, such as a set."""
        tag = getattr(event, "tag", None)
        if tag not in (None, "!", _CORE + kind):
            self.draft.refuse(key, "this YAML tag is not accepted here", self.mark(event))

    def mark(self, event: yaml.Event) -> Position:
        """Where `event` starts, counted from 1 as editors do."""
        return _place(self.draft.name, event.start_mark)


def _place(name: str, mark: _Mark | None) -> Position:
    return Position(name, mark.line + 1, mark.column + 1) if mark else Position(name, 1, 1)


def _check_size(text: str, name: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _unreadable(text[: error.start], name, "is not valid Unicode text") from None
    if size > MAX_BYTES:
        raise _unreadable("", name, "is larger than 1 MiB")


def _syntax(error: yaml.YAMLError, text: str, name: str) -> ConfigError:
    """What the parser met, in one line. Its own words hold no text of the file."""
    if isinstance(error, yaml.MarkedYAMLError):
        position = _place(name, error.problem_mark)
        return unusable([Problem(position, (), f"is not YAML: {error.problem}")])
    offset = getattr(error, "position", 0)  # of a ReaderError, in bytes
    before = text.encode()[:offset].decode(errors="ignore")
    return _unreadable(before, name, "is not YAML: this character is not allowed")


def _unreadable(before: str, name: str, text: str) -> ConfigError:
    """One problem that stands after the text `before`."""
    column = len(before) - (before.rfind("\n") + 1) + 1
    return unusable([Problem(Position(name, before.count("\n") + 1, column), (), text)])
