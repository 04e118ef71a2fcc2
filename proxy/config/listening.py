"""The listeners: where Sidegate can be reached, by whom, how often and how slowly.

A sibling of `tunnel`, whose listener is a fourth. Every number may be null for "no limit"; 0 is
"none at all".
"""

from collections.abc import Iterable
from ipaddress import ip_address
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from proxy.config.address import LOOPBACK, BindHost, Cidr, Host, Port, host
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import TokenHash

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
_PORTS = {"http": 80, "https": 443}


def origin(text: str) -> str:
    """`scheme://host[:port]` as browsers write it (RFC 6454); raises ValueError."""
    try:
        parts = urlsplit(text)
        name, port = host(parts.hostname or ""), parts.port
    except ValueError:
        raise ValueError("must be an origin such as https://example.com") from None
    address = f"[{name}]" if ":" in name else name
    shown = "" if port in (None, _PORTS.get(parts.scheme)) else f":{port}"
    rebuilt = f"{parts.scheme}://{address}{shown}"
    full = f"{parts.scheme}://{address}:{port}"
    if parts.scheme not in _PORTS or port == 0 or text.lower().rstrip("/") not in (rebuilt, full):
        raise ValueError("must be an origin: scheme, host and port, nothing else")
    return rebuilt


Origin = Annotated[str, AfterValidator(origin), Field(json_schema_extra={"format": "uri"})]
Networks = Annotated[tuple[Cidr, ...], Field(strict=False)]


class GatewayConfig(Section):
    """The front door: clients and webhooks on their way to the agent."""

    host: BindHost = "127.0.0.1"
    """The address to listen on; one that others can reach needs allow_public_bind."""
    port: Port = 3000
    """The port to listen on; 0: any free one."""
    public_url: Origin | None = None
    """Where clients reach this listener, such as https://agent.example; its host is accepted."""
    require_pairing: bool = True
    """Whether callers need a bearer token, got by pairing."""
    allow_public_bind: bool = False
    """Whether host may be an address that other machines can reach."""
    allow_peers: Networks | None = None
    """Networks that may connect; null: any, []: none."""
    trust_forwarded_headers: bool = False
    """Whether trusted_proxies say who the client is, in X-Forwarded-* or Forwarded."""
    trusted_proxies: Networks = ()
    """Networks of the proxies in front; everybody else's forwarding headers are dropped."""
    allowed_hosts: Annotated[tuple[Host, ...], Field(strict=False)] = ()
    """Host names accepted beside loopback and the bound address."""
    allowed_origins: Annotated[tuple[Origin, ...], Field(strict=False)] = ()
    """Origins of other web pages that may call, such as https://app.example."""
    pair_rate_limit_per_minute: Count | None = 10
    """Pairing attempts of one address per minute; null: no limit, 0: none at all."""
    webhook_rate_limit_per_minute: Count | None = 60
    """Webhooks and messages from one address per minute; null: no limit, 0: none at all."""
    tool_rate_limit_per_minute: Count | None = 600
    """Tool calls of one principal per minute; null: no limit, 0: none at all."""
    rate_limit_max_keys: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Addresses and principals counted apart; who comes past that shares one count."""
    idempotency_ttl_secs: Seconds = 3600
    """How long an answer is kept for the same idempotency key."""
    idempotency_max_keys: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Idempotency keys remembered; the oldest answer goes first."""
    idempotency_style: Literal["standard", "zeroclaw"] = "standard"
    """What a repeated request gets: the first answer again, or ZeroClaw's word "duplicate"."""
    max_body_bytes: Annotated[int, Field(ge=1)] = 1_048_576
    """The largest body that is read."""
    header_timeout_secs: Seconds | None = 10
    """Time for the request line and headers to arrive; null: no limit."""
    request_timeout_secs: Seconds | None = 20
    """Time for a whole request to arrive, and for a client to take the next of an answer."""
    keepalive_timeout_secs: Seconds = 15
    """How long a connection may be idle between requests."""
    max_connections: Count | None = 1024
    """Connections to one listener; null: no limit, 0: none at all."""
    max_connections_per_peer: Count | None = 64
    """Connections of one address that have not authenticated yet; null: no limit, 0: none."""
    paired_tokens: Annotated[tuple[TokenHash, ...], Field(strict=False)] = ()
    """SHA-256 of bearer tokens that are valid from the start; never a token itself."""

    @model_validator(mode="after")
    def _name_the_proxies(self) -> Self:
        """Trust in nobody in particular would be trust in everybody."""
        if self.trust_forwarded_headers and not self.trusted_proxies:
            raise_all([wrong(("trusted_proxies",), "needed when trust_forwarded_headers is true")])
        if any(network.prefixlen == 0 for network in self.trusted_proxies):
            raise_all([wrong(("trusted_proxies",), "must not hold a network of every address")])
        return self


class AdminConfig(Section):
    """The operator's listener: tokens, pairing codes, status."""

    host: BindHost = "127.0.0.1"
    """The address to listen on; one that others can reach needs allow_public_bind."""
    port: Port = 3001
    """The port to listen on; 0: any free one."""
    allow_public_bind: bool = False
    """Whether host may be an address that other machines can reach."""
    allow_peers: Networks | None = LOOPBACK
    """Networks that may connect; null: any, []: none."""
    public_url: Origin | None = None
    """Where the operator reaches this listener; its host is accepted, and links lead there."""


class MetricsConfig(Section):
    """The listener for Prometheus."""

    host: BindHost = "127.0.0.1"
    """The address to listen on; one that others can reach needs allow_public_bind."""
    port: Port = 9464
    """The port to listen on; 0: any free one."""
    allow_public_bind: bool = False
    """Whether host may be an address that other machines can reach."""
    allow_peers: Networks | None = LOOPBACK
    """Networks that may connect; null: any, []: none."""


def hosts_of(*urls: str | None) -> Iterable[str]:
    """The host names in these origins, as a Host header writes them."""
    for url in urls:
        name = urlsplit(url).hostname if url else None
        if name:
            yield f"[{ip_address(name)}]" if ":" in name else name


def reachable(host: str, port: int) -> str:
    """The address of a listener as a program on this machine would write it."""
    name = "127.0.0.1" if host in ("", "0.0.0.0", "::") else host  # noqa: S104 - not bound here
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
