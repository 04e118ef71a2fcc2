"""The listeners: their closed defaults, and what may be said of them."""

from collections.abc import Mapping
from ipaddress import ip_network

import pytest
from pydantic import ValidationError

from proxy.config.draft import Plain
from proxy.config.listening import (
    AdminConfig,
    GatewayConfig,
    MetricsConfig,
    hosts_of,
    origin,
    reachable,
)

LOOPBACK = ["127.0.0.0/8", "::1/128"]


def wrongs(section: Mapping[str, object], kind: type = GatewayConfig) -> dict[str, str]:
    """What is wrong with a section, by key."""
    try:
        kind.model_validate(section)  # type: ignore[attr-defined]
    except ValidationError as error:
        return {".".join(map(str, each["loc"])): each["msg"] for each in error.errors()}
    return {}


# Defaults: design, section 4


def test_the_gateway_is_closed_by_default() -> None:
    expected: dict[str, Plain] = {
        "host": "127.0.0.1",
        "port": 3000,
        "public_url": None,
        "require_pairing": True,
        "allow_public_bind": False,
        "allow_peers": None,
        "trust_forwarded_headers": False,
        "trusted_proxies": [],
        "allowed_hosts": [],
        "allowed_origins": [],
        "pair_rate_limit_per_minute": 10,
        "webhook_rate_limit_per_minute": 60,
        "tool_rate_limit_per_minute": 600,
        "rate_limit_max_keys": 10000,
        "idempotency_ttl_secs": 3600,
        "idempotency_max_keys": 10000,
        "idempotency_style": "standard",
        "max_body_bytes": 1048576,
        "header_timeout_secs": 10,
        "request_timeout_secs": 20,
        "keepalive_timeout_secs": 15,
        "max_connections": 1024,
        "max_connections_per_peer": 64,
        "paired_tokens": [],
    }

    assert GatewayConfig().model_dump(mode="json") == expected
    assert list(GatewayConfig.model_fields) == list(expected)


@pytest.mark.parametrize(
    ("section", "port", "more"),
    [(AdminConfig(), 3001, {"public_url": None}), (MetricsConfig(), 9464, {})],
    ids=["admin", "metrics"],
)
def test_the_other_listeners_are_for_this_machine_alone(
    section: AdminConfig | MetricsConfig, port: int, more: dict[str, Plain]
) -> None:
    assert section.model_dump(mode="json") == {
        "host": "127.0.0.1",
        "port": port,
        "allow_public_bind": False,
        "allow_peers": LOOPBACK,
        **more,
    }


def test_no_two_listeners_have_one_port() -> None:
    ports = [GatewayConfig().port, AdminConfig().port, MetricsConfig().port]

    assert len(set(ports)) == 3


# Values


COUNTS = [
    *("pair_rate_limit_per_minute", "webhook_rate_limit_per_minute", "tool_rate_limit_per_minute"),
    *("max_connections", "max_connections_per_peer"),
]


@pytest.mark.parametrize("key", COUNTS)
def test_a_number_may_be_none_at_all_or_no_limit(key: str) -> None:
    for value in (0, 1, None, 10**9):
        assert getattr(GatewayConfig.model_validate({key: value}), key) == value


@pytest.mark.parametrize("key", COUNTS)
@pytest.mark.parametrize("value", [-1, 1.5, "1", True, [], float("inf")], ids=repr)
def test_a_number_is_a_number(key: str, value: object) -> None:
    assert wrongs({key: value}).keys() == {key}


@pytest.mark.parametrize("key", ["rate_limit_max_keys", "idempotency_max_keys"])
def test_a_table_has_room_for_somebody_and_an_end(key: str) -> None:
    for good in (1, 1_000_000):
        assert wrongs({key: good}) == {}
    for bad in (0, -1, 1_000_001, None):
        assert wrongs({key: bad}).keys() == {key}


@pytest.mark.parametrize(
    ("key", "endless"),
    [
        ("header_timeout_secs", True),
        ("request_timeout_secs", True),
        ("keepalive_timeout_secs", False),
        ("idempotency_ttl_secs", False),
    ],
)
def test_a_time_is_more_than_none_and_no_more_than_a_day(key: str, *, endless: bool) -> None:
    for good in (0.5, 1, 86_400):
        assert wrongs({key: good}) == {}
    for bad in (0, -1, 86_401, "10", float("nan"), float("inf")):
        assert wrongs({key: bad}).keys() == {key}
    assert (wrongs({key: None}) == {}) is endless


@pytest.mark.parametrize("style", ["standard", "zeroclaw"])
def test_there_are_two_styles_of_idempotency(style: str) -> None:
    assert wrongs({"idempotency_style": style}) == {}
    assert wrongs({"idempotency_style": style.upper()}).keys() == {"idempotency_style"}


