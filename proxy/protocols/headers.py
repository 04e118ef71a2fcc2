"""Which header fields pass on: upward to the agent, back down, and outward to the client.

All pass but a closed list. What frames a message, names a hop or proves an identity belongs to one
connection and is made anew for the next: copied along, it is how requests are smuggled and
identities are borrowed (RFC 9110 section 7.6.1, RFC 9112 section 6.1).
"""

import math
from collections.abc import Mapping, Sequence

from proxy.decision import Quota
from proxy.origin import Forwarded
from proxy.values import Headers

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "content-length",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NEVER_UP = frozenset(
    {
        "accept-encoding",  # answers must come back readable
        "authorization",
        "expect",
        "forwarded",
        "host",
        "if-range",
        "range",  # a part of an answer hides what tells that another part is a secret
        "x-pairing-code",
        "x-telegram-bot-api-secret-token",  # whoever has it can speak for any sender
        "x-request-id",
        "x-webhook-secret",
        # Who the client is, in the words of other proxies.
        *("cf-connecting-ip", "cf-connecting-ipv6", "client-ip", "fastly-client-ip"),
        *("fly-client-ip", "forwarded-for", "true-client-ip", "x-client-ip"),
        *("x-cluster-client-ip", "x-forwarded", "x-host", "x-http-host-override"),
        *("x-originating-ip", "x-proxyuser-ip", "x-real-ip", "x-remote-addr", "x-remote-ip"),
        # Who the user is, in the words of those that ask for passwords (and httpoxy's "proxy").
        *("proxy", "remote-user", "x-authenticated-user", "x-client-cert", "x-remote-user"),
        *("x-sidegate", "x-token-subject", "x-user", "x-user-id"),
        # Another method or path than the one that was decided on.
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-rewrite-url",
    }
)
_NEVER_UP_PREFIXES = (
    *("cf-access-", "proxy-", "ssl-client-", "tailscale-", "x-amzn-oidc-", "x-auth-"),
    *("x-envoy-", "x-forwarded-", "x-goog-authenticated-", "x-ms-client-", "x-openclaw-"),
    *("x-original-", "x-sidegate-", "x-ssl-client-", "x-webauth-"),
    "sec-websocket-",  # of a handshake with Sidegate; the one with the agent has its own
)
_NEVER_DOWN = frozenset(
    {"accept-ranges", "alt-svc", "date", "server", "strict-transport-security", "x-request-id"}
)
# What browsers shall not do with an answer, whatever it holds.
_GUARDS = (
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
)
_POLICY = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
_TLS_ONLY = ("Strict-Transport-Security", "max-age=31536000")


def upward(received: Headers, own: Mapping[str, str]) -> Headers:
    """The fields for the agent: what the client sent, less the closed list, then `own`, which win.

    A name with "_" is dropped: CGI-style servers read it as its twin with "-".
    """
    named = _named_by_connection(received)
    ours = {name.lower() for name in own}
    kept = [
        (name, value)
        for name, value in received
        if not _dropped_up(name.lower()) and name.lower() not in named | ours
    ]
    return Headers((*kept, *own.items()))


def downward(received: Headers) -> Headers:
    """The fields for the client: what the agent answered, less the closed list."""
    dropped = _HOP_BY_HOP | _NEVER_DOWN | _named_by_connection(received)
    return Headers(tuple(field for field in received if field[0].lower() not in dropped))


def forwarded(client: Forwarded | None) -> Mapping[str, str]:
    """What a trusted proxy said of the client, for the agent; nothing of who came directly."""
    if client is None:
        return {}
    host = {"X-Forwarded-Host": client.host} if client.host else {}
    return {
        "X-Forwarded-For": str(client.address),
        "X-Forwarded-Proto": client.scheme,
        **host,
    }


def outward(
    answered: Headers,
    request_id: str,
    quotas: Sequence[Quota] = (),
    *,
    relayed: bool = False,
    https: bool = False,
) -> Headers:
    """The fields of an answer as it is sent: its own, and those that every answer has.

    What the agent set itself stays in a relayed answer, which may be a page: it gets no policy.
    """
    ours = (("Server", "sidegate"), ("X-Content-Type-Options", "nosniff"))
    fixed = (*ours, ("X-Request-ID", request_id), *((_TLS_ONLY,) if https else ()))
    names = {name.lower() for name, _ in fixed}
    kept = [field for field in answered if field[0].lower() not in names]
    present = {name.lower() for name, _ in kept}
    guards = _GUARDS if relayed else (*_GUARDS, _POLICY)
    added = [field for field in guards if field[0].lower() not in present]
    return Headers((*kept, *fixed, *added, *_rates(quotas)))


def _rates(quotas: Sequence[Quota]) -> Sequence[tuple[str, str]]:
    """draft-ietf-httpapi-ratelimit-headers-11 sections 3 and 4."""
    quotas = list({quota.policy: quota for quota in quotas}.values())  # the last one tells
    if not quotas:
        return ()
    policies = [f'"{quota.policy}";q={quota.limit};w={quota.window}' for quota in quotas]
    standing = [
        f'"{quota.policy}";r={max(0, quota.remaining)};t={max(0, math.ceil(quota.reset))}'
        for quota in quotas
    ]
    return (("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(standing)))


def _dropped_up(name: str) -> bool:
    return (
        name in _HOP_BY_HOP
        or name in _NEVER_UP
        or name.startswith(_NEVER_UP_PREFIXES)
        or "_" in name
    )


def _named_by_connection(headers: Headers) -> frozenset[str]:
    values = ",".join(headers.all("connection"))
    return frozenset(name.strip().lower() for name in values.split(","))
