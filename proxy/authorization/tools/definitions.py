"""How an MCP server defines its tools, as far as a verdict depends on it.

The counterpart is `isolation/mcp/definitions`, which asks the servers and knows what is trusted.
"""

from typing import Protocol

from proxy.decision import Deny
from proxy.mcp import Definition


class Definitions(Protocol):
    """What servers say of their tools now."""

    async def find(self, server: str, tool: str) -> Definition | Deny | None:
        """The definition of a tool; None where the server has no such tool."""
        ...


class Unchecked:
    """`Definitions` for who asks what would be decided: no server is asked."""

    async def find(self, server: str, tool: str) -> Definition | Deny | None:
        """A definition that nothing stands against."""
        return Definition(server, tool, {}, "", trusted=True)


_: type[Definitions] = Unchecked
