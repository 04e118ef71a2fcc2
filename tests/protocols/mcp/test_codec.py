import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from doubles import Clock, inbound

from proxy.actions import Operate, ToolCall
from proxy.decision import Denied, Malformed
from proxy.exchange import Answer, Clean, Document, Frame, Inbound, Stream
from proxy.holding import Holding
from proxy.jsonrpc import Notification, Request, Response
from proxy.mcp import Rpc, Verb
from proxy.protocols.mcp.codec import McpCodec, ResourceCodec
from proxy.protocols.mcp.names import Names, tagged
from proxy.protocols.mcp.sealed import Sessions
from proxy.reasons import Layer, Reason
from proxy.seal import Seal
from proxy.values import Headers, Json

NOW = "2026-07-28"
SESSIONS = Sessions(Seal(bytes(32)), Clock())
OPEN = SESSIONS.issue("client-1", "2025-11-25", {"name": "c"}, {}, {"github": ("2025-11-25", "s")})
CODEC = McpCodec(Names(("github",), frozenset({"shell"})), SESSIONS)
JSON = (("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream"))
IN_SESSION = (*JSON, ("Mcp-Session-Id", OPEN.id))
META: Json = {
    "io.modelcontextprotocol/protocolVersion": NOW,
    "io.modelcontextprotocol/clientCapabilities": {},
}
Fields = tuple[tuple[str, str], ...]


def modern(method: str, name: str | None = None) -> Fields:
    named = () if name is None else (("Mcp-Name", name),)
    return (*JSON, ("MCP-Protocol-Version", NOW), ("Mcp-Method", method), *named)


def post(value: Json | bytes, headers: Fields = IN_SESSION) -> Inbound:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return inbound(method="POST", path="/mcp", headers=headers, body=body)


def message(method: str, params: Json = None, id_: Json = 1) -> dict[str, Json]:
    said: dict[str, Json] = {"jsonrpc": "2.0", "id": id_, "method": method}
    return said | ({} if params is None else {"params": params})


async def refused(request: Inbound) -> tuple[Reason, Answer, Any]:
    """Why a request is refused, and what it is answered."""
    with pytest.raises(Malformed) as caught:
        await CODEC.parse(request)
    reason = caught.value.reason
    answer = CODEC.refuse(request, Denied(reason.layer or Layer.AUTHORIZATION, reason))
    assert isinstance(answer.body, bytes)
    return reason, answer, json.loads(answer.body) if answer.body else None


async def test_a_legacy_call() -> None:
    request = post(message("tools/call", {"name": "get_me", "arguments": {"a": 1}}, "x"))

    call = await CODEC.parse(request)
    answer = CODEC.render(request, Clean(Document({"result": {"content": []}}, rpc=True)))

    assert call == ToolCall("github.get_me", {"a": 1})
    assert isinstance(call, ToolCall)
    assert call.via is not None
    assert call.via.client.session == OPEN
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {"jsonrpc": "2.0", "id": "x", "result": {"content": []}}


async def test_a_modern_call() -> None:
    params: Json = {"name": "shell", "arguments": {"command": "ls"}, "_meta": META}
    request = post(message("tools/call", params), modern("tools/call", "shell"))

    call = await CODEC.parse(request)
    answer = CODEC.render(request, Clean(Document({"stdout": "a"})))

    assert call == ToolCall("shell", {"command": "ls"})
    assert isinstance(answer.body, bytes)
    result = json.loads(answer.body)["result"]
    assert result["structuredContent"] == {"stdout": "a"}
    assert result["resultType"] == "complete"


