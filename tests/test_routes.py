"""What is served where, on the raw path."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from proxy.authentication.channels import Channels
from proxy.authorization.policy import OPERATIONS as GRANTED
from proxy.config.model import Config
from proxy.exchange import Access, Route
from proxy.network.ingress import METHODS
from proxy.protocols.mcp.codec import METADATA, McpCodec, ResourceCodec
from proxy.protocols.openai import ModelCodec
from proxy.protocols.operator import LinkCodec, MintCodec, OperationCodec, PairCodec
from proxy.protocols.rest import ListingCodec, ToolCodec
from proxy.protocols.webhook import ChannelCodec, SubscriptionCodec, WebhookCodec
from proxy.routes import MCP, NOWHERE, OPERATIONS, Table, match, tables
from proxy.seal import Seal
from proxy.servers import Wire

ROUTES = [
    {"path": "/v1/chat/completions", "methods": ["POST"]},
    {"path": "/v1/files/*", "methods": ["GET", "DELETE"]},
]
CHANNELS = ("telegram", "discord", "slack", "whatsapp", "github", "standard")


class NoReplays:
    """`Replays` that nobody asks."""

    async def first(self, seen: str, expires: float, now: float) -> bool:
        raise AssertionError("nothing is served here")


def served(
    *,
    require_pairing: bool = True,
    channels: Mapping[str, Mapping[str, object]] | None = None,
) -> Mapping[str, Table]:
    """The tables of a configuration, by default with every channel."""
    sections = {name: {} for name in CHANNELS} if channels is None else channels
    config = Config.model_validate(
        {
            "gateway": {"require_pairing": require_pairing},
            "upstream": {"routes": ROUTES, "webhook_path": "/hooks/in"},
            "channels_config": sections,
        }
    )
    configured = config.channels_config.configured()
    channels_ = Channels(configured, None, NoReplays(), lambda: 0.0)
    return tables(config, channels_, Wire.of(config, Seal(bytes(32))).codec(str))


def found(listener: str, method: str, path: str) -> tuple[str | None, str | None]:
    """The name of the route and what it captured."""
    route, capture = match(served()[listener], method, path)
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
        *(("POST", f"/webhook/{name}", "webhook", None) for name in CHANNELS),
        ("POST", "/whatsapp", "webhook", None),
        ("GET", "/whatsapp", "webhook", None),
        ("GET", "/webhook/whatsapp", "webhook", None),
        ("GET", "/tools", "tools", None),
        ("POST", "/tools/shell", "tools", "shell"),
        ("POST", "/tools/ref.add", "tools", "ref.add"),
        ("POST", "/tools/a%20b", "tools", "a b"),
        ("POST", "/tools/%73hell", "tools", "shell"),
        ("POST", "/tools/%C3%A4", "tools", "ä"),
        ("POST", "/tools/%FF", "tools", "\ufffd"),
        *((method, "/mcp", "mcp", None) for method in ("POST", "GET", "DELETE")),
        ("GET", "/.well-known/oauth-protected-resource", "metadata", None),
        ("GET", "/.well-known/oauth-protected-resource/mcp", "metadata", None),
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
        # a channel is its own path alone
        *(("POST", path) for path in ("/telegram", "/webhook/", "/webhook/irc", "/webhook/slack/")),
        *(("POST", path) for path in ("/webhook/Slack", "/whatsapp/", "/webhook/webhook")),
        *(("GET", path) for path in ("/webhook", "/webhook/telegram", "/webhook/github")),
        # what other listeners serve
        *(("GET", path) for path in ("/metrics", "/status", "/tokens", "/inbox")),
        *(("POST", path) for path in ("/pairing-codes", "/links", "/tokens", "/tokens/1")),
        *(("POST", path) for path in ("/metrics", "/inbox/1")),
        *(("DELETE", path) for path in ("/tokens/1", "/inbox/1")),
    ],
)
@pytest.mark.parametrize("listener", ["gateway", "tunnel"])
def test_every_other_path_is_not(listener: str, method: str, path: str) -> None:
    assert found(listener, method, path) == (None, None)


def test_the_tunnel_leads_to_the_gateway_and_nowhere_else() -> None:
    listeners = served()

    assert listeners["tunnel"] == listeners["gateway"]
    assert listeners.keys() == {"gateway", "tunnel", "admin", "admin.sock", "metrics"}


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


OPERATOR = [
    ("GET", "/status", "status", None),
    ("POST", "/pairing-codes", "pairing-codes.create", None),
    ("POST", "/links", "links.create", None),
    ("GET", "/tokens", "tokens.list", None),
    ("POST", "/tokens", "tokens.create", None),
    ("POST", "/tokens/c0ffee", "tokens.rotate", "c0ffee"),
    ("DELETE", "/tokens/c0ffee", "tokens.revoke", "c0ffee"),
    ("GET", "/inbox", "inbox.list", None),
    ("POST", "/inbox/a%2Fb", "inbox.retry", "a/b"),
    ("DELETE", "/inbox/c0ffee", "inbox.drop", "c0ffee"),
    ("GET", "/approvals", "approvals.list", None),
    ("GET", "/approvals/events", "approvals.events", None),
    ("GET", "/approvals/a_1", "approvals.get", "a_1"),
    ("POST", "/approvals", "approvals.decide-all", None),
    ("POST", "/approvals/a_1", "approvals.decide", "a_1"),
    ("POST", "/approvals/events", "approvals.decide", "events"),
    ("GET", "/grants", "grants.list", None),
    ("DELETE", "/grants/g_1", "grants.revoke", "g_1"),
    ("GET", "/stops", "stops.list", None),
    ("POST", "/stops", "stops.add", None),
    ("DELETE", "/stops", "stops.resume", None),
    ("DELETE", "/stops/s_1", "stops.lift", "s_1"),
    ("POST", "/explain", "explain", None),
]


@pytest.mark.parametrize("listener", ["admin", "admin.sock"])
@pytest.mark.parametrize(("method", "path", "verb", "capture"), OPERATOR)
def test_the_operators_listeners_serve_the_operator(
    listener: str, method: str, path: str, verb: str, capture: str | None
) -> None:
    route, captured = match(served()[listener], method, path)

    assert isinstance(route.codec, OperationCodec)
    assert (route.name, route.codec.verb, captured) == ("admin", verb, capture)


@pytest.mark.parametrize("listener", ["admin", "admin.sock"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", path) for path in ("/tools/shell", "/status", "/webhook", "/whatsapp")),
        *(("GET", path) for path in ("/metrics", "/tokens/c0ffee", "/v1/files/a", "/tools")),
        *(("GET", path) for path in ("/tokens/", "/inbox/c0ffee", "/links", "/pair")),
        *(("DELETE", path) for path in ("/tokens", "/tokens/", "/tokens/a/b", "/inbox")),
        *(("PUT", path) for path in ("/tokens/c0ffee", "/status")),
        *(("POST", path) for path in ("/tokens/", "/tokens/a/b", "/inbox", "/inbox/")),
        *(("POST", path) for path in ("/approvals/", "/approvals/a/b", "/grants", "/stops/s_1")),
        *(("DELETE", path) for path in ("/approvals", "/approvals/a_1", "/grants", "/stops/")),
    ],
)
def test_and_nothing_else(listener: str, method: str, path: str) -> None:
    assert found(listener, method, path) == (None, None)


@pytest.mark.parametrize(
    ("listener", "method", "path", "name"),
    [
        ("admin", "GET", "/health", "health"),
        ("admin", "GET", "/livez", "health"),
        ("admin", "GET", "/readyz", "health"),
        ("admin", "POST", "/pair", "pair"),
        *(("admin.sock", "GET", path, None) for path in ("/health", "/livez", "/readyz")),
        ("admin.sock", "POST", "/pair", None),
    ],
)
def test_a_link_is_redeemed_on_the_address_and_not_on_the_socket(
    listener: str, method: str, path: str, name: str | None
) -> None:
    assert found(listener, method, path)[0] == name


def test_every_operation_of_the_operator_has_its_one_route() -> None:
    verbs = [codec.verb for _, _, codec in OPERATIONS]
    public = {verb for verb, roles in GRANTED.items() if len(roles) > 1}

    assert len(verbs) == len(set(verbs))
    assert {*verbs} == GRANTED.keys() - public - {"pair", "pair-operator"}
    assert {method for methods, _, _ in OPERATIONS for method in methods} <= METHODS


def row(table: tuple[Route, ...], method: str, path: str) -> Route:
    return match(table, method, path)[0]


def test_each_route_asks_for_its_credential() -> None:
    listeners = served()
    probes = {("/health", Access.PUBLIC), ("/livez", Access.PUBLIC), ("/readyz", Access.PUBLIC)}
    asked = {
        name: {(route.path, route.access) for route in table} for name, table in listeners.items()
    }
    paths = {path for _, path, _ in OPERATIONS}

    assert {access for _, access in asked["metrics"]} == {Access.PUBLIC}
    assert asked["admin.sock"] == {(path, Access.LOCAL_USER) for path in paths}
    assert asked["admin"] == {
        ("/pair", Access.LINK),
        *probes,
        *((path, Access.OPERATOR) for path in paths),
    }
    assert {(path, access) for path, access in asked["gateway"] if access is not Access.BEARER} == {
        ("/pair", Access.CODE),
        ("/whatsapp", Access.CHANNEL),
        *((METADATA + path, Access.PUBLIC) for path in ("", MCP)),
        *probes,
        *((f"/webhook/{name}", Access.CHANNEL) for name in CHANNELS),
    }


def test_what_strangers_may_try_is_limited_by_its_own_rate() -> None:
    limited = {
        (name, route.path, route.limit)
        for name, table in served().items()
        for route in table
        if route.limit is not None
    }
    hooks = ("/webhook", "/whatsapp", *(f"/webhook/{name}" for name in CHANNELS))

    assert limited == {
        (listener, path, limit)
        for listener in ("gateway", "tunnel")
        for path, limit in (("/pair", "pair"), *((hook, "webhook") for hook in hooks))
    }


def test_only_webhooks_have_a_channel() -> None:
    """The webhook's own has one, too: its secret is asked for beside the token."""
    channels = {route.path: route.channel for route in served()["gateway"] if route.channel}

    assert channels == {
        "/webhook": "webhook",
        "/whatsapp": "whatsapp",
        **{f"/webhook/{name}": name for name in CHANNELS},
    }


