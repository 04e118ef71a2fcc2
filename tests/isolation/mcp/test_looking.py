"""How Sidegate itself looks at the tools of a server."""

import pytest
from doubles import Clock
from mcp_doubles import FakeServer, House, Said

from proxy.decision import Deny
from proxy.isolation.mcp.link import Sent
from proxy.isolation.mcp.looking import Looking
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import Era
from proxy.protocols.mcp.sealed import States
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.values import Json

TOOL: dict[str, Json] = {"name": "a", "inputSchema": {}}


def looking(server: FakeServer) -> Looking:
    house = House(one=server)
    return Looking(house.upstreams, house.names, States(Seal(bytes(32)), Clock()))


@pytest.mark.parametrize("era", Era)
async def test_all_pages_are_looked_at(era: Era) -> None:
    def script(sent: Sent) -> Said:
        assert isinstance(sent.message, Request)
        if "cursor" in sent.message.params:
            return [Request("q", "roots/list"), Response(sent.message.id, {"tools": [TOOL]})]
        return Response(sent.message.id, {"tools": [TOOL], "nextCursor": "2"})

    def modern(sent: Sent) -> Said:
        assert isinstance(sent.message, Request)
        return Response(sent.message.id, {"tools": [TOOL, TOOL]})

    def legacy(sent: Sent) -> Said:
        return script(sent) if isinstance(sent.message, Request) else None

    look = looking(FakeServer(legacy if era is Era.LEGACY else modern, era))
    assert await look("one") == [TOOL, TOOL]
    await look.aclose()


async def test_what_cannot_be_looked_at_is_said() -> None:
    def failing(sent: Sent) -> Said:
        return Response(sent.message.id, no) if isinstance(sent.message, Request) else None

    no = Failure(-1, "no")
    server = FakeServer(failing)
    look = looking(server)
    assert await look("one") == Deny(Reason.MCP_REFUSED)
    assert await look("two") == Deny(Reason.MCP_UNAVAILABLE)
    server.down = True
    assert await looking(server)("one") == Deny(Reason.MCP_UNAVAILABLE)


@pytest.mark.parametrize("era", Era)
async def test_tools_for_clients_that_can_be_asked_are_looked_at_too(era: Era) -> None:
    """A server may have them for nobody else."""

    def script(sent: Sent) -> Said:
        if not isinstance(sent.message, Request):
            return None
        return Response(sent.message.id, {"tools": [TOOL]})

    server = FakeServer(script, era)
    look = looking(server)
    await look("one")
    await look.aclose()

    told = [str(each) for each in (*server.messages, *server.opened)]
    assert any("elicitation" in each and "sampling" in each for each in told)
