"""Which way a turn goes."""

import pytest
from mcp_doubles import FakeServer, House, Said, call, document, modern, modern_call

from proxy.isolation.mcp.link import Sent
from proxy.jsonrpc import Request, Response
from proxy.mcp import Era
from proxy.values import Json

DONE: dict[str, Json] = {"content": [], "resultType": "complete"}


def answering(sent: Sent) -> Said:
    return Response(sent.message.id, DONE) if isinstance(sent.message, Request) else None


@pytest.mark.parametrize("client", Era)
@pytest.mark.parametrize("server", Era)
async def test_a_client_of_either_era_is_served_by_a_server_of_either(
    client: Era, server: Era
) -> None:
    link = FakeServer(answering, server)
    house = House(one=link)
    opened = ["one"] if server is Era.LEGACY else []
    who = modern() if client is Era.MODERN else house.legacy(*opened)
    request = modern_call("x") if client is Era.MODERN else call("x")
    value = document(await house.call(who, request)).value
    assert isinstance(value, dict)
    crossed = client is Era.LEGACY and server is Era.MODERN
    assert value["result"] == ({"content": []} if crossed else DONE)
    assert bool(link.said[0].session) == (server is Era.LEGACY)


async def test_a_modern_method_is_unknown_to_a_legacy_server() -> None:
    server = FakeServer(answering)
    house = House(one=server)
    answer = document(await house.call(modern(), Request(1, "tasks/update")))
    assert answer.value == {"error": {"code": -32601, "message": "Method not found"}}
    assert server.said == []


async def test_so_many_resources_are_watched_and_no_more() -> None:
    house = House(one=FakeServer(era=Era.MODERN))
    client = house.legacy()
    kinds: list[str] = []
    for n in range(257):
        asked = Request(n, "resources/subscribe", {"uri": f"x:{n}"})
        value = document(await house.call(client, asked)).value
        assert isinstance(value, dict)
        kinds.append(*value)
    assert kinds == [*["result"] * 256, "error"]
    dropped = Request(1, "resources/unsubscribe", {"uri": "x:1"})
    assert document(await house.call(client, dropped)).value == {"result": {}}