def test_each_route_has_a_door_and_a_codec_of_its_kind() -> None:
    def kind(listener: str, method: str, path: str) -> tuple[str, str, type]:
        route = row(served()[listener], method, path)
        return listener, route.door, type(route.codec)

    assert [kind("gateway", *where) for where in GATEWAY] == [
        ("gateway", "front", PairCodec),
        ("gateway", "front", WebhookCodec),
        ("gateway", "front", ChannelCodec),
        ("gateway", "front", SubscriptionCodec),
        ("gateway", "tools", ListingCodec),
        ("gateway", "tools", ToolCodec),
        ("gateway", "front", ModelCodec),
        ("gateway", "front", OperationCodec),
        ("gateway", "tools", McpCodec),
        ("gateway", "front", ResourceCodec),
    ]
    for listener in ("admin", "admin.sock"):
        assert kind(listener, "GET", "/status") == (listener, "admin", OperationCodec)
        assert kind(listener, "POST", "/links") == (listener, "admin", LinkCodec)
        assert kind(listener, "POST", "/tokens") == (listener, "admin", MintCodec)
    assert kind("admin", "POST", "/pair") == ("admin", "admin", PairCodec)
    assert kind("metrics", "GET", "/metrics") == ("metrics", "metrics", OperationCodec)


