"""Where a request comes from: the ends of its connection, and the client behind a proxy."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Connection:
    """Both ends, as the kernel names them: addresses, or the user id behind a unix socket."""

    address: Address | None
    local: Address | None = None
    uid: int | None = None


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What a trusted proxy says of the request that it passes on."""

    address: Address
    scheme: str
    host: str
