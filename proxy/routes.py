"""What is served where: one table per listener, matched once on the raw path.

A path that is not in a listener's table does not exist there, whatever it is elsewhere.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import unquote

from proxy.authentication.channels import Channels, Gate
from proxy.config.model import Config
from proxy.exchange import Access, Route
from proxy.protocols.mcp.codec import METADATA, McpCodec, ResourceCodec
from proxy.protocols.openai import ModelCodec
from proxy.protocols.openclaw.invoke import PATH, InvokeCodec
from proxy.protocols.operator import (
    LinkCodec,
    MintCodec,
    OperationCodec,
    PairCodec,
    QuestionCodec,
    RotateCodec,
)
from proxy.protocols.pins import AcceptCodec, PinCodec
from proxy.protocols.rest import ListingCodec, RequestCodec, ToolCodec
from proxy.protocols.ruling import BatchCodec, HaltCodec, QueueCodec, RulingCodec
from proxy.protocols.webhook import ChannelCodec, SubscriptionCodec, WebhookCodec
from proxy.protocols.zeroclaw import PATHS as ZEROCLAW_PATHS
from proxy.protocols.zeroclaw import ZeroClawCodec

Table = tuple[Route, ...]

NOWHERE = Route("none", frozenset(), "", OperationCodec("none"), Access.NOBODY)
"""What everything leads to that is not in a table."""

MCP = "/mcp"
_GET, _POST = frozenset({"GET"}), frozenset({"POST"})
_DELETE = frozenset({"DELETE"})
_PROBES = tuple(
    Route("health", _GET, path, OperationCodec(verb), Access.PUBLIC)
    for path, verb in (("/health", "health"), ("/livez", "live"), ("/readyz", "ready"))
)
OPERATIONS = (
    (_GET, "/status", OperationCodec("status")),
    (_POST, "/pairing-codes", MintCodec("pairing-codes.create")),
    (_POST, "/links", LinkCodec("links.create")),
    (_GET, "/tokens", OperationCodec("tokens.list")),
    (_POST, "/tokens", MintCodec("tokens.create")),
    (_POST, "/tokens/{id}", RotateCodec("tokens.rotate")),
    (_DELETE, "/tokens/{id}", OperationCodec("tokens.revoke")),
    (_GET, "/inbox", OperationCodec("inbox.list")),
    (_POST, "/inbox/{id}", OperationCodec("inbox.retry")),
    (_DELETE, "/inbox/{id}", OperationCodec("inbox.drop")),
    (_GET, "/approvals", QueueCodec("approvals.list")),
    (_GET, "/approvals/events", OperationCodec("approvals.events")),
    (_GET, "/approvals/{id}", OperationCodec("approvals.get")),
    (_POST, "/approvals", BatchCodec("approvals.decide-all")),
    (_POST, "/approvals/{id}", RulingCodec("approvals.decide")),
    (_GET, "/grants", OperationCodec("grants.list")),
    (_DELETE, "/grants/{id}", OperationCodec("grants.revoke")),
    (_GET, "/stops", OperationCodec("stops.list")),
    (_POST, "/stops", HaltCodec("stops.add")),
    (_DELETE, "/stops", OperationCodec("stops.resume")),
    (_DELETE, "/stops/{id}", OperationCodec("stops.lift")),
    (_GET, "/mcp/tools", OperationCodec("mcp-tools.list")),
    (_GET, "/mcp/tools/{id}", PinCodec("mcp-tools.get")),
    (_POST, "/mcp/tools/{id}", AcceptCodec("mcp-tools.accept")),
    (_DELETE, "/mcp/tools/{id}", PinCodec("mcp-tools.forget")),
    (_POST, "/explain", QuestionCodec("explain")),
)


def tables(config: Config, channels: Channels, mcp: McpCodec) -> Mapping[str, Table]:
    """The table of each listener. The tunnel leads to the gateway's routes and to no other."""
    gateway = (*_mcp(mcp), *_gateway(config, channels))
    link = Route("pair", _POST, "/pair", PairCodec("pair-operator"), Access.LINK, "admin")
    return {
        "gateway": gateway,
        "tunnel": gateway,
        "admin": (*_PROBES, link, *_operator(Access.OPERATOR)),
        "admin.sock": _operator(Access.LOCAL_USER),
        "metrics": _metrics(),
    }


