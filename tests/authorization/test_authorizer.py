"""Layer 3 as a whole: from a request and its principal to a grant."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from doubles import CLIENT, HEALTH, OPERATOR, PUBLIC, Clock, inbound
from policies import ADD, policy

from proxy.actions import (
    Action,
    Enqueue,
    FileRead,
    Headers,
    Invoke,
    Listing,
    Message,
    Operate,
    Relay,
    ToolCall,
)
from proxy.authorization.authorizer import Authorizer
from proxy.authorization.paths import Workspace
from proxy.decision import Allow, Deny, Malformed
from proxy.exchange import Grant, Inbound, Peer, Principal, Role, Route
from proxy.limits import Gcra, Unlimited
from proxy.protocols.rest import ListingCodec, RestCodec, ToolCodec
from proxy.reasons import Reason
from proxy.scope import Autonomy, Scope

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
    return Authorizer(policy(workspace, level=level), Unlimited())


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
        (ADD.name, {}, Autonomy.SUPERVISED, Reason.APPROVAL_UNAVAILABLE),
        ("shell", {"command": "ls"}, Autonomy.FULL, Reason.WORKSPACE_MISSING),
        ("shell", {"cmd": "ls"}, Autonomy.FULL, Reason.ARGUMENTS_INVALID),
        ("shell", {"command": "a|b"}, Autonomy.FULL, Reason.COMMAND_NOT_PLAIN),
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
    limited = Authorizer(policy(None), Gcra("tools", 2, 10, Clock()))
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
    limited = Authorizer(policy(None), Gcra("tools", 1, 10, Clock()))

    for _ in range(3):
        decision = await limited.authorize(post(Message(RELAY)), CLIENT)
        assert isinstance(decision, Allow)
        assert "quota" not in decision.facts
