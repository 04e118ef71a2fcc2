"""What tools a server has now, as it tells Sidegate itself: the counterpart of `definitions`."""

from collections.abc import Collection, Mapping, Sequence

from proxy.decision import Deny
from proxy.isolation.mcp.answers import response
from proxy.isolation.mcp.carrier import Carrier
from proxy.isolation.mcp.lists import all_of
from proxy.isolation.mcp.opening import SELF
from proxy.isolation.mcp.turn import Party, Turn, modern_meta
from proxy.isolation.mcp.upstreams import McpServer, Upstreams
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import MODERN, Client, Era
from proxy.protocols.mcp.methods import offered
from proxy.protocols.mcp.names import Names
from proxy.protocols.mcp.sealed import States
from proxy.reasons import Reason
from proxy.values import Json

_SECONDS = 30.0
_OWNER = "sidegate"
# Some servers have tools only for clients that can be asked something.
_ABLE: Mapping[str, Json] = {"sampling": {}, "elicitation": {"form": {}, "url": {}}, "roots": {}}
_SELF = Client(Era.MODERN, MODERN[0], info=SELF, capabilities=_ABLE)


class Looking:
    """Looks at all servers. What they ask meanwhile is refused, and what they say is not heard."""

    def __init__(self, upstreams: Upstreams, names: Names, states: States) -> None:
        self._upstreams = upstreams
        self._carrier = Carrier(names, states, _Indifferent())

    async def __call__(self, name: str) -> Sequence[Mapping[str, Json]] | Deny:
        """All tools of this server; why they are not known, where they are not."""
        server = self._upstreams.get(name)
        if server is None:
            return Deny(Reason.MCP_UNAVAILABLE, "not configured")
        found = await all_of(server, "tools/list", self._ask)
        return Deny(Reason.MCP_REFUSED, "tools/list") if isinstance(found, Failure) else found

    async def aclose(self) -> None:
        """Give up what waits."""
        await self._carrier.aclose()

    async def _ask(self, server: McpServer, request: Request) -> Response | Deny:
        able = offered(_ABLE, server.allow)
        params = {**request.params, "_meta": modern_meta({}, SELF, able)}
        party = Party(server, _SELF, _OWNER, server.allow)
        turn = Turn(party, Request(request.id, request.method, params), _SECONDS)
        replies = await self._carrier.carry(turn)
        return replies if isinstance(replies, Deny) else await response(replies)


class _Indifferent:
    """Who looks knows nothing, and learns elsewhere."""

    async def learn(self, *_: object, **__: object) -> Collection[str]:
        return ()

    def stale(self, *_: object, **__: object) -> None:
        pass
