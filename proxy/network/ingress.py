"""Admit a request by where it comes from and how it is written.

Everything here is decided on the raw bytes of the request line and headers, in the one form that is
later routed and forwarded, so that nothing is decided on one spelling and done on another.
"""

import ipaddress
import re
from collections import Counter

from proxy.actions import Headers
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Access, Address, Connection, Inbound, Listener, Peer
from proxy.limits import Limiter
from proxy.network.bind import is_local, unmapped
from proxy.reasons import Reason

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

# RFC 3986 pchar without ";", which some servers cut off as a path parameter.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,=:@]|%[0-9A-Fa-f]{2})*)+")
_QUERY = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?\[\]|{}\"<>^`]|%[0-9A-Fa-f]{2})*")
# A dot, slash, backslash, NUL or percent sign in disguise means another path to another server.
_DISGUISED = re.compile(r"%(?:2e|2f|5c|00|25)", re.IGNORECASE)
_VALUE = re.compile(r"[\t\x20-\x7e]*")

# Two of these and two readers may each believe another one.
_SINGLE = frozenset(
    {
        "authorization",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "idempotency-key",
        "origin",
        "transfer-encoding",
        "x-idempotency-key",
        "x-pairing-code",
        "x-webhook-secret",
    }
)


class Ingress:
    """Layer 1."""

    def __init__(self, pairing: Limiter) -> None:
        self._pairing = pairing

    async def admit(self, inbound: Inbound) -> Decision[Peer]:
        """The admitted peer; the first check that fails decides."""
        reason = (
            self._stranger(inbound)
            or _ill_written(inbound)
            or _foreign_host(inbound)
            or _foreign_page(inbound)
            or (Reason.ROUTE_UNKNOWN if inbound.route.access is Access.NOBODY else None)
        )
        if reason is not None:
            return Deny(reason)
        peer = Peer(peer_key(inbound.connection), inbound.connection.uid)
        if inbound.route.limited:
            wait = await self._pairing.hit(peer.key)
            if wait is not None:
                return Deny(Reason.RATE_LIMITED, facts=Facts(retry_after=wait))
        return Allow(peer)

    def _stranger(self, inbound: Inbound) -> Reason | None:
        networks, address = inbound.listener.networks, inbound.connection.address
        if networks is None:
            return None
        if address is None or not any(unmapped(address) in network for network in networks):
            return Reason.PEER_NOT_ALLOWED
        return None


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
    return _ill_headed(inbound.headers)


def is_normal_path(path: str) -> bool:
    """Whether a raw path has one meaning only: absolute, without dot segments or disguises."""
    if not _PATH.fullmatch(path) or _DISGUISED.search(path) or "//" in path:
        return False
    return not any(segment in {".", ".."} for segment in path.split("/"))


def _ill_headed(headers: Headers) -> Reason | None:
    counts = Counter(name.lower() for name, _ in headers)
    if any(counts[name] > 1 for name in _SINGLE):
        return Reason.HEADER_DUPLICATE
    if not all(_VALUE.fullmatch(value) for _, value in headers):
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
    _, _, authority = origin.partition("://")
    own = authority.lower() == (inbound.headers.get("host") or "").lower()
    return None if own and authority else Reason.ORIGIN_NOT_ALLOWED


def _serves(listener: Listener, name: str, local: Address | None) -> bool:
    assert listener.hosts is not None
    if name == "localhost" or name in listener.hosts:
        return True
    try:
        address = unmapped(ipaddress.ip_address(name.strip("[]")))
    except ValueError:
        return False
    return is_local(address) or (local is not None and address == unmapped(local))


def host_name(host: str) -> str | None:
    """The name in a Host header without its port, in lower case; None where it is not one."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?", host)
    return match[1].lower() if match else None