async def test_talk() -> None:
    said = await CODEC.parse(post(message("tools/list")))
    opening: Json = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
    opened = await CODEC.parse(post(message("initialize", opening), JSON))
    told = await CODEC.parse(post({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    id_ = tagged("github", 3)
    answered = await CODEC.parse(post({"jsonrpc": "2.0", "id": id_, "result": {}}))

    assert isinstance(said, Rpc)
    assert said.message == Request(1, "tools/list")
    assert isinstance(opened, Rpc)
    assert opened.client.session is None
    assert isinstance(told, Rpc)
    assert told.message == Notification("notifications/initialized")
    assert isinstance(answered, Rpc)
    assert (answered.message, answered.server) == (Response(3, {}), "github")


async def test_a_refusal_has_the_id_once_there_is_one() -> None:
    _, _, known = await refused(post(message("x", id_="a")))
    _, _, unknown = await refused(post(message("x", id_=1.5)))

    assert known["id"] == "a"
    assert unknown["id"] is None


async def test_an_unknown_notification_is_taken_and_left() -> None:
    reason, answer, said = await refused(post({"jsonrpc": "2.0", "method": "notifications/x"}))

    assert reason is Reason.METHOD_UNKNOWN
    assert (answer.status, said) == (202, None)


def verb(method: str, *headers: tuple[str, str], session: bool = True) -> Inbound:
    fields = (("Mcp-Session-Id", OPEN.id), *headers) if session else headers
    return inbound(method=method, path="/mcp", headers=fields)


async def test_verbs() -> None:
    ended = await CODEC.parse(verb("DELETE"))
    listening = await CODEC.parse(verb("GET"))
    event = tagged("github", "42-a")
    resumed = await CODEC.parse(verb("GET", ("Last-Event-ID", event)))

    assert isinstance(ended, Rpc)
    assert ended.message is Verb.END
    assert isinstance(listening, Rpc)
    assert (listening.message, listening.resume, listening.server) == (Verb.LISTEN, None, "")
    assert isinstance(resumed, Rpc)
    assert (resumed.resume, resumed.server) == ("42-a", "github")
    assert resumed.client.events


@pytest.mark.parametrize(
    ("request_", "reason", "status"),
    [
        (verb("GET", session=False), Reason.SESSION_MISSING, 400),
        (verb("DELETE", session=False), Reason.SESSION_MISSING, 400),
        (verb("GET", ("MCP-Protocol-Version", NOW)), Reason.VERB_UNSUPPORTED, 405),
        (verb("DELETE", ("MCP-Protocol-Version", NOW)), Reason.VERB_UNSUPPORTED, 405),
        (verb("GET", ("Mcp-Session-Id", "x"), session=False), Reason.SESSION_UNKNOWN, 404),
        (verb("GET", ("Mcp-Session-Id", "x")), Reason.HEADER_MISMATCH, 400),
        (verb("GET", ("Last-Event-ID", "42")), Reason.HEADER_MISMATCH, 400),
        (verb("GET", ("Last-Event-ID", tagged("other", "42"))), Reason.HEADER_MISMATCH, 400),
        (verb("GET", ("Last-Event-ID", tagged("github", 42))), Reason.HEADER_MISMATCH, 400),
        (
            verb("GET", *(("Last-Event-ID", tagged("github", "a")),) * 2),
            Reason.HEADER_MISMATCH,
            400,
        ),
    ],
)
async def test_verbs_that_are_refused(request_: Inbound, reason: Reason, status: int) -> None:
    why, answer, said = await refused(request_)

    assert why is reason
    assert answer.status == status
    assert said["id"] is None


async def frames(*data: bytes) -> AsyncIterator[Frame]:
    for each in data:
        yield Frame("", each)


async def test_events_pass_as_they_come() -> None:
    request = post(message("tools/call", {"name": "a"}))
    await CODEC.parse(request)
    kind = Headers((("content-type", "text/event-stream"), ("Mcp-Session-Id", "s")))
    event = b'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n'

    answer = CODEC.render(request, Clean(Stream(200, kind, frames(b": hello\n\n", event))))

    assert not isinstance(answer.body, bytes)
    assert isinstance(answer.body, AsyncIterator)
    assert b"".join([piece async for piece in answer.body]) == b": hello\n\n" + event
    assert answer.headers.all("content-type") == ["text/event-stream"]
    assert answer.headers.get("cache-control") == "no-store"
    assert answer.headers.get("x-accel-buffering") == "no"
    assert answer.headers.get("mcp-session-id") == "s"


@pytest.mark.parametrize("host", ["localhost", "gate.example:8443", "[::1]:8080"])
def test_who_has_no_token_is_told_where_to_read_how_to_get_one(host: str) -> None:
    denied = Denied(Layer.AUTHENTICATION, Reason.TOKEN_MISSING)

    answer = CODEC.refuse(inbound(headers={"Host": host}), denied)

    assert answer.status == 401
    place = f'resource_metadata="http://{host}/.well-known/oauth-protected-resource"'
    assert (answer.headers.get("www-authenticate") or "").endswith(f", {place}")
    assert answer.headers.get("content-type") == "application/problem+json"


@pytest.mark.parametrize("host", ['a", error="b', "a b", "", "a\r\nB: c", "a/b"])
def test_a_host_that_is_none_is_not_repeated(host: str) -> None:
    denied = Denied(Layer.AUTHENTICATION, Reason.TOKEN_UNKNOWN)

    answer = CODEC.refuse(inbound(headers={"Host": host}), denied)

    assert (
        answer.headers.get("www-authenticate") == 'Bearer realm="sidegate", error="invalid_token"'
    )


async def test_layers_one_and_two_speak_http() -> None:
    """Unless it is later that they refuse, as where a token is revoked meanwhile."""
    request = post(message("ping"))
    denied = Denied(Layer.NETWORK, Reason.RATE_LIMITED)
    answer = CODEC.refuse(request, denied)
    await CODEC.parse(request)

    assert b"jsonrpc" in bytes(CODEC.refuse(request, denied).body)  # type: ignore[arg-type]

    assert answer.status == 429
    assert answer.headers.get("content-type") == "application/problem+json"


async def test_who_takes_events_can_be_kept_waiting() -> None:
    assert isinstance(CODEC, Holding)
    params: Json = {"name": "a", "_meta": {"progressToken": "t"}}
    waiting = post(message("tools/call", params))
    plain = post(message("tools/call", params), (JSON[0], IN_SESSION[-1]))
    told = post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    assert CODEC.held(waiting) is None
    for request in (waiting, plain, told):
        await CODEC.parse(request)

    held = CODEC.held(waiting)
    assert held is not None
    assert b'"progressToken":"t"' in held.beat(1)
    assert CODEC.held(plain) is None
    assert CODEC.held(told) is None


async def test_where_it_is_said_which_credentials_are_taken() -> None:
    assert await ResourceCodec().parse(inbound()) == Operate("resource-metadata")
