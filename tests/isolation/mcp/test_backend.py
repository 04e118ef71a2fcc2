"""The backend as layer 4 sees it."""

from mcp_doubles import FakeServer, House, Said, call, document, modern, modern_call

from proxy.decision import Deny
from proxy.exchange import Document
from proxy.isolation.mcp.link import Sent
from proxy.jsonrpc import Request, Response
from proxy.mcp import Era
from proxy.reasons import Reason
from proxy.values import Json

DONE: dict[str, Json] = {"content": [], "resultType": "complete"}


def answering(sent: Sent) -> Said:
    return Response(sent.message.id, DONE) if isinstance(sent.message, Request) else None


async def test_a_server_that_is_not_configured_is_not_there() -> None:
    house = House(one=FakeServer())
    answer = await house.call(house.legacy("one"), call(), "other")
    assert answer == Deny(Reason.MCP_UNAVAILABLE)


async def test_who_calls_without_mcp_gets_the_bare_result_of_either_era() -> None:
    for era in Era:
        house = House(one=FakeServer(answering, era))
        assert document(await house.call(None, call("sidegate"))) == Document(DONE)


async def test_parameters_that_a_tool_wants_in_headers_are_there() -> None:
    server = FakeServer(answering, Era.MODERN)
    house = House(one=server)
    schema: Json = {
        "type": "object",
        "properties": {"a": {"type": "integer", "x-mcp-header": "A"}},
    }
    assert isinstance(schema, dict)
    await house.call(modern(), modern_call(), schema=schema)
    assert server.said[0].headers.get("mcp-param-a") == "1"


async def test_what_must_be_recorded_before_is_awaited_once() -> None:
    house = House(one=FakeServer(answering))
    assert await house.backend.missing() is None
    await house.call(modern(), modern_call())
    await house.backend.tidy()
    await house.backend.aclose()
