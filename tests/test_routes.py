"""What is served where, on the raw path."""

from dataclasses import replace

import pytest

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
from proxy.routes import NOWHERE, match, tables

ROUTES = [
    {"path": "/v1/chat/completions", "methods": ["POST"]},
    {"path": "/v1/files/*", "methods": ["GET", "DELETE"]},
]


def config(*, require_pairing: bool = True) -> Config:
    return Config.model_validate(
        {"gateway": {"require_pairing": require_pairing}, "upstream": {"routes": ROUTES}}
    )


def found(listener: str, method: str, path: str) -> tuple[str | None, str | None]:
    """The name of the route and what it captured."""
    route, capture = match(tables(config())[listener], method, path)
    return (None if route is NOWHERE else route.name), capture


@pytest.mark.parametrize(
    ("method", "path", "name", "capture"),
    [
        # Sidegate's own
        ("GET", "/health", "health", None),
        ("GET", "/livez", "health", None),
        ("GET", "/readyz", "health", None),
        ("POST", "/pair", "pair", None),
        ("POST", "/webhook", "webhook", None),
        ("GET", "/tools", "tools", None),
        ("POST", "/tools/shell", "tools", "shell"),
        ("POST", "/tools/ref.add", "tools", "ref.add"),
        ("POST", "/tools/a%20b", "tools", "a b"),
        ("POST", "/tools/%73hell", "tools", "shell"),
        ("POST", "/tools/%C3%A4", "tools", "ä"),
        ("POST", "/tools/%FF", "tools", "\ufffd"),
        # the agent's
        ("POST", "/v1/chat/completions", "route", None),
        ("GET", "/v1/files/", "route", None),
        ("GET", "/v1/files/a", "route", None),
        ("DELETE", "/v1/files/a/b/c", "route", None),
    ],
)
def test_a_path_that_is_served_is_found(
    method: str, path: str, name: str, capture: str | None
) -> None:
    assert found("gateway", method, path) == (name, capture)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        # another spelling is another path
        *(
            ("GET", path)
            for path in ("/health/", "/Health", "//health", "/./health", "/x/../health")
        ),
        *(("GET", path) for path in ("/heal%74h", "/health%00", "/health;a", "health", "", "*")),
        *(("GET", path) for path in ("/health?x", "/tools/", "/livez/x", "http://h/health")),
        # one segment is captured, and no more
        *(("POST", path) for path in ("/tools/", "/tools/a/b", "/tools/a/", "/tools//a", "/tools")),
        # a subtree does not reach to its side, nor to the folder itself
        *(("GET", path) for path in ("/v1/files", "/v1/filesystem", "/v1/file", "/v1")),
        *(("POST", path) for path in ("/v1/chat/completions/", "/v1/chat", "/v1/chat/c")),
        # another method is another route
        *((method, "/pair") for method in ("GET", "PUT", "HEAD", "OPTIONS", "post", "")),
        *((method, "/v1/files/a") for method in ("POST", "PUT", "HEAD")),
        *(("HEAD", path) for path in ("/health", "/tools", "/webhook")),
        *(("DELETE", path) for path in ("/tools/shell", "/health", "/webhook")),
        # what other listeners serve
        *(("GET", path) for path in ("/metrics", "/status", "/tokens")),
        *(("POST", path) for path in ("/pairing-codes", "/metrics")),
        ("DELETE", "/tokens/1"),
    ],
)
def test_every_other_path_is_not(method: str, path: str) -> None:
    assert found("gateway", method, path) == (None, None)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/metrics", "metrics"),
        ("GET", "/health", "health"),
        ("GET", "/livez", "health"),
        ("GET", "/readyz", "health"),
        *(("POST", path, None) for path in ("/pair", "/tools/shell", "/webhook", "/metrics")),
        *(("GET", path, None) for path in ("/tools", "/status", "/v1/files/a", "/metrics/")),
    ],
)
def test_metrics_are_served_on_their_own_and_nothing_else_there(
    method: str, path: str, name: str | None
) -> None:
    assert found("metrics", method, path)[0] == name


@pytest.mark.parametrize(
    ("method", "path", "name", "capture"),
    [
        ("GET", "/status", "admin", None),
        ("POST", "/pairing-codes", "admin", None),
        ("GET", "/tokens", "admin", None),
        ("DELETE", "/tokens/c0ffee", "admin", "c0ffee"),
        *(("POST", path, None, None) for path in ("/pair", "/tools/shell", "/status")),
        *(("GET", path, None, None) for path in ("/health", "/metrics", "/tokens/c0ffee")),
        *(("DELETE", path, None, None) for path in ("/tokens", "/tokens/", "/tokens/a/b")),
    ],
)
def test_the_operators_socket_serves_the_operator(
    method: str, path: str, name: str | None, capture: str | None
) -> None:
    assert found("admin.sock", method, path) == (name, capture)


def row(table: tuple[Route, ...], method: str, path: str) -> Route:
    return match(table, method, path)[0]


def test_each_route_asks_for_its_credential() -> None:
    served = tables(config())

    assert {route.access for route in served["admin.sock"]} == {Access.LOCAL_USER}
    assert {route.access for route in served["metrics"]} == {Access.PUBLIC}
    assert {
        (route.path, route.access)
        for route in served["gateway"]
        if route.access is not Access.BEARER
    } == {
        ("/health", Access.PUBLIC),
        ("/livez", Access.PUBLIC),
        ("/readyz", Access.PUBLIC),
        ("/pair", Access.CODE),
    }


def test_only_pairing_is_limited_before_anybody_is_known() -> None:
    limited = {
        route.path for table in tables(config()).values() for route in table if route.limited
    }

    assert limited == {"/pair"}


def test_each_route_has_a_door_and_a_codec_of_its_kind() -> None:
    served = tables(config())["gateway"]

    kinds = {
        (method, path): (row(served, method, path).door, type(row(served, method, path).codec))
        for method, path in (
            ("POST", "/pair"),
            ("POST", "/webhook"),
            ("GET", "/tools"),
            ("POST", "/tools/a"),
            ("POST", "/v1/chat/completions"),
            ("GET", "/health"),
        )
    }

    assert kinds == {
        ("POST", "/pair"): ("front", PairCodec),
        ("POST", "/webhook"): ("front", WebhookCodec),
        ("GET", "/tools"): ("tools", ListingCodec),
        ("POST", "/tools/a"): ("tools", ToolCodec),
        ("POST", "/v1/chat/completions"): ("front", ForwardCodec),
        ("GET", "/health"): ("front", OperationCodec),
    }


def test_without_pairing_there_is_no_place_to_pair() -> None:
    table = tables(config(require_pairing=False))["gateway"]

    assert match(table, "POST", "/pair") == (NOWHERE, None)
    assert match(table, "POST", "/tools/shell")[1] == "shell"


def test_of_two_rows_for_a_path_the_first_is_served() -> None:
    """So that a route of the agent, which stands last, never hides one of our own."""
    served = tables(config())["gateway"]
    agents = [route.name == "route" for route in served]

    assert agents == sorted(agents)
    assert match((served[0], replace(served[0], name="twin")), "GET", "/health")[0] is served[0]


def test_what_leads_nowhere_is_for_nobody() -> None:
    assert (NOWHERE.access, NOWHERE.methods) == (Access.NOBODY, frozenset())
    assert all(NOWHERE not in table for table in tables(config()).values())
