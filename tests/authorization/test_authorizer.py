"""Layer 3 as a whole: from a request and its principal to a grant."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from consenting import ListedStops, stops
from consenting import authorizer as built
from doubles import CLIENT, HEALTH, OPERATOR, PUBLIC, Clock, UnreadBody, inbound
from policies import ADD, policy

from proxy.actions import (
    Action,
    Effect,
    Enqueue,
    FileRead,
    Invoke,
    Listing,
    Message,
    Operate,
    Relay,
    ToolCall,
)
from proxy.authorization.authorizer import Authorizer
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.stops import MAX_DENIALS
from proxy.authorization.tools.catalogue import Place, Tool
from proxy.decision import Allow, Deny, Malformed
from proxy.exchange import Grant, Inbound, Peer, Principal, Role, Route
from proxy.limits import HOUR, Gcra
from proxy.protocols.rest import ListingCodec, RestCodec, ToolCodec
from proxy.reasons import Reason
from proxy.scope import Autonomy, Scope
from proxy.state.approvals import Stop, StopKind
from proxy.values import Headers

TOOLS = Route("tools", frozenset({"POST"}), "/tools/{name}", ToolCodec(), door="tools")
LISTING = Route("tools", frozenset({"GET"}), "/tools", ListingCodec(), door="tools")
RELAY = Relay("POST", "/hooks/in", Headers(), b"hello")


@dataclass(frozen=True)
class Says(RestCodec):
    """A codec that reads the same in everything."""

    action: Action

    async def parse(self, inbound: Inbound) -> Action:
        return self.action


def post(action: Action, key: str = "") -> Inbound:
    """A request for `action` on the route of a channel."""
    route = Route("webhook", frozenset({"POST"}), "/in", Says(action), channel="slack")
    headers = {"Idempotency-Key": key} if key else {}
    return inbound(route, method="POST", path="/in", headers=headers, body=b"hello")


def call(tool: str, body: object, kind: str = "application/json") -> Inbound:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind}
    return inbound(TOOLS, method="POST", capture=tool, headers=headers, body=data)


def authorizer(workspace: Workspace | None = None, level: Autonomy = Autonomy.FULL) -> Authorizer:
    return built(policy(workspace, level=level))


async def test_a_grant_says_who_may_do_what_and_how() -> None:
    arguments: Mapping[str, int] = {"a": 1}
    granted = await authorizer().authorize(call(ADD.name, {"arguments": arguments}), CLIENT)

    assert granted == Allow(
        Grant(
            "request-1",
            "tools",
            CLIENT,
            ToolCall(ADD.name, arguments),
            Invoke(ADD.path, arguments, ADD.seconds),
            acting=False,
        )
    )
    assert granted.facts == {"rule": "autonomy.level"}


async def test_a_grant_of_what_acts_says_so(tmp_path: Path) -> None:
    workspace = Workspace.open(str(tmp_path), (), only=True)
    body = {"arguments": {"command": "ls"}}
    granted = await authorizer(workspace).authorize(call("shell", body), CLIENT)
    workspace.close()

    assert isinstance(granted, Allow)
    assert granted.value.acting


async def test_a_grant_gives_its_open_file_back(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    workspace = Workspace.open(str(tmp_path), (), only=True)
    request = call("file_read", {"arguments": {"path": "a.txt"}})
    granted = await authorizer(workspace).authorize(request, CLIENT)
    workspace.close()

    assert isinstance(granted, Allow)
    assert isinstance(granted.value.plan, FileRead)
    assert os.read(granted.value.plan.file.descriptor, 9) == b"a"
    granted.value.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        granted.value.close()


async def test_the_door_is_the_route_s() -> None:
    operation = await authorizer().authorize(inbound(HEALTH), PUBLIC)
    listing = await authorizer().authorize(inbound(LISTING), CLIENT)

    assert isinstance(operation, Allow)
    assert (operation.value.door, operation.value.plan) == ("front", Operate("health"))
    assert isinstance(listing, Allow)
    assert (listing.value.door, listing.value.action) == ("tools", Listing())


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (call(ADD.name, b"{"), Reason.BODY_MALFORMED),
        (call(ADD.name, []), Reason.BODY_MALFORMED),
        (call(ADD.name, {}), Reason.BODY_MALFORMED),
        (call(ADD.name, {"arguments": []}), Reason.BODY_MALFORMED),
        (call(ADD.name, {"arguments": {}, "tool": "shell"}), Reason.BODY_MALFORMED),
        (call(ADD.name, {"arguments": {}}, "text/plain"), Reason.BODY_UNTYPED),
    ],
)
async def test_what_cannot_be_read_is_malformed(request_: Inbound, reason: Reason) -> None:
    """The trace makes a refusal of it."""
    with pytest.raises(Malformed) as raised:
        await authorizer().authorize(request_, CLIENT)

    assert raised.value.reason is reason


@pytest.mark.parametrize(
    ("tool", "arguments", "level", "reason"),
    [
        ("none", {}, Autonomy.FULL, Reason.TOOL_UNKNOWN),
        ("shell", {"command": "ls"}, Autonomy.READONLY, Reason.AUTONOMY_READONLY),
        (ADD.name, {}, Autonomy.SUPERVISED, Reason.APPROVAL_REQUIRED),
        ("shell", {"command": "ls"}, Autonomy.FULL, Reason.WORKSPACE_MISSING),
        ("shell", {"cmd": "ls"}, Autonomy.FULL, Reason.ARGUMENTS_INVALID),
        ("shell", {"command": "ls|b"}, Autonomy.FULL, Reason.COMMAND_NOT_ALLOWED),
    ],
)
async def test_what_the_policy_denies_is_denied(
    tool: str, arguments: Mapping[str, str], level: Autonomy, reason: Reason
) -> None:
    request = call(tool, {"arguments": arguments})

    assert await authorizer(level=level).authorize(request, CLIENT) == Deny(reason)


@pytest.mark.parametrize("principal", [OPERATOR, PUBLIC], ids=lambda principal: principal.role)
async def test_an_operator_and_a_stranger_call_no_tools(principal: Principal) -> None:
    request = call(ADD.name, {"arguments": {}})

    assert await authorizer().authorize(request, principal) == Deny(Reason.ROLE_INSUFFICIENT)


async def granted(request: Inbound) -> Grant:
    decision = await authorizer().authorize(request, CLIENT)
    assert isinstance(decision, Allow)
    return decision.value


async def test_a_key_makes_a_grant_that_holds_once() -> None:
    call = ToolCall(ADD.name, {})
    found = [(await granted(post(call, key))).once for key in ("k", '"k"', "l", "")]

    assert found[0] is not None
    assert found[0] == found[1]
    assert found[0] != found[2]
    assert found[3] is None


async def test_a_message_with_an_id_of_its_own_is_done_once() -> None:
    grant = await granted(post(Message(RELAY, "M1")))

    assert grant.plan == RELAY
    assert grant.once is not None
    assert grant.once.channel


async def test_a_message_for_the_inbox_is_remembered_there() -> None:
    grants = [
        await granted(post(Message(RELAY, "M1", queued=True))),
        await granted(post(Message(RELAY, queued=True), "k")),
    ]

    assert [grant.once for grant in grants] == [None, None]
    for grant in grants:
        assert isinstance(grant.plan, Enqueue)
        assert len(grant.plan.key) == 64
        assert replace(grant.plan, key="") == Enqueue(RELAY, "", "slack", "/in")


async def test_a_key_that_is_none_is_malformed_and_nothing_is_opened(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    workspace = Workspace.open(str(tmp_path), (), only=True)
    before = os.listdir("/proc/self/fd")

    with pytest.raises(Malformed) as raised:
        await authorizer(workspace).authorize(
            post(ToolCall("file_read", {"path": "a.txt"}), "a b"), CLIENT
        )

    assert raised.value.reason is Reason.IDEMPOTENCY_MALFORMED
    assert os.listdir("/proc/self/fd") == before
    workspace.close()


# Within a scope and a rate


@pytest.mark.parametrize(("routes", "may"), [(None, True), (("/in",), True), (("/out",), False)])
async def test_a_scope_bounds_where_one_may_go(
    routes: tuple[str, ...] | None, *, may: bool
) -> None:
    principal = replace(CLIENT, scope=Scope(routes=routes))

    decision = await authorizer().authorize(post(Message(RELAY)), principal)

    assert isinstance(decision, Allow) if may else decision == Deny(Reason.SCOPE_INSUFFICIENT)


async def test_who_calls_too_often_waits_and_others_do_not() -> None:
    limited = built(policy(None), calls=Gcra("tools", 2, 10, Clock()))
    here, there = (
        Principal("anonymous", Role.CLIENT, Peer(peer)) for peer in ("192.0.2.1", "192.0.2.2")
    )
    call = post(ToolCall(ADD.name, {}))

    first = await limited.authorize(call, here)
    denied = await limited.authorize(post(ToolCall("none", {})), here)
    late = await limited.authorize(call, here)
    other = await limited.authorize(call, there)

    assert [each.facts["quota"].remaining for each in (first, denied, late, other)] == [1, 0, 0, 1]
    assert denied == Deny(Reason.TOOL_UNKNOWN)
    assert denied.facts["rule"] == "tools"
    assert late == Deny(Reason.TOOL_RATE_LIMITED)
    assert late.facts["retry_after"] == 30.0
    assert isinstance(other, Allow)


async def test_only_tool_calls_count() -> None:
    limited = built(policy(None), calls=Gcra("tools", 1, 10, Clock()))

    for _ in range(3):
        decision = await limited.authorize(post(Message(RELAY)), CLIENT)
        assert isinstance(decision, Allow)
        assert "quota" not in decision.facts


NOTE = Tool("agent.note", Effect.WRITE, Place.UPSTREAM, path="/tools/agent.note")


def hourly(actions: int = 1) -> Gcra:
    return Gcra("actions", actions, 10, Clock(), window=HOUR)


async def test_an_hour_has_so_many_actions_and_reading_is_none() -> None:
    layer = built(policy(None, tools=(NOTE, ADD)), actions=hourly())
    note = post(ToolCall(NOTE.name, {}))

    for _ in range(3):
        assert isinstance(await layer.authorize(post(ToolCall(ADD.name, {})), CLIENT), Allow)
    assert isinstance(await layer.authorize(note, CLIENT), Allow)
    late = await layer.authorize(note, CLIENT)
    assert late == Deny(Reason.ACTIONS_EXHAUSTED)
    assert late.facts["retry_after"] == 3600.0


async def test_an_action_that_was_not_done_is_given_back() -> None:
    layer = built(policy(None, tools=(NOTE,)), actions=hourly())
    for _ in range(3):
        granted = await layer.authorize(post(ToolCall(NOTE.name, {})), CLIENT)
        assert isinstance(granted, Allow)
        assert granted.value.unspent is not None
        await granted.value.unspent()


async def test_what_nobody_may_be_asked_about_costs_no_action() -> None:
    rules = policy(None, tools=(NOTE,), level=Autonomy.SUPERVISED)
    budget = hourly()
    denied = await built(rules, actions=budget).authorize(post(ToolCall(NOTE.name, {})), CLIENT)

    assert denied == Deny(Reason.APPROVAL_REQUIRED)
    left = await budget.hit(CLIENT.id)
    assert left is not None
    assert left.wait is None


async def test_a_tool_has_a_rate_of_its_own() -> None:
    layer = built(policy(None, tools=(replace(NOTE, rate=1), ADD)))

    assert isinstance(await layer.authorize(post(ToolCall(NOTE.name, {})), CLIENT), Allow)
    late = await layer.authorize(post(ToolCall(NOTE.name, {})), CLIENT)
    assert late == Deny(Reason.TOOL_RATE_LIMITED)
    assert isinstance(await layer.authorize(post(ToolCall(ADD.name, {})), CLIENT), Allow)


async def test_what_is_stopped_is_refused_before_anything_is_judged() -> None:
    stop = Stop("s_1", StopKind.ALL, "", "", "uid-0", 0.0)
    layer = built(policy(None), stopped=stops(ListedStops(stop)))

    for action in (ToolCall("none", {}), Message(RELAY), Listing()):
        assert await layer.authorize(post(action), CLIENT) == Deny(Reason.STOPPED_BY_OPERATOR)
    operation = await layer.authorize(post(Operate("status")), OPERATOR)
    assert isinstance(operation, Allow)


async def test_the_same_denied_call_ends_in_one_clear_stop() -> None:
    layer = built(policy(None))
    reasons = []
    for _ in range(MAX_DENIALS + 2):
        denied = await layer.authorize(post(ToolCall("none", {"a": 1})), CLIENT)
        assert isinstance(denied, Deny)
        reasons.append(denied.reason)
    other = await layer.authorize(post(ToolCall("none", {"a": 2})), CLIENT)

    assert reasons == [Reason.TOOL_UNKNOWN] * MAX_DENIALS + [Reason.DENIED_REPEATEDLY] * 2
    assert other == Deny(Reason.TOOL_UNKNOWN)


async def test_who_has_no_call_left_has_no_body_read() -> None:
    layer = built(policy(None), calls=Gcra("tools", 1, 10, Clock()))
    await layer.authorize(call(ADD.name, {"arguments": {}}), CLIENT)
    late = await layer.authorize(replace(call(ADD.name, {}), body=UnreadBody()), CLIENT)

    assert late == Deny(Reason.TOOL_RATE_LIMITED)
