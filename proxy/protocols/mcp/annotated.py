"""Where the schema of a tool asks for an argument to be repeated in a header field.

`x-mcp-header` names the field (2026-07-28, Streamable HTTP, Custom Headers). It may stand only at a
property that is reached through `properties` alone, so that there is one value that it can mean.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proxy.values import Json

_KEY = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}", re.ASCII)
_KINDS = frozenset({"string", "integer", "boolean"})  # a number is written in many ways
_ONE = frozenset(
    {
        *("items", "contains", "not", "if", "then", "else", "contentSchema", "propertyNames"),
        *("additionalProperties", "unevaluatedItems", "unevaluatedProperties"),
    }
)
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP = frozenset({"patternProperties", "dependentSchemas", "$defs", "definitions"})

Path = tuple[str, ...]
_Place = tuple[Path | None, Json]


@dataclass(frozen=True, slots=True)
class Annotation:
    """An argument that is repeated: where it is, in which field, and of what kind it is."""

    path: Path
    header: str
    kind: str


def annotations(schema: Mapping[str, Json]) -> tuple[Annotation, ...] | None:
    """What a schema wants repeated, None where one of its annotations is not valid."""
    found: dict[str, Annotation] = {}
    for path, node in _places(schema):
        header, kind = node[_KEY], node.get("type")
        if not path or not isinstance(header, str) or not _TOKEN.fullmatch(header):
            return None
        if not isinstance(kind, str) or kind not in _KINDS or header.lower() in found:
            return None
        found[header.lower()] = Annotation(path, header, kind)
    return tuple(found.values())


def at(arguments: Json, path: Path) -> Json:
    """The value at a path of members, None where there is none."""
    for key in path:
        if not isinstance(arguments, Mapping):
            return None
        arguments = arguments.get(key)
    return arguments


def _places(schema: Mapping[str, Json]) -> Iterator[tuple[Path | None, Mapping[str, Json]]]:
    """Every annotated schema in a schema, with its path, None where that is not of properties."""
    todo: list[_Place] = [((), schema)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, Mapping):
            if _KEY in node:
                yield path, node
            todo += (place for key, inner in node.items() for place in _beneath(path, key, inner))


def _beneath(path: Path | None, key: str, inner: Json) -> Iterator[_Place]:
    if key in _ONE:
        yield None, inner
    elif key in _LIST and isinstance(inner, list | tuple):
        yield from ((None, each) for each in inner)
    elif key in _MAP and isinstance(inner, Mapping):
        yield from ((None, each) for each in inner.values())
    elif key == "properties" and isinstance(inner, Mapping):
        yield from (
            ((*path, name) if path is not None else None, each) for name, each in inner.items()
        )
