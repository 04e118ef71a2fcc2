"""Sidegate's own tools, as MCP shows them and what they return."""

from collections.abc import Iterable, Mapping

from proxy.mcp import Era, OwnTool
from proxy.protocols.strict_json import dumps
from proxy.values import Json

_TEXT: Json = {"type": "string"}
_SECONDS: Json = {"type": "number", "exclusiveMinimum": 0}

SCHEMAS: Mapping[str, Mapping[str, Json]]
"""What the built-in tools take, by name."""


def call_result(value: Json, era: Era) -> dict[str, Json]:
    """The result of a tool call that a tool of Sidegate's own has ended with `value`.

    What is only a text, such as that of a file, is shown as that text.
    """
    match value:
        case {"content": str(text)} if isinstance(value, Mapping) and len(value) == 1:
            shown = text
        case str(text):
            shown = text
        case _:
            shown = dumps(value).decode()
    result: dict[str, Json] = {"content": [{"type": "text", "text": shown}], "isError": False}
    if isinstance(value, Mapping):
        result["structuredContent"] = value
    return result | ({"resultType": "complete"} if era is Era.MODERN else {})


def own_tool(
    name: str,
    description: str,
    command: str | None = None,
    paths: Iterable[str] = (),
    urls: Iterable[str] = (),
) -> OwnTool:
    """A tool that is no server's. Of a configured one only the arguments that are judged are known.

    Each argument is a text; a `?` at the end of its name says that it may be missing.
    """
    schema = SCHEMAS.get(name)
    if schema is None:
        schema = _declared((*((command,) if command else ()), *paths, *urls))
    return OwnTool(name, description, schema)


def _declared(arguments: Iterable[str]) -> Mapping[str, Json]:
    names = list(dict.fromkeys(arguments))
    return {
        "type": "object",
        "properties": {name.removesuffix("?"): {} for name in names},
        "required": [name for name in names if not name.endswith("?")],
        "additionalProperties": True,
    }


def _built_in(required: Mapping[str, Json], optional: Mapping[str, Json]) -> Mapping[str, Json]:
    return {
        "type": "object",
        "properties": {**required, **optional},
        "required": list(required),
        "additionalProperties": False,
    }


SCHEMAS = {
    "shell": _built_in({"command": _TEXT}, {"stdin": _TEXT, "timeout_secs": _SECONDS}),
    "file_read": _built_in({"path": _TEXT}, {}),
    "file_write": _built_in({"path": _TEXT, "content": _TEXT}, {}),
    "file_list": _built_in({"path": _TEXT}, {}),
}