GATEWAY = [
    ("POST", "/pair"),
    ("POST", "/webhook"),
    ("POST", "/webhook/github"),
    ("GET", "/whatsapp"),
    ("GET", "/tools"),
    ("POST", "/tools/a"),
    ("POST", "/v1/chat/completions"),
    ("GET", "/health"),
    ("POST", "/mcp"),
    ("GET", METADATA),
]


@pytest.mark.parametrize(
    ("section", "path", "target", "queued", "drop"),
    [
        ({}, "/webhook/slack", "/webhook/slack", False, False),
        ({"path": "/chat"}, "/webhook/slack", "/chat", False, False),
        ({"delivery": "queued"}, "/webhook/slack", "/webhook/slack", True, False),
        ({"on_denied": "drop"}, "/webhook/slack", "/webhook/slack", False, True),
    ],
)
def test_a_channel_is_delivered_as_it_is_configured(
    section: dict[str, object], path: str, target: str, *, queued: bool, drop: bool
) -> None:
    codec = row(served(channels={"slack": section})["gateway"], "POST", path).codec

    assert isinstance(codec, ChannelCodec)
    assert (codec.path, codec.queued, codec.drop) == (target, queued, drop)


@pytest.mark.parametrize("path", ["/whatsapp", "/webhook/whatsapp"])
@pytest.mark.parametrize("own", [None, "/chat"])
def test_whatsapp_goes_up_by_the_path_it_came_by_unless_another_is_set(
    path: str, own: str | None
) -> None:
    codec = row(served(channels={"whatsapp": {"path": own}})["gateway"], "POST", path).codec

    assert isinstance(codec, ChannelCodec)
    assert codec.path == own or path


def test_a_channel_that_is_not_configured_has_no_route() -> None:
    table = served(channels={"github": {}})["gateway"]
    hooks = {route.path for route in table if route.access is Access.CHANNEL}

    assert hooks == {"/webhook/github"}


def test_a_message_goes_up_to_the_agent_s_own_path() -> None:
    codec = row(served()["gateway"], "POST", "/webhook").codec

    assert isinstance(codec, WebhookCodec)
    assert codec.path == "/hooks/in"


def test_without_pairing_there_is_no_place_to_pair() -> None:
    listeners = served(require_pairing=False)

    for listener in ("gateway", "tunnel"):
        assert match(listeners[listener], "POST", "/pair") == (NOWHERE, None)
        assert match(listeners[listener], "POST", "/tools/shell")[1] == "shell"


def test_without_pairing_an_operator_needs_a_link_all_the_same() -> None:
    admin, usual = served(require_pairing=False)["admin"], served()["admin"]

    assert row(admin, "POST", "/pair").access is Access.LINK
    assert {route.access for route in admin} == {route.access for route in usual}


def test_of_two_rows_for_a_path_the_first_is_served() -> None:
    """So that a route of the agent, which stands last, never hides one of our own."""
    table = served()["gateway"]
    agents = [route.name == "route" for route in table]

    assert agents == sorted(agents)
    health = row(table, "GET", "/health")
    assert match((health, replace(health, name="twin")), "GET", "/health")[0] is health


def test_what_leads_nowhere_is_for_nobody() -> None:
    assert (NOWHERE.access, NOWHERE.methods) == (Access.NOBODY, frozenset())
    assert all(NOWHERE not in table for table in served().values())
