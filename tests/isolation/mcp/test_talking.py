"""What is said to all servers, or to Sidegate itself."""

from mcp_doubles import (
    CLIENT_META,
    LAST,
    FakeServer,
    House,
    Said,
    all_events,
    document,
    modern,
    result,
)

from proxy.decision import Deny
from proxy.isolation.mcp.link import Sent
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import Client, Era, Group, OwnTool, Verb
from proxy.reasons import Reason
from proxy.values import Json


def listing(*names: str) -> FakeServer:
    tools: list[Json] = [{"name": name, "inputSchema": {}} for name in names]

    def script(sent: Sent) -> Said:
        if isinstance(sent.message, Request):
            return Response(sent.message.id, {"tools": tools})
        return None

    return FakeServer(script)


async def test_lists_are_of_all_servers_in_either_era() -> None:
    house = House(one=listing("a"), two=listing("b"))
    own = (OwnTool("shell", "Run.", {}),)
    legacy = house.legacy("one", "two")
    [event] = await all_events(await house.talk(legacy, Request(1, "tools/list"), own=own))
    assert isinstance(event.message, Response)
    assert isinstance(event.message.result, dict)
    tools = event.message.result["tools"]
    assert isinstance(tools, list)
    assert [each["name"] for each in tools] == ["shell", "one__a", "two__b"]
    shown = result(await house.talk(modern(), Request(1, "tools/list")))
    assert shown["resultType"] == "complete"
    assert len(shown["tools"]) == 2  # type: ignore[arg-type]


async def test_a_ping_is_answered_here_unless_there_is_one_server() -> None:
    servers = {"one": FakeServer(), "two": FakeServer()}
    house = House(**servers)
    assert result(await house.talk(house.legacy(), Request(1, "ping"))) == {}
    assert [each.said for each in servers.values()] == [[], []]
    server = FakeServer(lambda _: Response(1, {}))
    house = House(one=server)
    assert result(await house.talk(house.legacy("one"), Request(1, "ping"))) == {}
    assert server.messages == [Request(1, "ping")]


async def test_a_modern_server_that_knows_no_ping_is_not_asked() -> None:
    server = FakeServer(era=Era.MODERN)
    house = House(one=server)
    client = house.legacy()
    assert result(await house.talk(client, Request(1, "ping"))) == {}
    level = Request(1, "logging/setLevel", {"level": "error"})
    assert result(await house.talk(client, level)) == {}
    assert server.said == []


async def test_a_level_is_set_at_all_servers() -> None:
    servers = {name: FakeServer(lambda _: Response(1, {})) for name in ("one", "two")}
    house = House(**servers)
    said = Request(1, "logging/setLevel", {"level": "error"})
    assert result(await house.talk(house.legacy("one", "two"), said)) == {}
    assert [each.messages for each in servers.values()] == [[said], [said]]


async def test_no_level_is_no_level() -> None:
    house = House(one=FakeServer(), two=FakeServer())
    said = Request(1, "logging/setLevel", {"level": "loud"})
    answer = document(await house.talk(house.legacy("one"), said))
    assert answer.value == {"error": {"code": -32602, "message": "Invalid params"}}


async def test_what_nobody_serves_is_unknown() -> None:
    house = House(one=FakeServer())
    answer = await house.talk(house.legacy("one"), Request(1, "tools/evil"))
    assert answer == Deny(Reason.METHOD_UNKNOWN)


async def test_verbs_need_a_session() -> None:
    house = House(one=FakeServer())
    client = Client(Era.LEGACY, LAST)
    for verb in Verb:
        assert await house.talk(client, verb) == Deny(Reason.SESSION_MISSING)


async def test_a_server_that_may_not_list_is_not_asked() -> None:
    server = listing("a")
    house = House(one=server)
    allow = frozenset({Group.PROMPTS})
    await house.talk(house.legacy("one"), Request(1, "tools/list"), allow=allow)
    assert server.said == []


async def test_the_failure_of_the_only_server_is_the_answer() -> None:
    failed = Failure(-32603, "broken")

    def script(sent: Sent) -> Said:
        assert isinstance(sent.message, Request)
        return Response(sent.message.id, failed)

    house = House(one=FakeServer(script))
    client = house.legacy("one", events=False)
    answer = document(await house.talk(client, Request(1, "tools/list")))
    assert answer.value == {"error": {"code": -32603, "message": "broken"}}


async def test_a_modern_server_is_asked_for_its_list_as_it_must_be() -> None:
    def script(sent: Sent) -> Said:
        assert isinstance(sent.message, Request)
        return Response(sent.message.id, {"tools": []})

    server = FakeServer(script, Era.MODERN)
    house = House(one=server)
    await house.talk(modern(), Request(1, "tools/list", {"_meta": CLIENT_META}))
    await house.talk(house.legacy(), Request(1, "tools/list"))
    for sent in server.messages:
        assert isinstance(sent, Request)
        assert isinstance(sent.params["_meta"], dict)
        assert sent.params["_meta"].keys() >= CLIENT_META.keys()