@pytest.mark.parametrize("kind", [GatewayConfig, AdminConfig, MetricsConfig])
def test_networks_are_networks(kind: type) -> None:
    section = kind(allow_peers=["10.0.0.0/8", "::1"])

    assert section.allow_peers == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert kind(allow_peers=[]).allow_peers == ()
    assert kind(allow_peers=None).allow_peers is None
    for bad in ("10.0.0.0/8", ["10.0.0.1/8"], ["*"], ["localhost"], [10], [""]):
        assert len(wrongs({"allow_peers": bad}, kind)) == 1


# Proxies


def test_trust_in_nobody_in_particular_is_none() -> None:
    assert wrongs({"trust_forwarded_headers": True}) == {
        "trusted_proxies": "needed when trust_forwarded_headers is true"
    }
    assert wrongs({"trust_forwarded_headers": True, "trusted_proxies": ["10.0.0.1"]}) == {}


def test_proxies_may_be_named_before_they_are_trusted() -> None:
    assert wrongs({"trusted_proxies": ["10.0.0.0/8"]}) == {}


@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
@pytest.mark.parametrize("trust", [True, False])
def test_everybody_is_no_proxy(network: str, *, trust: bool) -> None:
    """A stranger could else say from which address it comes."""
    section = {"trust_forwarded_headers": trust, "trusted_proxies": ["10.0.0.1", network]}

    assert wrongs(section) == {"trusted_proxies": "must not hold a network of every address"}


def test_null_is_no_list_of_proxies() -> None:
    assert wrongs({"trusted_proxies": None}).keys() == {"trusted_proxies"}


# Origins


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("https://agent.example", "https://agent.example"),
        ("https://agent.example/", "https://agent.example"),
        ("HTTPS://Agent.Example", "https://agent.example"),
        ("http://agent:8080", "http://agent:8080"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("https://[::1]:8443", "https://[::1]:8443"),
        # browsers leave the usual port out
        ("https://agent.example:443", "https://agent.example"),
        ("http://agent.example:80/", "http://agent.example"),
        ("http://agent.example:443", "http://agent.example:443"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(text: str, value: str) -> None:
    assert origin(text) == value
    assert GatewayConfig.model_validate({"public_url": text}).public_url == value
    assert GatewayConfig.model_validate({"allowed_origins": [text]}).allowed_origins == (value,)


@pytest.mark.parametrize(
    "text",
    [
        # no origin at all
        *("", "*", "null", "agent.example", "//agent.example", "https://", "https:agent", "https"),
        # another scheme
        *("ftp://agent", "ws://agent", "file:///a", "javascript://agent", "chrome-extension://a"),
        # more than an origin
        *("https://a/b", "https://a?b", "https://a#b", "https://a/?", "https://a/#", "https://a;b"),
        *("https://u@a", "https://u:p@a", "https://@a"),
        # more than one
        *("https://a https://b", "https://a,https://b", "https://*.example", "https://*"),
        # no host or port
        *("https://:443", "https://a:", "https://a:x", "https://a:99999", "https://a:-1"),
        *("https://0", "https://0x7f.1", "https://-a", "https://ä", "https://a..b"),
        *("https://[::1", "https://::1", "https://[0:0::1]"),
        # another spelling
        *("https://a\n", " https://a", "https://a:0443", "https://a\\b", "https://a%41"),
    ],
)
def test_anything_else_is_no_origin(text: str) -> None:
    with pytest.raises(ValueError, match="must be an origin"):
        origin(text)
    assert wrongs({"public_url": text}).keys() == {"public_url"}
    assert wrongs({"allowed_origins": [text]}).keys() == {"allowed_origins.0"}


def test_no_port_is_no_port() -> None:
    with pytest.raises(ValueError, match="must be an origin"):
        origin("https://agent.example:0")


# Addresses that are shown and accepted


@pytest.mark.parametrize(
    ("urls", "hosts"),
    [
        ((), []),
        ((None,), []),
        (
            ("https://agent.example:8443", None, "http://127.0.0.1:1"),
            ["agent.example", "127.0.0.1"],
        ),
        (("https://[::1]:8443",), ["[::1]"]),
    ],
)
def test_a_host_is_written_as_in_a_host_header(
    urls: tuple[str | None, ...], hosts: list[str]
) -> None:
    assert list(hosts_of(*urls)) == hosts


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:3000"),
        ("localhost", "http://localhost:3000"),
        ("192.168.1.5", "http://192.168.1.5:3000"),
        ("::1", "http://[::1]:3000"),
        ("fd00::5", "http://[fd00::5]:3000"),
        # every address is reached on this machine's own
        ("", "http://127.0.0.1:3000"),
        ("0.0.0.0", "http://127.0.0.1:3000"),
        ("::", "http://127.0.0.1:3000"),
    ],
)
def test_a_listener_is_reached_at_an_address(host: str, url: str) -> None:
    assert reachable(host, 3000) == url
