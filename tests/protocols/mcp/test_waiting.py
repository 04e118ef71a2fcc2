import json
from typing import Any

import pytest
from doubles import Clock, inbound

from proxy.actions import ToolCall
from proxy.decision import Denied, Facts
from proxy.exchange import Inbound
from proxy.mcp import Rpc
from proxy.protocols.mcp.calls import PATIENCE
from proxy.protocols.mcp.codec import McpCodec
from proxy.protocols.mcp.names import Names
from proxy.protocols.mcp.sealed import Sessions, States
from proxy.protocols.mcp.waiting import AT_ONCE, Waiting
from proxy.reasons import Layer, Reason
from proxy.seal import Seal
from proxy.values import Json

NOW = "2026-07-28"
SEAL = Seal(bytes(32))
STATES = States(SEAL, Clock())
URL = "http://127.0.0.1:9000/approvals"
LINKS: Json = {"elicitation": {"url": {}}}
PENDING = Denied(Layer.AUTHORIZATION, Reason.APPROVAL_PENDING, Facts(approval="ask-1"))


def codec(url: str = URL) -> McpCodec:
    names = Names(("github",), frozenset({"shell"}))
    return McpCodec(names, Sessions(SEAL, Clock()), Waiting(STATES, lambda: url))


def call(able: Json = LINKS, method: str = "tools/call", **params: Json) -> Inbound:
    meta: Json = {
        "io.modelcontextprotocol/protocolVersion": NOW,
        "io.modelcontextprotocol/clientCapabilities": able,
    }
    said: Json = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": method,
        "params": {"name": "get", **params, "_meta": meta},
    }
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": NOW,
        "Mcp-Method": method,
        "Mcp-Name": "get",
    }
    return inbound(method="POST", path="/mcp", headers=headers, body=json.dumps(said).encode())


def answered(of: McpCodec, request: Inbound, denied: Denied = PENDING) -> Any:
    answer = of.refuse(request, denied)
    assert answer.status == 200
    assert isinstance(answer.body, bytes)
    return json.loads(answer.body)["result"]


async def test_who_can_show_a_link_is_told_at_once_where_the_operator_decides() -> None:
    of, request = codec(), call()

    action = await of.parse(request)
    result = answered(of, request)

    assert isinstance(action, ToolCall)
    assert action.patience == AT_ONCE
    assert result["resultType"] == "input_required"
    (asked,) = result["inputRequests"].values()
    assert asked["params"]["url"] == URL


async def test_who_comes_back_brings_nothing_of_ours_to_the_server() -> None:
    of, first = codec(), call()
    await of.parse(first)
    state = answered(of, first)["requestState"]
    responses: Json = {"operator": {"action": "accept"}}

    action = await of.parse(call(requestState=state, inputResponses=responses))

    assert isinstance(action, ToolCall)
    assert action == ToolCall("github.get", {})
    assert action.patience == PATIENCE
    assert action.via is not None
    assert action.via.request.params.keys() == {"name", "_meta"}


async def test_the_state_of_a_server_is_kept() -> None:
    of, request = codec(), call(requestState="theirs", inputResponses={"a": {}})

    action = await of.parse(request)

    assert isinstance(action, ToolCall)
    assert action.patience is None
    assert action.via is not None
    assert action.via.request.params["requestState"] == "theirs"
    assert answered(of, request)["isError"] is True


@pytest.mark.parametrize("able", [{}, {"elicitation": {}}, {"elicitation": {"form": {}}}])
async def test_who_can_show_no_link_is_refused_as_before(able: Json) -> None:
    of, request = codec(), call(able)

    action = await of.parse(request)

    assert isinstance(action, ToolCall)
    assert action.patience is None
    assert answered(of, request)["isError"] is True


async def test_a_link_to_nowhere_is_not_shown() -> None:
    of, request = codec(""), call()

    await of.parse(request)

    assert answered(of, request)["isError"] is True


async def test_what_does_not_wait_is_refused_as_before() -> None:
    of, request = codec(), call()
    await of.parse(request)

    for denied in (
        Denied(Layer.AUTHORIZATION, Reason.APPROVAL_REFUSED, Facts(approval="ask-1")),
        Denied(Layer.AUTHORIZATION, Reason.APPROVAL_PENDING),
    ):
        assert answered(of, request, denied)["isError"] is True


async def test_only_calls_that_may_ask_for_more_do() -> None:
    assert isinstance(await codec().parse(call(method="tools/list")), Rpc)
    completion = call(method="completion/complete", ref={"type": "ref/prompt", "name": "get"})
    action = await codec().parse(completion)

    assert isinstance(action, ToolCall)
    assert action.patience is None
