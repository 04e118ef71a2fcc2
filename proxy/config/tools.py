"""The table of tools: what the operator declares of each, by its policy name.

The counterpart is the catalogue of layer 3, where these entries join the tools that are built in.
The configuration, never the caller, states what a tool does to the world.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal, cast

from pydantic import Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import InitErrorDetails

from proxy.actions import Effect
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import Line, Prose, ToolName
from proxy.config.web import UpstreamPath

BUILT_IN: Mapping[str, frozenset[str]] = {
    "shell": frozenset({"timeout_secs", "description"}),
    "file_read": frozenset({"description"}),
    "file_write": frozenset({"description"}),
    "file_list": frozenset({"description"}),
}
"""Sidegate's own tools, with the fields that an entry may override."""

RESERVED = "invoke"
"""`POST /tools/invoke` is a contract of its own, so no tool has this name."""


class ToolConfig(Section):
    """One tool: one that is not built in has an effect and a backend; None: as built in."""

    effect: Annotated[Effect, Field(strict=False)] | None = None
    """What a call does to the world; required for a tool that is not built in."""
    backend: Literal["sandbox", "upstream"] | None = None
    """Where it runs; required for a tool that is not built in."""
    command: Line | None = None
    """The argument that holds a command line, judged by autonomy.allowed_commands."""
    paths: Annotated[tuple[Line, ...], Field(strict=False)] = ()
    """The arguments that hold paths, judged like those of the file tools; of an upstream's tool."""
    timeout_secs: Annotated[float, Field(gt=0, le=3600)] | None = None
    """The longest that a call may take; a caller may ask for less."""
    path: UpstreamPath | None = None
    """The path of this tool at the upstream; null: /tools/NAME."""
    description: Prose = ""
    """What the tool does, for those who may call it."""


def _judged(entries: object, inner: ValidatorFunctionWrapHandler) -> Mapping[str, ToolConfig]:
    """What an entry must hold depends on its name; told together with what is wrong inside it."""
    broken = list(_broken(entries)) if isinstance(entries, Mapping) else []
    try:
        tools = cast("Mapping[str, ToolConfig]", inner(entries))
    except ValidationError as error:
        inside = cast("list[InitErrorDetails]", error.errors(include_url=False))
        raise ValidationError.from_exception_data("tools", [*inside, *broken]) from None
    raise_all(broken)
    return tools


def _broken(entries: Mapping[str, object]) -> Iterator[InitErrorDetails]:
    for name, entry in entries.items():
        if name == RESERVED:
            yield wrong((name,), "this name is reserved")
            continue
        given = _given(entry)
        rules = _built_in(name, given) if name in BUILT_IN else _declared(given)
        yield from (wrong((name, key), text) for key, text in rules)


def _given(entry: object) -> Mapping[str, object]:
    match entry:
        case Mapping():
            return entry
        case ToolConfig():
            return entry.model_dump(exclude_unset=True)
        case _:
            return {"effect": "", "backend": ""}  # no entry at all, which pydantic tells


def _built_in(name: str, given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key in given.keys() & (ToolConfig.model_fields.keys() - BUILT_IN[name]):
        yield key, "cannot be changed: this tool is built in"


def _declared(given: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key in ("effect", "backend"):
        if given.get(key) is None:
            yield key, "required for a tool that is not built in"
    if given.get("backend") == "sandbox":
        if given.get("command") is None:
            yield "command", "required with backend: sandbox"
        if given.get("path") is not None:
            yield "path", "only with backend: upstream"
        if given.get("paths"):
            yield "paths", "only with backend: upstream; a sandbox tool takes its command alone"


Tools = Annotated[Mapping[ToolName, ToolConfig], WrapValidator(_judged)]
