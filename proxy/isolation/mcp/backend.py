"""Do what was granted of MCP: a call to one server, or what is said to all of them.

Which era the client speaks is known with its request, and that of a server once it was asked; what
passes between two of the same era is `relay`, and between two others `upward` and `downward`.
"""

from proxy.decision import Decision, Deny
from proxy.exchange import Content, Grant
from proxy.isolation.executor import Backend
from proxy.isolation.mcp.answers import bare, content, response
from proxy.isolation.mcp.carrier import Carrier
from proxy.isolation.mcp.lowering import Known
from proxy.isolation.mcp.talking import Talking
from proxy.isolation.mcp.turn import Party, Turn
from proxy.isolation.mcp.upstreams import Upstreams
from proxy.mcp import MODERN, Client, Era, McpCall, McpTalk
from proxy.protocols.mcp.names import Names
from proxy.protocols.mcp.sealed import Sessions, States
from proxy.reasons import Reason

_SELF = Client(Era.MODERN, MODERN[0])


class McpBackend:
    """`Backend` for MCP servers. `definitions`: what is known of their tools."""

    def __init__(
        self,
        upstreams: Upstreams,
        names: Names,
        sessions: Sessions,
        states: States,
        definitions: Known,
    ) -> None:
        self._upstreams = upstreams
        self._carrier = Carrier(names, states, definitions)
        self._talking = Talking(upstreams, names, sessions, definitions, self._carrier)

    async def run(self, plan: McpCall | McpTalk, grant: Grant) -> Decision[Content]:
        """Say it, and answer with what came back."""
        client = plan.client if isinstance(plan, McpCall) else plan.said.client
        session = client.session if client is not None else None
        if session is not None and session.id in self._carrier.ended:
            return Deny(Reason.SESSION_UNKNOWN, "ended")
        if isinstance(plan, McpTalk):
            return await self._talking.run(plan)
        return await self._call(plan, grant)

    async def tidy(self) -> None:
        """End what has been idle for long."""
        await self._upstreams.tidy()

    async def missing(self) -> str | None:
        """What a call would lack now: a sentence, or None."""
        return await self._upstreams.missing()

    async def aclose(self) -> None:
        """Give up all that waits, end all sessions, and close the links."""
        await self._carrier.aclose()
        await self._upstreams.aclose()

    async def _call(self, plan: McpCall, grant: Grant) -> Decision[Content]:
        server = self._upstreams.get(plan.server)
        if server is None:
            return Deny(Reason.MCP_UNAVAILABLE, "not configured")
        client = plan.client or _SELF
        party = Party(server, client, _owner(plan, grant), server.allow, plan.asking)
        turn = Turn(party, plan.request, plan.seconds, plan.before, plan.schema)
        replies = await self._carrier.carry(turn)
        if isinstance(replies, Deny):
            return replies
        if plan.client is None:
            return bare(await response(replies))
        return await content(replies, events=client.events)


def _owner(plan: McpCall, grant: Grant) -> str:
    """Whose the session at the server is, as far apart as callers can be told."""
    session = plan.client.session if plan.client is not None else None
    if session is not None:
        return session.owner
    principal = grant.principal
    return plan.owner or f"{principal.id} {principal.peer.key if principal.peer else ''}"


_: type[Backend[McpCall | McpTalk]] = McpBackend
