"""What is served where: one table per listener, matched once on the raw path.

A path that is not in a listener's table does not exist there, whatever it is elsewhere.
"""

from collections.abc import Mapping
from urllib.parse import unquote

from proxy.config.model import Config
from proxy.exchange import Access, Route
from proxy.protocols.rest import (
    ForwardCodec,
    ListingCodec,
    OperationCodec,
    PairCodec,
    ToolCodec,
    WebhookCodec,
)

Table = tuple[Route, ...]

NOWHERE = Route("none", frozenset(), "", OperationCodec("none"), Access.NOBODY)
"""What everything leads to that is not in a table."""

_GET, _POST = frozenset({"GET"}), frozenset({"POST"})
_PROBES = tuple(
    Route("health", _GET, path, OperationCodec(verb), Access.PUBLIC)
    for path, verb in (("/health", "health"), ("/livez", "live"), ("/readyz", "ready"))
)


def tables(config: Config) -> Mapping[str, Table]:
    """The table of each listener."""
    return {"gateway": _gateway(config), "metrics": _metrics(), "admin.sock": _admin()}


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


def _gateway(config: Config) -> Table:
    pair = Route("pair", _POST, "/pair", PairCodec("pair"), Access.CODE, limited=True)
    return (
        *_PROBES,
        *((pair,) if config.gateway.require_pairing else ()),
        Route("webhook", _POST, "/webhook", WebhookCodec(config.upstream.webhook_path)),
        Route("tools", _GET, "/tools", ListingCodec(), door="tools"),
        Route("tools", _POST, "/tools/{name}", ToolCodec(), door="tools"),
        *(
            Route("route", frozenset(row.methods), row.path, ForwardCodec())
            for row in config.upstream.routes
        ),
    )


def _metrics() -> Table:
    codec = OperationCodec("metrics")
    row = Route("metrics", _GET, "/metrics", codec, Access.PUBLIC, "metrics")
    return (row, *_PROBES)


def _admin() -> Table:
    rows = (
        (_GET, "/status", "status"),
        (_POST, "/pairing-codes", "pairing-codes.create"),
        (_POST, "/pairing-codes/{label}", "pairing-codes.create"),
        (_GET, "/tokens", "tokens.list"),
        (frozenset({"DELETE"}), "/tokens/{id}", "tokens.revoke"),
    )
    return tuple(
        Route("admin", methods, path, OperationCodec(verb), Access.LOCAL_USER, "admin")
        for methods, path, verb in rows
    )