def match(table: Table, method: str, path: str) -> tuple[Route, str | None]:
    """The route for a raw path, and the decoded segment that it captured; the first row wins."""
    for route in table:
        if method in route.methods:
            captured = _captured(route.path, path)
            if captured is not None:
                return route, captured or None
    return NOWHERE, None


def _captured(pattern: str, path: str) -> str | None:
    """None where the path is another; "" where the pattern captures nothing."""
    if pattern.endswith("/*"):
        return "" if path.startswith(pattern[:-1]) else None
    stem, capture, _ = pattern.partition("{")
    if not capture:
        return "" if path == pattern else None
    segment = path[len(stem) :] if path.startswith(stem) else ""
    return unquote(segment) if segment and "/" not in segment else None


def _gateway(config: Config, channels: Channels) -> Table:
    pair = Route("pair", _POST, "/pair", PairCodec("pair"), Access.CODE, limit="pair")
    codec = WebhookCodec(config.upstream.webhook_path)
    openclaw = config.upstream.protocol == "openclaw"
    table = (
        *_PROBES,
        *((pair,) if config.gateway.require_pairing else ()),
        Route("webhook", _POST, "/webhook", codec, limit="webhook", channel="webhook"),
        *(route for gate in channels.gates.values() for route in _channel(gate)),
        Route("tools", _GET, "/tools", ListingCodec(), door="tools"),
        Route("tools", _POST, PATH, InvokeCodec(openclaw), door="tools"),
        Route("tools", _POST, "/tools/{name}", ToolCodec(), door="tools"),
        Route("requests", _GET, "/requests/{id}", RequestCodec(), door="tools"),
        *(
            Route("route", frozenset(row.methods), row.path, ModelCodec())
            for row in config.upstream.routes
        ),
    )
    return _as_zeroclaw(table) if config.upstream.protocol == "zeroclaw" else table


def _as_zeroclaw(table: Table) -> Table:
    """The same routes; those that ZeroClaw has too refuse as it does."""
    return tuple(
        replace(row, codec=ZeroClawCodec(row.codec)) if row.path in ZEROCLAW_PATHS else row
        for row in table
    )


def _mcp(codec: McpCodec) -> Table:
    """MCP, and where it is said which credentials it takes (RFC 9728 section 3)."""
    metadata = ResourceCodec()
    return (
        Route("mcp", frozenset({"POST", "GET", "DELETE"}), MCP, codec, door="tools"),
        *(
            Route("metadata", _GET, path, metadata, Access.PUBLIC)
            for path in (METADATA, METADATA + MCP)
        ),
    )


def _channel(gate: Gate) -> Iterable[Route]:
    """The routes of a channel; WhatsApp has ZeroClaw's path beside its own."""
    channel, name = gate.channel, gate.channel.name
    for path in ("/whatsapp", "/webhook/whatsapp") if name == "whatsapp" else (f"/webhook/{name}",):
        codec = ChannelCodec(
            gate.read,
            gate.allowlist.admits,
            channel.path or path,
            channel.delivery == "queued",
            channel.on_denied == "drop",
        )
        yield Route("webhook", _POST, path, codec, Access.CHANNEL, limit="webhook", channel=name)
        if name == "whatsapp":
            asked = SubscriptionCodec()
            yield Route("webhook", _GET, path, asked, Access.CHANNEL, limit="webhook", channel=name)


def _metrics() -> Table:
    codec = OperationCodec("metrics")
    row = Route("metrics", _GET, "/metrics", codec, Access.PUBLIC, "metrics")
    return (row, *_PROBES)


def _operator(access: Access) -> Table:
    return tuple(
        Route("admin", methods, path, codec, access, "admin") for methods, path, codec in OPERATIONS
    )
