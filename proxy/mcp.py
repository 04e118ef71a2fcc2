"""What is said to MCP servers: who says it, what is wanted, and what exactly is then done.

Two eras are spoken. In the legacy one (2025-03-26 to 2025-11-25) a client opens a session, and the
server may ask it back; in the modern one (2026-07-28) every request stands for itself, and what the
server needs to know comes back as a result that asks for more. The counterpart is `actions`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proxy.jsonrpc import Message, Request
from proxy.reasons import Reason
from proxy.values import Before, Headers, Json

LEGACY = ("2025-03-26", "2025-06-18", "2025-11-25")
"""The revisions with sessions, from the oldest."""
MODERN = ("2026-07-28",)
"""The revisions without."""


class Era(StrEnum):
    """How clients and servers of a revision speak."""

    LEGACY = "legacy"
    MODERN = "modern"


class Group(StrEnum):
    """Methods that a server is allowed together: the words of `mcp_servers.NAME.allow`.

    SAMPLING and ELICITATION are what a server asks its client for; roots belong to the latter.
    """

    TOOLS = "tools"
    RESOURCES = "resources"
    PROMPTS = "prompts"
    COMPLETION = "completion"
    LOGGING = "logging"
    SAMPLING = "sampling"
    ELICITATION = "elicitation"
    TASKS = "tasks"


@dataclass(frozen=True, slots=True)
class Session:
    """A legacy session with Sidegate, whole in its sealed `id`, so that any replica can serve it.

    `owner`: whose it is. `servers`: for each server that was reached when it was opened, the
    revision that it speaks and the id of its own session, "" where it has none. `issued`: seconds
    since the epoch.
    """

    id: str
    owner: str
    revision: str
    info: Mapping[str, Json]
    capabilities: Mapping[str, Json]
    servers: Mapping[str, tuple[str, str]]
    issued: float


@dataclass(frozen=True, slots=True)
class Client:
    """Who speaks, as they say themselves: it decides how they are answered, and nothing else.

    `headers` are those of the request; `events`: whether answers may come as events.
    """

    era: Era
    revision: str
    info: Mapping[str, Json] = field(default_factory=dict)
    capabilities: Mapping[str, Json] = field(default_factory=dict)
    session: Session | None = None
    headers: Headers = field(default_factory=Headers, repr=False)
    events: bool = False


@dataclass(frozen=True, slots=True)
class Via:
    """How a tool call came in by MCP: who made it, and the request that it was."""

    client: Client
    request: Request


class Verb(StrEnum):
    """What of MCP is no message: the wish to listen, and the end of a session."""

    LISTEN = "listen"
    END = "end"


@dataclass(frozen=True, slots=True)
class Rpc:
    """Something that is said by MCP and calls nothing: a message, or a verb.

    `server`: whom it is for, where it is for one. `resume`: the last event that was seen, as the
    server itself names it.
    """

    message: Message | Verb
    client: Client
    server: str = ""
    resume: str | None = None


Asking = Callable[[str, str, Mapping[str, Json]], Awaitable[Reason | None]]
"""Why a server may not ask this client something, None where it may: server, method, parameters."""


@dataclass(frozen=True, slots=True)
class McpCall:
    """Send `request` to `server`, and answer with what came of it, `seconds` at most.

    Its parameters are those that were judged, and `schema` that of the tool's definition then.
    `client` is None where the call did not come by MCP, and is then answered with the bare result.
    `owner`: whose it is, as in `McpTalk`.
    """

    server: str
    request: Request
    seconds: float
    client: Client | None = None
    asking: Asking | None = field(default=None, compare=False, repr=False)
    before: Before | None = field(default=None, compare=False, repr=False)
    owner: str = ""
    schema: Mapping[str, Json] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class OwnTool:
    """A tool that is not of an MCP server's, as a list shows it."""

    name: str
    description: str
    schema: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class McpTalk:
    """Do what `said` wants, with the servers whose groups are in `allow`, and no other.

    `visible` says of a policy name, such as `github.get_me`, whether this caller may call it; `own`
    are the tools beside those of servers that it may call.
    """

    said: Rpc
    owner: str
    allow: Mapping[str, frozenset[Group]]
    own: tuple[OwnTool, ...] = ()
    visible: Callable[[str], bool] = field(default=lambda _: False, compare=False, repr=False)
    asking: Asking | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Definition:
    """A tool as its server defines it now. `digest`: of all of it that its callers are shown.

    `trusted`: it is the definition that was first seen, or that the operator accepted since.
    """

    server: str
    name: str
    schema: Mapping[str, Json]
    digest: str
    trusted: bool
