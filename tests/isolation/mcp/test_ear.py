"""One server, listened to."""

from mcp_doubles import ALL, FakeServer, House, Known, Live

from proxy.decision import Deny
from proxy.isolation.mcp.ear import Ear
from proxy.isolation.mcp.link import Event
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.relay import Relay
from proxy.isolation.mcp.turn import Party
from proxy.isolation.mcp.watching import Watched
from proxy.jsonrpc import Notification
from proxy.protocols.mcp.names import tagged
from proxy.reasons import Reason

CHANGED = Notification("notifications/tools/list_changed")


def ear(server: FakeServer, *opened: str) -> Ear:
    house = House(one=server)
    found = house.upstreams.get("one")
    assert found is not None
    lowering = Lowering(house.names, Known())
    party = Party(found, house.legacy(*opened), "ann", ALL)
    return Ear(party, Watched(), Relay(lowering), lowering)


async def test_a_stream_that_lasts_is_opened_again_where_it_ended() -> None:
    lives: list[Live] = []

    def script(_: object) -> object:
        lives.append(Live())
        lives[-1].say(Event(CHANGED, f"e{len(lives)}"), None)
        return lives[-1].replies()

    server = FakeServer(script)  # type: ignore[arg-type]
    one = ear(server, "one")
    assert await one.open() is None
    events = one.events(lasting=True)
    assert [(await anext(events)).id for _ in range(2)] == [tagged("one", f"e{n}") for n in (1, 2)]
    assert [each.headers.get("last-event-id") for each in server.said] == [None, "e1"]
    one.release()
    assert all(each.released for each in lives)


async def test_a_server_without_such_a_stream_is_not_listened_to() -> None:
    assert await ear(FakeServer(), "one").open() == Deny(Reason.VERB_UNSUPPORTED)
    gone = FakeServer()
    gone.down = True
    assert await ear(gone, "one").open() == Deny(Reason.MCP_UNAVAILABLE)
    assert await ear(gone).open() == Deny(Reason.MCP_UNAVAILABLE)
