"""Which addresses a listener takes, decided on the addresses that are then bound.

A name is resolved once, here, and its addresses are what is judged and what is bound: "localhost"
is whatever the machine says it is, and "0", "" and "::ffff:0.0.0.0" are what they mean.
"""

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from proxy.config.model import Config
from proxy.exchange import Address

_EVERY = tuple(ipaddress.ip_address(every) for every in (0, "::"))


@dataclass(frozen=True, slots=True)
class Binding:
    """A listener's addresses and port."""

    name: str
    addresses: tuple[Address, ...]
    port: int

    @property
    def public(self) -> bool:
        """Whether anything but this machine could connect."""
        return not all(is_local(address) for address in self.addresses)


def bindings(config: Config) -> tuple[Binding, ...]:
    """Every listener's addresses; raises OSError for a host that cannot be resolved."""
    return (
        Binding("gateway", resolve(config.gateway.host), config.gateway.port),
        Binding("metrics", resolve(config.metrics.host), config.metrics.port),
    )


def unsafe(config: Config, bound: Iterable[Binding]) -> list[str]:
    """Why these bindings must not be served: a sentence each that says what to set."""
    public = {binding.name for binding in bound if binding.public}
    allowed = {
        "gateway": config.gateway.allow_public_bind,
        "metrics": config.metrics.allow_public_bind,
    }
    problems = [
        f"{name}.host reaches beyond this machine: set it to 127.0.0.1, "
        f"or set {name}.allow_public_bind: true if that is what you want"
        for name in sorted(public)
        if not allowed[name]
    ]
    if "gateway" in public and not config.gateway.require_pairing:
        problems.append(
            "gateway.require_pairing: false would open the agent to the network: "
            "set it to true, or gateway.host to 127.0.0.1"
        )
    return problems


def resolve(host: str) -> tuple[Address, ...]:
    """The addresses that `host` stands for, each once; the empty host is every address."""
    if not host:
        return _EVERY
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OSError(f"the host {host!r} cannot be resolved: {error}") from error
    names = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return tuple(unmapped(ipaddress.ip_address(name)) for name in names)


def is_local(address: Address) -> bool:
    """Whether only this machine reaches the address."""
    return unmapped(address).is_loopback


def unmapped(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped IPv6 address means (RFC 4291 section 2.5.5.2)."""
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address
