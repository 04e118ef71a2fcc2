"""Which addresses are public: those that anybody on the internet means by them.

The special registries of IANA (IPv4 by RFC 6890, IPv6 by RFC 4291 and its successors) are kept here
beside `ipaddress`, whose answers have changed between versions; an address must be public by both.
What carries an IPv4 address within an IPv6 one is never public: it would be reached by a gateway.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NOT_PUBLIC = tuple(
    ip_network(network)
    for network in (
        # this host, private, shared by carriers (with the metadata of Alibaba), link-local
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16"),
        # protocols, documentation, relays, benchmarks, multicast, reserved, broadcast
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",  # Azure's host, which answers every virtual machine
        # protocols with Teredo, documentation, 6to4, segment routing
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
    )
)
_UNICAST = ip_network("2000::/3")  # all of IPv6 that is given out


def is_public(text: str) -> bool:
    """Whether `text` is one address in its ordinary form, and public."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _UNICAST):
        return False
    special = any(address in network for network in _NOT_PUBLIC)
    return address.is_global and not address.is_multicast and not special
