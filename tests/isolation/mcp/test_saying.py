"""What clients of sessions tell servers."""

import pytest
from mcp_doubles import FakeServer, House, document, modern

from proxy.exchange import Document
from proxy.jsonrpc import Notification, Response
from proxy.mcp import Group

INITIALIZED = Notification("notifications/cancelled", {"requestId": 4})
PROGRESS = Notification("notifications/progress", {"progressToken": 1, "progress": 1})
ROOTS = Notification("notifications/roots/list_changed")


@pytest.mark.parametrize(
    ("said", "count"),
    [(INITIALIZED, 2), (ROOTS, 2), (PROGRESS, 0), (Notification("notifications/evil"), 0)],
    ids=["cancelled", "roots", "progress", "unknown"],
)
async def test_to_several_servers_only_what_is_for_all(said: Notification, count: int) -> None:
    servers = {"one": FakeServer(), "two": FakeServer()}
    house = House(**servers)
    answer = await house.talk(house.legacy("one", "two"), said)
    assert document(answer) == Document(None, 202)
    assert [each.message for server in servers.values() for each in server.said] == [said] * count


async def test_one_server_hears_the_rest_as_well() -> None:
    server = FakeServer()
    house = House(one=server)
    await house.talk(house.legacy("one"), PROGRESS)
    assert [(each.message, each.session) for each in server.said] == [(PROGRESS, "of-one")]


async def test_nothing_is_said_outside_the_allowed_groups() -> None:
    server = FakeServer()
    house = House(one=server)
    await house.talk(house.legacy("one"), ROOTS, allow=frozenset({Group.TOOLS}))
    assert server.said == []


async def test_modern_clients_have_nothing_to_say() -> None:
    server = FakeServer()
    house = House(one=server)
    assert document(await house.talk(modern(), INITIALIZED)) == Document(None, 202)
    assert server.said == []


async def test_an_answer_is_for_the_server_that_asked() -> None:
    servers = {"one": FakeServer(), "two": FakeServer()}
    house = House(**servers)
    client = house.legacy("one", "two")
    await house.talk(client, Response("q", {}), "two")
    await house.talk(client, Response("q", {}), "")
    assert servers["one"].said == []
    assert servers["two"].messages == [Response("q", {})]
