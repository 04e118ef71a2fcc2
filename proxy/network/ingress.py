"""Admit a request by where it comes from and how it is written.

Everything here is decided on the raw bytes of the request line and headers, in the one form that is
later routed and forwarded, so that nothing is decided on one spelling and done on another.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Access, Inbound, Listener, Peer
from proxy.limits import Limiter
from proxy.network.bind import is_local, unmapped
from proxy.network.forwarded import AUTHORITY, TUNNEL, forwarded, is_trusted
from proxy.origin import Address, Connection
from proxy.reasons import Reason

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# RFC 3986 pchar without ";", which some servers cut off as a path parameter.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})*)+")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]|{}\"<>^`]|%[0-9A-Fa-f]{2})*")
# A dot, slash, backslash, NUL or percent sign in disguise means another path to another server.
_DISGUISED = re.compile(r"%(?:2e|2f|5c|00|25)", re.IGNORECASE)
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")

# Two of these and two readers may each believe another one.
_SINGLE = frozenset(
    {
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",  # RFC 6265 section 5.4
        "expect",
        "host",
        "idempotency-key",
        "if-range",
        "origin",
        "range",
        "transfer-encoding",
        "x-idempotency-key",
        "x-pairing-code",
        # What webhooks are verified by.
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
        "x-hub-signature",
        "x-hub-signature-256",
        "x-signature-ed25519",
        "x-signature-timestamp",
        "x-slack-request-timestamp",
        "x-slack-signature",
        "x-telegram-bot-api-secret-token",
        "x-webhook-secret",
    }
)
_SINGLE_OF_PROXIES = _SINGLE | {"cf-connecting-ip", "x-forwarded-host", "x-forwarded-proto"}


class Ingress:
    """Layer 1. `limiters` are the rates that routes name."""

    def __init__(self, limiters: Mapping[str, Limiter]) -> None:
        self._limiters = limiters

    async def admit(self, inbound: Inbound) -> Decision[Peer]:
        """The admitted peer; the first check that fails decides."""
        reason = (
            _stranger(inbound)
            or _ill_written(inbound)
            or _foreign_host(inbound)
            or _foreign_page(inbound)
            or (Reason.ROUTE_UNKNOWN if inbound.route.access is Access.NOBODY else None)
        )
        if reason is not None:
            return Deny(reason)
        peer = _peer(inbound)
        if inbound.route.limit is None:
            return Allow(peer)
        try:
            quota = await self._limiters[inbound.route.limit].hit(peer.key)
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, type(error).__name__)
        if quota is None:
            return Allow(peer)
        if quota.wait is None:
            return Allow(peer, Facts(quota=quota))
        if inbound.route.access in (Access.BEARER, Access.CHANNEL):
            return Allow(replace(peer, spent=quota), Facts(quota=quota))
        return Deny(Reason.RATE_LIMITED, facts=Facts(retry_after=quota.wait, quota=quota))


def recalled(key: str) -> Peer:
    """The other end of an earlier connection, admitted then, by what it was counted by."""
    return Peer(key)


def _stranger(inbound: Inbound) -> Reason | None:
    """Judged is who connects: what a header says of another address opens nothing."""
    networks, address = inbound.listener.networks, inbound.connection.address
    if networks is None:
        return None
    if address is None or not any(unmapped(address) in network for network in networks):
        return Reason.PEER_NOT_ALLOWED
    return None


def _peer(inbound: Inbound) -> Peer:
    connection, listener = inbound.connection, inbound.listener
    client = forwarded(listener, connection.address, inbound.headers)
    if client is not None:
        key = peer_key(Connection(client.address))
    else:
        key = TUNNEL if listener.name == TUNNEL else peer_key(connection)
    return Peer(key, connection.uid, client)


def peer_key(connection: Connection) -> str:
    """What limits count by: the address, or its /64 for IPv6, which one customer has whole."""
    if connection.address is None:
        return "local"
    address = unmapped(connection.address)
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, 64), strict=False))


def _ill_written(inbound: Inbound) -> Reason | None:
    if inbound.version not in ((1, 0), (1, 1)):
        return Reason.VERSION_UNSUPPORTED
    if inbound.method not in METHODS:
        return Reason.METHOD_UNSUPPORTED
    if not is_normal_path(inbound.path) or not _QUERY.fullmatch(inbound.query):
        return Reason.TARGET_MALFORMED
    by_proxy = is_trusted(inbound.listener, inbound.connection.address)
    return _ill_headed(inbound, _SINGLE_OF_PROXIES if by_proxy else _SINGLE)


def is_normal_path(path: str) -> bool:
    """Whether a raw path has one meaning only: absolute, without dot segments or disguises."""
    if not _PATH.fullmatch(path) or _DISGUISED.search(path) or "//" in path:
        return False
    return not any(segment in {".", ".."} for segment in path.split("/"))


def _ill_headed(inbound: Inbound, single: frozenset[str]) -> Reason | None:
    counts = Counter(name.lower() for name, _ in inbound.headers)
    if single & {name for name, count in counts.items() if count > 1}:
        return Reason.HEADER_DUPLICATE
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(text) for name, text in inbound.headers):
        return Reason.HEADER_MALFORMED
    return _ill_framed(inbound)


def _ill_framed(inbound: Inbound) -> Reason | None:
    """A coding that another reader would not undo, or a promise that nobody here keeps."""
    coding = inbound.headers.get("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or inbound.version == (1, 0)):
        return Reason.HEADER_MALFORMED  # RFC 9112 section 6.1
    if (inbound.headers.get("expect") or "100-continue").lower() != "100-continue":
        return Reason.HEADER_MALFORMED
    return None


def _foreign_host(inbound: Inbound) -> Reason | None:
    """A browser led here by a name of the attacker's choosing (DNS rebinding) is not served."""
    if inbound.listener.hosts is None:
        return None
    name = host_name(inbound.headers.get("host") or "")
    if name is None or not _serves(inbound.listener, name, inbound.connection.local):
        return Reason.HOST_UNKNOWN
    return None


def _foreign_page(inbound: Inbound) -> Reason | None:
    """Browsers let any page send requests here, and say whose it is (RFC 6454)."""
    origin = inbound.headers.get("origin")
    if origin is None:
        return None
    # "null" has none: it is what every sandboxed page and local file is called.
    _, _, authority = origin.lower().partition("://")
    own = authority == (inbound.headers.get("host") or "").lower()
    allowed = own or origin.lower() in inbound.listener.origins
    return None if allowed and authority else Reason.ORIGIN_NOT_ALLOWED


def _serves(listener: Listener, name: str, local: Address | None) -> bool:
    assert listener.hosts is not None
    if name in listener.hosts or not listener.own_names:
        return name in listener.hosts
    if name == "localhost":
        return True
    try:
        address = unmapped(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return False
    return is_local(address) or (local is not None and address == unmapped(local))


def host_name(host: str) -> str | None:
    """The name in a Host header without its port, in lower case; None where it is not one."""
    match = AUTHORITY.fullmatch(host)
    return match[1].lower() if match else None
