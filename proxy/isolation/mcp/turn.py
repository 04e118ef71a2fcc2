"""Who speaks with which server, and what about.

The counterparts are `relay`, `upward` and `downward`, which carry a turn to the server and back in
the words of the client.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.isolation.mcp.upstreams import McpServer
from proxy.jsonrpc import Request
from proxy.mcp import MODERN, Asking, Client, Group
from proxy.values import Before, Headers, Json

REVISION = "io.modelcontextprotocol/protocolVersion"
INFO = "io.modelcontextprotocol/clientInfo"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
RESERVED = "io.modelcontextprotocol/"
LEVELS = frozenset(
    {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}
)
"""From which on a client wants to hear of logs (RFC 5424)."""


@dataclass(frozen=True, slots=True)
class Party:
    """A client and a server. `allow`: the groups of what may pass between them.

    `owner`: whose the client is. `asking`: why the server may not ask the client something; where
    there is nobody to say so, it may not.
    """

    server: McpServer
    client: Client
    owner: str
    allow: frozenset[Group]
    asking: Asking | None = field(default=None, repr=False)

    @property
    def capabilities(self) -> Mapping[str, Json]:
        """What the client can, as it says itself, now or when it opened its session."""
        session = self.client.session
        return session.capabilities if session is not None else self.client.capabilities

    @property
    def info(self) -> Mapping[str, Json]:
        """Who the client is, as it says itself."""
        session = self.client.session
        return session.info if session is not None else self.client.info

    @property
    def opened(self) -> tuple[str, str] | None:
        """The revision and the id of the server's part of the client's session, if it has one."""
        session = self.client.session
        return session.servers.get(self.server.name) if session is not None else None


@dataclass(frozen=True, slots=True)
class Turn:
    """A request of a party's client to its server.

    `seconds`: how long silence may last, None without end. `schema`: of the tool that is called.
    """

    party: Party
    request: Request
    seconds: float | None = None
    before: Before | None = field(default=None, compare=False, repr=False)
    schema: Mapping[str, Json] | None = field(default=None, repr=False)


def legacy_headers(revision: str) -> Headers:
    """What goes with all that is said in a session."""
    return Headers((("MCP-Protocol-Version", revision),))


def meta_of(params: Mapping[str, Json]) -> Mapping[str, Json]:
    """What a message says about itself."""
    meta = params.get("_meta")
    return meta if isinstance(meta, Mapping) else {}


def modern_meta(
    meta: Mapping[str, Json], info: Mapping[str, Json], capabilities: Mapping[str, Json]
) -> dict[str, Json]:
    """What a modern request says about itself: who asks, and what they can."""
    return {**meta, REVISION: MODERN[0], INFO: info, CAPABILITIES: capabilities}
