import json
from collections.abc import Mapping
from contextlib import suppress

import pytest
from doubles import Clock, inbound
from hypothesis import given
from hypothesis import strategies as st

from proxy.actions import ToolCall
from proxy.decision import Denied, Malformed
from proxy.exchange import Inbound
from proxy.mcp import Rpc
from proxy.protocols.mcp.asked import recall
from proxy.protocols.mcp.codec import McpCodec
from proxy.protocols.mcp.names import Names
from proxy.protocols.mcp.sealed import Sessions
from proxy.reasons import Layer, Reason
from proxy.seal import Seal
from proxy.values import Json

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
FUTURE: Json = {
    "io.modelcontextprotocol/protocolVersion": "2099-01-01",
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


LISTED = message("tools/list", {"_meta": META})
HOSTILE: dict[str, tuple[Json | bytes, Fields, Reason, int, int]] = {
    "no JSON": (b"{", IN_SESSION, Reason.BODY_MALFORMED, 400, -32700),
    "keys twice": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}',
        IN_SESSION,
        Reason.BODY_MALFORMED,
        400,
        -32700,
    ),
    "another type": (message("ping"), IN_SESSION[1:], Reason.BODY_UNTYPED, 400, -32700),
    "a batch": ([message("ping")], IN_SESSION, Reason.BATCH_UNSUPPORTED, 400, -32600),
    "an id that is true": (
        message("ping", id_=True),
        IN_SESSION,
        Reason.MESSAGE_MALFORMED,
        400,
        -32600,
    ),
    "an id that is null": (
        message("ping", id_=None),
        IN_SESSION,
        Reason.MESSAGE_MALFORMED,
        400,
        -32600,
    ),
    "an id of 1.5": (message("ping", id_=1.5), IN_SESSION, Reason.MESSAGE_MALFORMED, 400, -32600),
    "a method and a result": (
        {**message("ping"), "result": {}},
        IN_SESSION,
        Reason.MESSAGE_MALFORMED,
        400,
        -32600,
    ),
    "no session": (message("ping"), JSON, Reason.SESSION_MISSING, 400, -32600),
    "another's session": (
        message("ping"),
        (*JSON, ("Mcp-Session-Id", "abc")),
        Reason.SESSION_UNKNOWN,
        404,
        -32001,
    ),
    "two sessions": (
        message("ping"),
        (*IN_SESSION, ("Mcp-Session-Id", OPEN.id)),
        Reason.HEADER_MISMATCH,
        400,
        -32020,
    ),
    "another revision than the session's": (
        message("ping"),
        (*IN_SESSION, ("MCP-Protocol-Version", "2025-06-18")),
        Reason.REVISION_UNSUPPORTED,
        400,
        -32600,
    ),
    "an unknown method": (message("x"), IN_SESSION, Reason.METHOD_UNKNOWN, 200, -32601),
    "an unknown modern method": (
        message("x", {"_meta": META}),
        modern("x"),
        Reason.METHOD_UNKNOWN,
        404,
        -32601,
    ),
    "initialize in the modern era": (
        message("initialize", {"_meta": META}),
        modern("initialize"),
        Reason.METHOD_UNKNOWN,
        404,
        -32601,
    ),
    "another method in the header": (
        LISTED,
        modern("tools/call"),
        Reason.HEADER_MISMATCH,
        400,
        -32020,
    ),
    "a call under another name": (
        message("tools/call", {"name": "drop", "_meta": META}),
        modern("tools/call", "get"),
        Reason.HEADER_MISMATCH,
        400,
        -32020,
    ),
    "headers twice": (
        LISTED,
        (*modern("tools/list"), ("mcp-method", "tools/list")),
        Reason.HEADER_MISMATCH,
        400,
        -32020,
    ),
    "nothing of the client": (
        message("tools/list"),
        modern("tools/list"),
        Reason.PARAMETERS_INVALID,
        400,
        -32602,
    ),
    "a revision of the future": (
        message("tools/list", {"_meta": FUTURE}),
        (*JSON, ("MCP-Protocol-Version", "2099-01-01"), ("Mcp-Method", "tools/list")),
        Reason.REVISION_UNSUPPORTED,
        400,
        -32022,
    ),
    "a response in the modern era": (
        {"jsonrpc": "2.0", "id": 1, "result": {}},
        modern("x"),
        Reason.MESSAGE_MALFORMED,
        400,
        -32600,
    ),
}


@pytest.mark.parametrize(
    ("value", "headers", "reason", "status", "code"), HOSTILE.values(), ids=HOSTILE
)
async def test_what_is_not_mcp_is_refused_in_mcp(
    value: Json | bytes, headers: Fields, reason: Reason, status: int, code: int
) -> None:
    request = post(value, headers)
    with pytest.raises(Malformed) as caught:
        await CODEC.parse(request)
    answer = CODEC.refuse(request, Denied(Layer.AUTHORIZATION, caught.value.reason))
    assert isinstance(answer.body, bytes)
    said = json.loads(answer.body)

    assert caught.value.reason is reason
    assert answer.status == status
    assert said["error"]["code"] == code
    assert said["error"]["data"]["code"] == reason.code


names = st.sampled_from(
    ["jsonrpc", "id", "method", "params", "result", "error", "name", "arguments", "_meta", "uri"]
)
parts: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["2.0", "tools/call", "ping", NOW]),
    lambda inner: st.dictionaries(names, inner) | st.lists(inner, max_size=2),
    max_leaves=12,
)
fields = st.lists(
    st.tuples(
        st.sampled_from(["Mcp-Session-Id", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name"]),
        st.sampled_from([OPEN.id, NOW, "2025-11-25", "tools/call", "ping", "=?base64?eA==?=", ""]),
    ),
    max_size=5,
)


@given(parts, fields, st.sampled_from(["POST", "GET", "DELETE"]))
async def test_any_request_is_read_or_refused(
    value: Json, headers: list[tuple[str, str]], method: str
) -> None:
    said = {"jsonrpc": "2.0", **value} if isinstance(value, Mapping) else value
    request = inbound(
        method=method,
        path="/mcp",
        headers=(*JSON, *headers),
        body=json.dumps(said).encode(),
    )
    with suppress(Malformed):
        action = await CODEC.parse(request)
        assert isinstance(action, ToolCall | Rpc)
        return
    asked = recall(request)
    assert asked is not None
    for reason in (Reason.MESSAGE_MALFORMED, Reason.LAYER_FAILED):
        answer = CODEC.refuse(request, Denied(Layer.AUTHORIZATION, reason))
        assert answer.status in {200, 202, 400, 503}
