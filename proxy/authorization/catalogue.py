"""The tools that exist, and what each does to the world.

What is not in the catalogue does not exist: there is no default tool and no effect that a caller
could state. Sidegate's own tools win over configured ones of the same name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from proxy.actions import Effect
from proxy.config.model import ToolConfig

DEFAULT_SECONDS = 60.0


class Place(StrEnum):
    """Where a tool's work is done."""

    SANDBOX = "sandbox"
    WORKSPACE = "workspace"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. `command` names the argument with a command line, `paths` those with a path."""

    name: str
    effect: Effect
    place: Place
    command: str | None = None
    paths: tuple[str, ...] = ()
    seconds: float = DEFAULT_SECONDS
    path: str = ""
    description: str = ""


SHELL = Tool(
    "shell",
    Effect.EXECUTE,
    Place.SANDBOX,
    command="command",
    description="Run one program in a fresh sandbox: {command, timeout_secs?}.",
)
FILE_READ = Tool(
    "file_read",
    Effect.READ,
    Place.WORKSPACE,
    paths=("path",),
    description="The text of a file in the workspace: {path}.",
)
FILE_WRITE = Tool(
    "file_write",
    Effect.WRITE,
    Place.WORKSPACE,
    paths=("path",),
    description="Replace a file in the workspace: {path, content}.",
)
FILE_LIST = Tool(
    "file_list",
    Effect.READ,
    Place.WORKSPACE,
    paths=("path",),
    description="The entries of a folder in the workspace: {path}.",
)
BUILT_IN = {tool.name: tool for tool in (SHELL, FILE_READ, FILE_WRITE, FILE_LIST)}


def catalogue(sections: Mapping[str, ToolConfig]) -> Mapping[str, Tool]:
    """Every tool by its policy name."""
    configured = {name: _tool(name, section) for name, section in sections.items()}
    return {**BUILT_IN, **configured}


def _tool(name: str, section: ToolConfig) -> Tool:
    known = BUILT_IN.get(name)
    if known is not None:
        return replace(
            known,
            seconds=section.timeout_secs or known.seconds,
            description=section.description or known.description,
        )
    assert section.effect is not None
    assert section.backend is not None
    return Tool(
        name,
        section.effect,
        Place(section.backend),
        command=section.command,
        paths=tuple(section.paths),
        seconds=section.timeout_secs or DEFAULT_SECONDS,
        path=section.path or f"/tools/{name}",
        description=section.description,
    )
