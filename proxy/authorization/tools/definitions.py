"""How an MCP server defines its tools, as far as a verdict depends on it.

The counterpart is `isolation/mcp/definitions`, which asks the servers and knows what is trusted.
"""

from typing import Protocol

from proxy.decision import Deny
from proxy.mcp import Definition


class Definitions(Protocol):
    """What servers say of their tools now."""

    async def find(self, server: str, tool: str, *, now: bool = False) -> Definition | Deny | None:
        """The definition of a tool; None where the server has no such tool.

        `now`: as it is now, since somebody is to act on it; else as it was a moment ago.
        """
        ...


class Unchecked:
    """`Definitions` for who asks what would be decided: no server is asked."""

    async def find(
        self,
        server: str,
        tool: str,
        *,
        now: bool = False,  # noqa: ARG002 - see Definitions
    ) -> Definition | Deny | None:
        """A definition that nothing stands against."""
        return Definition(server, tool, {}, "", trusted=True)


_: type[Definitions] = Unchecked
