"""Tool calls as OpenClaw's clients make them."""

import json

import pytest
from doubles import inbound

from proxy.actions import ToolCall
from proxy.decision import Denied, Facts, Malformed
from proxy.exchange import Clean, Document
from proxy.protocols.openclaw.invoke import InvokeCodec, misplaced, request, result
from proxy.protocols.strict_json import loads
from proxy.reasons import Layer, Reason
from proxy.values import Json

JSON = {"Content-Type": "application/json"}
OWN, OTHER = InvokeCodec(own=True), InvokeCodec(own=False)


async def parsed(codec: InvokeCodec, body: object) -> ToolCall:
    text = body if isinstance(body, str) else json.dumps(body)
    action = await codec.parse(inbound(method="POST", body=text.encode(), headers=JSON))
    assert isinstance(action, ToolCall)
    return action


@pytest.mark.parametrize(
    "body",
    [
        {"tool": "exec", "args": {"command": "ls"}},
        {"name": "exec", "args": {"command": "ls"}},
        {"tool": "bash", "args": {"command": "ls"}, "dryRun": False},
        {"tool": "exec", "name": "exec", "args": {"command": "ls"}},
    ],
)
async def test_every_spelling_is_one_call(body: object) -> None:
    assert await parsed(OWN, body) == ToolCall("openclaw.exec", {"command": "ls"})


async def test_before_another_agent_a_tool_is_as_it_is_named() -> None:
    body = {"tool": "shell", "args": {}, "sessionKey": "main"}
    assert await parsed(OTHER, body) == ToolCall("shell", {})


async def test_the_action_is_judged_among_the_arguments() -> None:
    called = await parsed(OWN, {"tool": "cron", "action": "add", "args": {"a": 1}})
    assert called == ToolCall("openclaw.cron", {"a": 1, "action": "add"})
    same = await parsed(OWN, {"tool": "automations", "action": "add", "args": {"action": "add"}})
    assert same == ToolCall("openclaw.cron", {"action": "add"})


async def test_what_stands_beside_the_arguments_is_judged_among_them_and_goes_up_beside() -> None:
    body = {"tool": "read", "args": {"path": "a"}, "sessionKey": "main", "agentId": "x"}
    called = await parsed(OWN, body)
    assert called.arguments == {"path": "a", "$sessionKey": "main", "$agentId": "x"}
    assert request("read", called.arguments) == body


@pytest.mark.parametrize(
    "body",
    [
        {"tool": "read", "name": "exec"},
        {"tool": "exec", "name": "bash"},
        {"tool": "read", "name": None},
        {"tool": "read", "name": 1},
        {"tool": "read", "name": ["exec"]},
        {"args": {}},
        {"tool": "read", "args": []},
        {"tool": "read", "args": None},
        {"tool": "read", "args": {"$sessionKey": "x"}},
        {"tool": "cron", "action": "add", "args": {"action": "list"}},
        {"tool": "cron", "action": "add", "args": {"action": None}},
        {"tool": "cron", "action": None},
        {"tool": "read", "dryRun": True},
        {"tool": "read", "dryRun": 0},
        {"tool": "read", "sessionKey": ""},
        {"tool": "read", "sessionKey": 1},
        {"tool": "read", "agentId": "a\nb"},
        {"tool": "read", "idempotencyKey": "x" * 513},
        {"tool": "read", "arguments": {}},
        {"tool": "read", "confirm": True},
        '{"tool":"read","tool":"exec"}',
        "[]",
        "",
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused(body: object) -> None:
    with pytest.raises(Malformed):
        await parsed(OWN, body)


async def test_a_key_that_nobody_heeds_is_refused() -> None:
    with pytest.raises(Malformed):
        await parsed(OTHER, {"tool": "shell", "idempotencyKey": "k"})


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [({}, False), ({"$sessionKey": "a"}, False), ({"$x": "a"}, True), ({"$agentId": 1}, True)],
)
def test_a_marked_argument_is_one_that_openclaw_knows(
    arguments: dict[str, Json], *, wrong: bool
) -> None:
    assert misplaced(arguments) is wrong


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"ok": True, "result": None}, (None,)),
        ({"ok": False, "error": {}}, None),
        ({"ok": 1, "result": 1}, None),
        ({"ok": True}, None),
        ([], None),
    ],
)
def test_only_what_is_ok_is_a_result(answer: Json, found: tuple[Json] | None) -> None:
    assert result(answer) == found


def test_a_result_is_in_its_envelope() -> None:
    answer = OWN.render(inbound(), Clean(Document({"a": 1})))
    assert isinstance(answer.body, bytes)
    assert loads(answer.body) == {"ok": True, "result": {"a": 1}}


@pytest.mark.parametrize(
    ("reason", "status", "kind"),
    [
        (Reason.BODY_MALFORMED, 400, "invalid_request"),
        (Reason.BODY_UNTYPED, 415, "invalid_request"),
        (Reason.TOOL_DENIED, 403, "forbidden"),
        (Reason.APPROVAL_REQUIRED, 403, "forbidden"),
        (Reason.TOOL_UNKNOWN, 404, "not_found"),
        (Reason.TOOL_RATE_LIMITED, 429, "rate_limited"),
        (Reason.UPSTREAM_LATE, Reason.UPSTREAM_LATE.status, "tool_error"),
    ],
)
def test_a_refusal_is_in_openclaws_form(reason: Reason, status: int, kind: str) -> None:
    denied = Denied(Layer.AUTHORIZATION, reason, Facts(retry_after=3.2))
    answer = OWN.refuse(inbound(), denied)
    assert isinstance(answer.body, bytes)
    said = loads(answer.body)
    assert isinstance(said, dict)
    assert isinstance(said["error"], dict)
    assert (answer.status, said["ok"], said["error"]["type"]) == (status, False, kind)
    assert answer.headers.get("content-type") == "application/json"
    assert answer.headers.get("retry-after") == "4"
    assert ("requiresApproval" in said["error"]) is (reason is Reason.APPROVAL_REQUIRED)


def test_who_is_not_known_hears_it_as_openclaw_says_it() -> None:
    answer = OWN.refuse(inbound(), Denied(Layer.AUTHENTICATION, Reason.TOKEN_MISSING))
    assert isinstance(answer.body, bytes)
    said = loads(answer.body)
    assert isinstance(said, dict)
    assert set(said) == {"error"}
    assert isinstance(said["error"], dict)
    assert said["error"]["type"] == "unauthorized"
    assert answer.headers.get("www-authenticate")
