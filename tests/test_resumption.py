"""A request that is taken up again asks for what it asked, and brings nothing else."""

from proxy.actions import ToolCall
from proxy.exchange import Access
from proxy.resumption import Origin, resumed

CALL = ToolCall("ref.add", {"a": 1}, ask="r_1")
ORIGIN = Origin("requests", "POST", "/tools/x", "tools")


async def test_it_asks_for_what_was_stored_at_the_place_where_it_came_in() -> None:
    inbound = resumed("r_1", CALL, ORIGIN)

    assert await inbound.route.codec.parse(inbound) == CALL
    assert (inbound.request_id, inbound.method, inbound.path) == ("r_1", "POST", "/tools/x")
    assert (inbound.route.name, inbound.route.door) == ("requests", "tools")


async def test_it_comes_over_no_connection_and_no_route_that_is_served() -> None:
    inbound = resumed("r_1", CALL, ORIGIN)

    assert inbound.route.access is Access.NOBODY
    assert inbound.connection.address is None
    assert (list(inbound.headers), inbound.query, await inbound.body.read()) == ([], "", b"")
