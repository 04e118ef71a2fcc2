"""A legacy server, listened to for a modern client."""

import asyncio

import pytest
from mcp_doubles import ALL, FakeServer, House, Known, Live, modern

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.apart import Apart
from proxy.isolation.mcp.errands import Errands
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.turn import Party
from proxy.jsonrpc import Request, Response
from proxy.mcp import Verb
from proxy.reasons import Reason


def apart(server: FakeServer) -> Apart:
    house = House(one=server)
    found = house.upstreams.get("one")
    assert found is not None
    party = Party(found, modern(), "ann", ALL)
    return Apart(party, {"toolsListChanged": True}, Lowering(house.names, Known()), Errands())


async def test_a_server_without_such_a_stream_is_left_and_its_session_ended() -> None:
    server = FakeServer()
    assert await apart(server).open() == Deny(Reason.METHOD_UNKNOWN)
    await asyncio.sleep(0.01)
    assert [each.message for each in server.said] == [Verb.LISTEN, Verb.END]


async def test_a_ping_is_answered_and_an_answer_is_not_understood() -> None:
    live = Live()
    server = FakeServer(lambda sent: live.replies() if sent.message is Verb.LISTEN else None)
    one = apart(server)
    assert await one.open() is None
    live.say(Request("p", "ping"), Response(1, {}))
    with pytest.raises(Denied):
        await anext(one.events())
    assert server.messages == [Response("p", {})]
    one.release()
    one.release()
    assert live.released


async def test_a_server_that_is_not_there_is_not_listened_to() -> None:
    server = FakeServer()
    server.down = True
    assert await apart(server).open() == Deny(Reason.MCP_UNAVAILABLE)
