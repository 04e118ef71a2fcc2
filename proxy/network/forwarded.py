"""Who the client is where a proxy stands between, in that proxy's own words.

Only what trusted proxies added is believed. From the socket's address the chain is walked back,
right to left, for as long as the hop is one of the listener's proxies; what a client wrote itself
stands further left and is not reached. An entry that cannot be read ends the walk: the client is
the last hop that could be. Two headers that name different clients are both disbelieved. No address
is exempt from anything, loopback included.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from proxy.exchange import Listener
from proxy.network.bind import unmapped
from proxy.origin import Address, Forwarded
from proxy.values import Headers

TUNNEL = "tunnel"
"""The listener behind which the internet comes from loopback, and so must not be counted by it."""
AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?")
"""A host, and a port or none."""

_MAX_HOPS = 20
_MAX_ENTRY = 64  # the longest address in brackets, with a port
_MAX_LINE = 4096
_NODE = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<v4>[0-9.]+))(?::(?P<port>[0-9]{1,5}))?"
    r"|(?P<bare>[0-9A-Fa-f:.]+)"
)
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105 - RFC 9110 section 5.6.2
_PAIR = re.compile(rf'[ \t]*(?:({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*"))?[ \t]*([;,]|\Z)')


@dataclass(frozen=True, slots=True)
class _Hop:
    """Who a proxy received from, in its own words; None where they cannot be read."""

    address: Address | None
    scheme: str = ""
    host: str = ""


def is_trusted(listener: Listener, address: Address | None) -> bool:
    """Whether the address is one of the listener's proxies."""
    return address is not None and any(unmapped(address) in network for network in listener.proxies)


def forwarded(listener: Listener, address: Address | None, headers: Headers) -> Forwarded | None:
    """The client behind `address`; None where no trusted proxy says who that is."""
    if not is_trusted(listener, address):
        return None
    hop = _single(listener.client_header, headers) or _agreed(listener, headers)
    if hop is None or hop.address is None:
        return None
    scheme = hop.scheme.lower() if hop.scheme.lower() in ("http", "https") else "http"
    host = hop.host if _serves(listener, hop.host) else ""
    return Forwarded(hop.address, scheme, host)


def _serves(listener: Listener, host: str) -> bool:
    """Whether this is a host of ours: many proxies pass on what the client wrote here itself."""
    authority = AUTHORITY.fullmatch(host)
    known = listener.hosts is None or (authority and authority[1].lower() in listener.hosts)
    return bool(authority and known)


def _single(name: str | None, headers: Headers) -> _Hop | None:
    """What the one header of a tunnel's provider says: its right-most value, without a walk."""
    if name is None:
        return None
    return _hop(",".join(headers.all(name)).rpartition(",")[2], headers)


def _agreed(listener: Listener, headers: Headers) -> _Hop | None:
    """The client by the standard headers, of which a proxy may set one and pass on the other."""
    listed = _client(listener, _listed(headers))
    element = _client(listener, _elements(headers))
    if not headers.all("forwarded"):
        return listed
    if not headers.all("x-forwarded-for"):
        return element
    agreed = listed is not None and element is not None and listed.address == element.address
    return listed if agreed else None


def _client(listener: Listener, hops: Sequence[_Hop]) -> _Hop | None:
    """The first hop, from the right, that is no proxy of ours; else the last that can be read."""
    found = None
    for hop in reversed(hops[-_MAX_HOPS:]):
        if hop.address is None:
            break
        found = hop
        if not is_trusted(listener, hop.address):
            break
    return found


def _listed(headers: Headers) -> list[_Hop]:
    entries = ",".join(headers.all("x-forwarded-for")).rsplit(",", _MAX_HOPS)
    return [_hop(entry, headers) for entry in entries[-_MAX_HOPS:]]


def _hop(entry: str, headers: Headers) -> _Hop:
    scheme, host = (_only(headers, f"x-forwarded-{what}") for what in ("proto", "host"))
    return _Hop(parse_address(entry), scheme, host)


def _only(headers: Headers, name: str) -> str:
    values = headers.all(name)
    return values[0] if len(values) == 1 else ""


def _elements(headers: Headers) -> list[_Hop]:
    """The elements of Forwarded (RFC 7239); a line that breaks its grammar is an unreadable hop."""
    lines = headers.all("forwarded")[-_MAX_HOPS:]
    return [hop for line in lines for hop in _parsed(line) or [_Hop(None)]]


def _parsed(line: str) -> list[_Hop] | None:
    elements: list[dict[str, str]] = [{}]
    position, more = 0, ","
    while more:
        pair = _PAIR.match(line, position) if len(line) <= _MAX_LINE else None
        if pair is None:
            return None
        name, value, more = (pair[1] or "").lower(), pair[2], pair[3]
        position = pair.end()
        if name in elements[-1]:
            return None
        if name:
            elements[-1][name] = _unquoted(value)
        if more == ",":
            elements.append({})
    return [_element(element) for element in elements]


def _element(element: Mapping[str, str]) -> _Hop:
    node = element.get("for", "")
    # RFC 7239 section 6: an IPv6 address stands in brackets.
    bare = node.count(":") > 1 and not node.startswith("[")
    address = None if bare else parse_address(node)
    return _Hop(address, element.get("proto", ""), element.get("host", ""))


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def parse_address(text: str) -> Address | None:
    """The address in `ip`, `ip:port`, `[v6]` or `[v6]:port`, unmapped; None for anything else."""
    match = _NODE.fullmatch(text.strip(" \t")) if len(text) <= _MAX_ENTRY else None
    if match is None or int(match["port"] or 0) > 65535:
        return None
    sixth = match["v6"] or match["bare"]
    try:
        return unmapped(IPv6Address(sixth) if sixth else IPv4Address(match["v4"]))
    except ValueError:
        return None
