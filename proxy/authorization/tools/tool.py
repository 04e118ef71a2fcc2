"""A tool: what it does to the world, where its work is done, and what holds of its arguments.

The counterpart is `catalogue`, which knows all of them.
"""

from dataclasses import dataclass
from enum import StrEnum

from proxy.actions import Effect
from proxy.authorization.tools.dispatch import Dispatch
from proxy.authorization.tools.rules import Rule
from proxy.config.entries import Approval
from proxy.mcp import Group

DEFAULT_SECONDS = 60.0


class Place(StrEnum):
    """Where a tool's work is done."""

    SANDBOX = "sandbox"
    WORKSPACE = "workspace"
    UPSTREAM = "upstream"
    MCP = "mcp"


@dataclass(frozen=True, slots=True)
class Served:
    """What an MCP server may be used for, and how long a call may take."""

    allow: frozenset[Group] = frozenset({Group.TOOLS})
    seconds: float = DEFAULT_SECONDS


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    `command` names the argument with a command line, `paths` and `urls` those with paths and URLs,
    a `?` at the end of those that may be missing. `unjudged`: its command line is not looked at.
    `approval` was said by the entry `ruled_by`. `opaque`: it calls others, and nobody said how.
    `server` is the MCP server that has it, where one has, under the name `remote`; `method`: it is
    no tool there, but a method of MCP itself; `tasks`: a call may be made a task there.
    """

    name: str
    effect: Effect
    place: Place
    command: str | None = None
    paths: tuple[str, ...] = ()
    seconds: float = DEFAULT_SECONDS
    path: str = ""
    description: str = ""
    urls: tuple[str, ...] = ()
    unjudged: bool = False
    rules: tuple[Rule, ...] = ()
    approval: Approval | None = None
    ruled_by: str = ""
    rate: int | None = None
    dispatch: Dispatch | None = None
    opaque: bool = False
    server: str = ""
    remote: str = ""
    method: bool = False
    tasks: bool = False


SHELL = Tool(
    "shell",
    Effect.EXECUTE,
    Place.SANDBOX,
    command="command",
    description="Run a command in a fresh sandbox: {command, stdin?, timeout_secs?}.",
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
