"""What servers may ask of clients."""

from dataclasses import replace

import pytest
from mcp_doubles import ALL, FakeServer, House, everything, modern, nothing

from proxy.decision import Deny
from proxy.isolation.mcp.asking import answer, ask, refusal
from proxy.isolation.mcp.turn import Party, legacy_headers
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import Asking, Group
from proxy.reasons import Reason

HEADERS = legacy_headers("2025-11-25")


def party(server: FakeServer | None = None) -> Party:
    found = House(one=server or FakeServer()).upstreams.get("one")
    assert found is not None
    return Party(found, modern(), "ann", ALL, everything)


@pytest.mark.parametrize("method", ["sampling/createMessage", "elicitation/create", "roots/list"])
async def test_what_is_allowed_may_be_asked(method: str) -> None:
    assert await refusal(party(), method, {}) is None


@pytest.mark.parametrize(
    ("method", "allow", "asking"),
    [
        ("tools/call", ALL, everything),
        ("initialize", ALL, everything),
        ("sampling/createMessage", ALL - {Group.SAMPLING}, everything),
        ("roots/list", ALL - {Group.ELICITATION}, everything),
        ("roots/list", ALL, nothing),
        ("roots/list", ALL, None),
    ],
)
async def test_all_else_may_not(
    method: str, allow: frozenset[Group], asking: Asking | None
) -> None:
    asked = replace(party(), allow=allow, asking=asking)
    assert isinstance(await refusal(asked, method, {}), Failure)


async def test_a_client_is_asked_only_what_it_can() -> None:
    asked = replace(party(), client=modern({"roots": {}, "sampling": True}))
    assert await refusal(asked, "roots/list", {}) is None
    assert await refusal(asked, "elicitation/create", {}) is not None
    assert await refusal(asked, "sampling/createMessage", {}) is not None


async def test_what_is_told_and_asked_leaves_nothing_open() -> None:
    server = FakeServer(lambda sent: Response(1, {}) if isinstance(sent.message, Request) else None)
    one = party(server)
    await answer(one, "q", {}, "s", HEADERS)
    assert await ask(one, Request(1, "ping"), "s", HEADERS) == Response(1, {})
    assert server.messages == [Response("q", {}), Request(1, "ping")]
    assert server.released >= 2
    server.down = True
    await answer(one, "q", {}, "s", HEADERS)
    assert await ask(one, Request(1, "ping"), "s", HEADERS) == Deny(Reason.MCP_UNAVAILABLE)
