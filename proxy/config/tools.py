"""The table of tools: what the operator declares of each, by its policy name or a pattern.

The counterpart is the catalogue of layer 3, where these entries join the tools that are built in.
The configuration, never the caller, states what a tool does to the world.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import (
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import ErrorDetails, InitErrorDetails

from proxy.config.entries import MCP, ToolConfig
from proxy.config.patterns import covers, is_pattern, joined, meet
from proxy.config.presets import Preset, over
from proxy.config.section import raise_all, wrong
from proxy.config.served import is_method, misplaced
from proxy.config.text import ToolPattern
from proxy.config.wrappers import is_wrapper

__all__ = ["BUILT_IN", "RESERVED", "ToolConfig", "Tools"]

_ANY_TOOL = frozenset({"description", "approval", "rules", "rate_per_minute"})
BUILT_IN: Mapping[str, frozenset[str]] = {
    "shell": _ANY_TOOL | {"timeout_secs", "commands", "docker", "env"},
    "file_read": _ANY_TOOL,
    "file_write": _ANY_TOOL,
    "file_list": _ANY_TOOL,
}
"""Sidegate's own tools, with the fields that an entry may override."""

RESERVED = "invoke"
"""`POST /tools/invoke` is a contract of its own, so no tool has this name."""

Fields = Mapping[str, object]
_METHOD = _ANY_TOOL | {"timeout_secs"}
_OF_ONE_TOOL = ("path", "dispatch", "commands", "docker", "env")
_OF_THE_UPSTREAM = ("path", "paths", "urls", "dispatch")
_OF_THE_SANDBOX = ("docker", "env")
_ARGUMENTS_OF_THE_SANDBOX = ("timeout_secs", "stdin")


def _judged(
    entries: object, inner: ValidatorFunctionWrapHandler, info: ValidationInfo
) -> Mapping[str, ToolConfig]:
    """What an entry must hold depends on its name; told together with what is wrong inside it."""
    data = info.data or {}
    judged = isinstance(entries, Mapping) and (not data or "mcp_servers" in data)
    broken = list(_broken(entries, data)) if judged and isinstance(entries, Mapping) else []
    try:
        tools = cast("Mapping[str, ToolConfig]", inner(entries))
    except ValidationError as error:
        inside = map(_again, error.errors(include_url=False))
        raise ValidationError.from_exception_data("tools", [*inside, *broken]) from None
    raise_all(broken)
    return tools


def _again(error: ErrorDetails) -> InitErrorDetails:
    """An error as it is raised; a broken rule is of no type that pydantic knows."""
    if error["type"] == "rule":
        return wrong(error["loc"], error["msg"])
    return cast("InitErrorDetails", error)


def _broken(entries: Mapping[str, object], data: Mapping[str, Any]) -> Iterator[InitErrorDetails]:
    presets: tuple[Preset, ...] = data.get("presets", ())
    servers = frozenset(data.get("mcp_servers", ()))
    given = {name: _given(entry) for name, entry in entries.items()}
    told = {name: fields for name, fields in given.items() if fields is not None}
    table = over(presets, told, servers)
    for name, fields in told.items():
        rules = [*misplaced(name, fields, servers), *_idle(name, fields, table)]
        if is_method(name, servers):
            rules += _of_a_method(fields)
        else:
            rules += _rules(name, fields, joined(name, table))
        yield from (wrong((name, *key), text) for key, text in rules)


def _given(entry: object) -> Fields | None:
    match entry:
        case Mapping():
            return {key: value for key, value in entry.items() if value is not None}
        case ToolConfig():
            return entry.given()
        case _:
            return None


def _rules(name: str, given: Fields, found: Fields) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with an entry that has the fields `given`, and with all others `found`."""
    if name == RESERVED:
        yield (), "this name is reserved"
    elif is_pattern(name):
        for key in _OF_ONE_TOOL:
            if key in given:
                yield (key,), "only for one tool, by its whole name"
    elif name in BUILT_IN:
        for key in given.keys() & (ToolConfig.model_fields.keys() - BUILT_IN[name]):
            yield (key,), "cannot be changed: this tool is built in"
    else:
        yield from _declared(name, given, found)


def _is_served(found: Fields) -> bool:
    return str(found.get("backend", "")).startswith(MCP)


def _idle(
    name: str, given: Fields, table: Mapping[str, Fields]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """A pattern makes tools of the upstream exist, and what Sidegate runs stands under its name."""
    if not is_pattern(name) or any(covers(name, key) for key in table if _runs(key)):
        return
    if given.get("backend") == "sandbox":
        yield ("backend",), "creates no tool: one of the sandbox has an entry by its whole name"
    elif "command" in given and not any("backend" in table[key] for key in _beside(name, table)):
        yield ("command",), "is of no tool: no entry that it speaks about has a backend"


def _runs(key: str) -> bool:
    return not is_pattern(key) and key not in BUILT_IN


def _beside(name: str, table: Mapping[str, Fields]) -> Iterator[str]:
    return (key for key in table if meet(key, name))


def _declared(name: str, given: Fields, found: Fields) -> Iterator[tuple[tuple[str, ...], str]]:
    for key in ("effect", "backend"):
        if key not in found:
            yield (key,), "required for a tool that is not built in"
    if is_wrapper(name) and "dispatch" not in found:
        yield ("dispatch",), "required: tools of this name call others; none, if this one does not"
    if found.get("backend") == "sandbox":
        yield from _run_here(given, found)
    else:
        yield from _run_elsewhere(given, served=_is_served(found))


def _of_a_method(given: Fields) -> Iterator[tuple[tuple[str, ...], str]]:
    for key in sorted(given.keys() & (ToolConfig.model_fields.keys() - _METHOD - {"backend"})):
        yield (key,), "cannot be changed: this is a method of MCP"


def _run_here(given: Fields, found: Fields) -> Iterator[tuple[tuple[str, ...], str]]:
    if "command" not in found:
        yield ("command",), "required with backend: sandbox"
    elif found["command"] in _ARGUMENTS_OF_THE_SANDBOX:
        yield ("command",), "is an argument of every tool with backend: sandbox"
    for key in _OF_THE_UPSTREAM:
        if given.get(key):
            yield (key,), "only with backend: upstream; a sandbox tool takes its command alone"


def _run_elsewhere(given: Fields, *, served: bool) -> Iterator[tuple[tuple[str, ...], str]]:
    if served and "path" in given:
        yield ("path",), "only with backend: upstream"
    if "commands" in given:
        yield ("commands",), "only with backend: sandbox, which is then the boundary"
    for key in _OF_THE_SANDBOX:
        if given.get(key):
            yield (key,), "only with backend: sandbox"


Tools = Annotated[Mapping[ToolPattern, ToolConfig], WrapValidator(_judged)]
"""Layer 3: may they do this."""
