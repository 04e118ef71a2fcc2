"""Layer 3 as a whole: from a request and its principal to a grant."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from doubles import CLIENT, HEALTH, OPERATOR, PUBLIC, inbound
from policies import ADD, policy

from proxy.actions import FileRead, Invoke, Listing, Operate, ToolCall
from proxy.authorization.authorizer import Authorizer
from proxy.authorization.paths import Workspace
from proxy.config.model import Autonomy
from proxy.decision import Allow, Deny, Malformed
from proxy.exchange import Grant, Inbound, Principal, Route
from proxy.protocols.rest import ListingCodec, ToolCodec
from proxy.reasons import Reason

TOOLS = Route("tools", frozenset({"POST"}), "/tools/{name}", ToolCodec(), door="tools")
LISTING = Route("tools", frozenset({"GET"}), "/tools", ListingCodec(), door="tools")


def call(tool: str, body: object, kind: str = "application/json") -> Inbound:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": kind}
    return inbound(TOOLS, method="POST", capture=tool, headers=headers, body=data)


def authorizer(workspace: Workspace | None = None, level: Autonomy = Autonomy.FULL) -> Authorizer:
    return Authorizer(policy(workspace, level=level))


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
    assert (operation.value.door, operation.value.plan) == ("front", Operate("health", {}))
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
