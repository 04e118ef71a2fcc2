"""Which header fields pass on, upward to the agent and back down.

All pass but a closed list. What frames a message, names a hop or proves an identity belongs to one
connection and is made anew for the next: copied along, it is how requests are smuggled and
identities are borrowed (RFC 9110 section 7.6.1, RFC 9112 section 6.1).
"""

from collections.abc import Mapping

from proxy.actions import Headers

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
        "x-request-id",
        "x-webhook-secret",
        # Who the client is, in the words of other proxies.
        "cf-connecting-ip",
        "fastly-client-ip",
        "true-client-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-forwarded",
        "x-real-ip",
        # Another method or path than the one that was decided on.
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-original-url",
        "x-rewrite-url",
    }
)
_NEVER_UP_PREFIXES = ("tailscale-", "x-forwarded-", "x-sidegate-")
_NEVER_DOWN = frozenset(
    {"accept-ranges", "alt-svc", "date", "server", "strict-transport-security", "x-request-id"}
)


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
