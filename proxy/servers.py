"""The MCP servers as they are configured, and all that is made once to speak with them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from proxy.actions import Command
from proxy.authorization.tools.catalogue import Place, catalogue
from proxy.config.mcp import McpServerConfig
from proxy.config.model import Config
from proxy.config.sandboxes import server_key
from proxy.isolation.mcp.backend import McpBackend
from proxy.isolation.mcp.definitions import Definitions
from proxy.isolation.mcp.http import HttpLink
from proxy.isolation.mcp.link import Link
from proxy.isolation.mcp.looking import Looking
from proxy.isolation.mcp.stdio import StdioLink
from proxy.isolation.mcp.upstreams import McpServer, Upstreams
from proxy.isolation.sandbox import Sandbox
from proxy.protocols.mcp.codec import McpCodec
from proxy.protocols.mcp.names import Names
from proxy.protocols.mcp.sealed import Sessions, States
from proxy.protocols.mcp.waiting import Waiting
from proxy.seal import Seal
from proxy.state.pins import Pins

_TIDY_SECONDS = 30.0
_LONGEST_SECONDS = 30 * 86400.0  # of processor time that a program of a server may use, natively


@dataclass(frozen=True)
class Wire:
    """How MCP is read and written: names of tools, sessions and states that only we can read."""

    names: Names
    sessions: Sessions
    states: States

    @classmethod
    def of(cls, config: Config, seal: Seal) -> "Wire":
        """That of a configuration."""
        tools = catalogue(config.tools, config.presets, config.mcp_servers).exact
        own = frozenset(name for name, tool in tools.items() if tool.place is not Place.MCP)
        names = Names(tuple(config.mcp_servers), own)
        return cls(names, Sessions(seal, time.time), States(seal, time.time))

    def codec(self, url: Callable[[], str]) -> McpCodec:
        """What reads and writes it. `url`: where the operator decides."""
        return McpCodec(self.names, self.sessions, Waiting(self.states, url))


@dataclass(frozen=True)
class Servers:
    """What speaks with the servers: calls by `backend`; `definitions` knows their tools."""

    backend: McpBackend
    definitions: Definitions
    looking: Looking

    async def missing(self) -> str | None:
        """What a call would lack now: a sentence, or None."""
        return await self.backend.missing()

    async def tidy(self) -> None:
        """End what has been idle for long, again and again."""
        while True:
            await asyncio.sleep(_TIDY_SECONDS)
            await self.backend.tidy()

    async def aclose(self) -> None:
        """Give everything back."""
        await self.definitions.aclose()
        await self.looking.aclose()
        await self.backend.aclose()


def open_servers(config: Config, wire: Wire, sandbox: Sandbox, pins: Pins) -> Servers:
    """The servers of a configuration, in a running event loop; nothing is reached yet."""
    upstreams = Upstreams(
        {
            name: McpServer(name, _link(name, section, sandbox), section.groups, time.time)
            for name, section in config.mcp_servers.items()
        }
    )
    looking = Looking(upstreams, wire.names, wire.states)
    definitions = Definitions(pins, looking, time.time)
    backend = McpBackend(upstreams, wire.names, wire.sessions, wire.states, definitions)
    return Servers(backend, definitions, looking)


def _link(name: str, section: McpServerConfig, sandbox: Sandbox) -> Link:
    if section.url is not None:
        own = {key: value.get_secret_value() for key, value in section.headers.items()}
        return HttpLink(name, section.url, own)
    assert section.command is not None, "one of them is required"
    command = Command(section.command, _LONGEST_SECONDS, section.writes)
    start = partial(sandbox.talk, command, server_key(name), f"mcp-{name}")
    return StdioLink(name, start, sandbox.missing)
