"""The MCP servers that Sidegate stands before: where each is, and what it may be used for.

The counterparts are the tools of a server in the table of tools, and `isolation/mcp`, which reaches
it. A server's name begins the names of its tools: `github.get_me`.
"""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from proxy.config.runtime import ToolDockerConfig, Variables
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import Form, Line
from proxy.config.upstream import HeadersUp
from proxy.config.web import HttpUrl
from proxy.mcp import Group

RESERVED = frozenset({"shell", "file_read", "file_write", "file_list", "invoke"})
"""What is the name of something else already."""

METHODS = frozenset(
    {
        *("resources/read", "resources/subscribe", "resources/unsubscribe", "prompts/get"),
        *("completion/complete", "tasks/get", "tasks/result", "tasks/list", "tasks/cancel"),
        *("tasks/update", "sampling/createMessage", "elicitation/create", "roots/list"),
    }
)
"""Methods of a server that are decided on like its tools, as `github.resources/read`."""

_SAID_BY_SIDEGATE = frozenset({"accept", "last-event-id"})
_ARGUMENT_MAX = 4096
_MOST_ARGUMENTS = 128

ServerName = Annotated[
    str,
    Form(
        r"(?!.{33})[A-Za-z](?:[A-Za-z0-9-]|_(?!_|$))*",
        "a server's name: a letter, then up to 31 letters, digits, '-' and single '_' within",
    ),
]
Argument = Annotated[Line, Field(max_length=_ARGUMENT_MAX)]


def _words(command: tuple[str, ...]) -> tuple[str, ...]:
    if not 0 < len(command) <= _MOST_ARGUMENTS:
        raise ValueError(f"must have 1 to {_MOST_ARGUMENTS} words")
    return command


class McpServerConfig(Section):
    """One MCP server, reached by HTTP or run in a sandbox."""

    url: HttpUrl | None = None
    """Where it speaks Streamable HTTP, such as http://mcp:3100/mcp; either this or command."""
    command: Annotated[tuple[Argument, ...], Field(strict=False), AfterValidator(_words)] | None = (
        None
    )
    """The words of the command that speaks it on stdin and stdout, run in a sandbox."""
    headers: HeadersUp = Field(default={})
    """Headers added on the way to it; the value of NAME may be in a file: NAME_file."""
    allow: Annotated[tuple[Annotated[Group, Field(strict=False)], ...], Field(strict=False)] = (
        Group.TOOLS,
    )
    """Which groups of methods are passed on; sampling and elicitation are what it asks clients."""
    timeout_secs: Annotated[float, Field(gt=0, le=3600)] = 60
    """The longest that a call may take, where the entry of the tool says nothing else."""
    env: Variables = Field(default={})
    """Variables that its command gets; the value of NAME may be in NAME_file."""
    docker: ToolDockerConfig | None = None
    """What its container has that differs from runtime.docker; only with command."""
    writes: bool = False
    """Whether its command may write to the workspace; only with command."""

    @property
    def groups(self) -> frozenset[Group]:
        """The groups that are passed on."""
        return frozenset(self.allow)

    @model_validator(mode="after")
    def _be_at_one_place(self) -> Self:
        problems = []
        if (self.url is None) == (self.command is None):
            problems.append(wrong((), "needs either url or command, and not both"))
        if self.command is not None and self.headers:
            problems.append(wrong(("headers",), "only with url: a command gets env"))
        if self.command is None:
            given = {
                "env": bool(self.env),
                "docker": self.docker is not None,
                "writes": self.writes,
            }
            problems += [wrong((key,), "only with command") for key in given if given[key]]
        raise_all(problems)
        return self

    @model_validator(mode="after")
    def _leave_mcp_to_sidegate(self) -> Self:
        """What is said in the name of a session or a method follows from what was judged."""
        raise_all(
            wrong(("headers", name), "this header is set by Sidegate itself")
            for name in self.headers
            if name.lower() in _SAID_BY_SIDEGATE or name.lower().startswith("mcp-")
        )
        return self


def _distinct(servers: Mapping[str, McpServerConfig]) -> Mapping[str, McpServerConfig]:
    seen: set[str] = set()
    problems = []
    for name in servers:
        spelled = name.lower()
        if spelled in RESERVED:
            problems.append(wrong((name,), "this name is reserved"))
        if spelled in seen:
            problems.append(wrong((name,), "another has this name, but for capital letters"))
        seen.add(spelled)
    raise_all(problems)
    return servers


McpServers = Annotated[Mapping[ServerName, McpServerConfig], AfterValidator(_distinct)]
