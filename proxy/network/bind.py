"""Which addresses a listener takes, decided on the addresses that are then bound.

A name is resolved once, here, and its addresses are what is judged and what is bound: "localhost"
is whatever the machine says it is, and "0", "" and "::ffff:0.0.0.0" are what they mean.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from proxy.config.model import Config
from proxy.origin import Address

_EVERY = tuple(ipaddress.ip_address(every) for every in (0, "::"))
_HERE = (ipaddress.ip_address("127.0.0.1"),)


@dataclass(frozen=True, slots=True)
class Binding:
    """A listener's addresses and port. `note` says where they are not those that were asked for."""

    name: str
    addresses: tuple[Address, ...]
    port: int
    note: str = ""

    @property
    def public(self) -> bool:
        """Whether anything but this machine could connect."""
        return not all(is_local(address) for address in self.addresses)


class _Listening(Protocol):
    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def allow_public_bind(self) -> bool: ...


def bindings(config: Config) -> tuple[Binding, ...]:
    """Every listener's addresses; raises OSError for a host that cannot be resolved."""
    return tuple(
        _behind_the_tunnel(config, Binding(name, resolve(section.host), section.port))
        for name, section in _listening(config).items()
    )


def _listening(config: Config) -> Mapping[str, _Listening]:
    sections: dict[str, _Listening] = {
        "gateway": config.gateway,
        "admin": config.admin,
        "metrics": config.metrics,
    }
    if config.tunnel.provider != "none":
        sections["tunnel"] = config.tunnel
    return sections


def _behind_the_tunnel(config: Config, binding: Binding) -> Binding:
    """A tunnel is what makes the gateway public, so that nothing is when the tunnel fails."""
    section = config.gateway
    tunnelled = binding.name == "gateway" and config.tunnel.provider != "none"
    if not tunnelled or not binding.public or section.allow_public_bind:
        return binding
    note = (
        "gateway.host is not opened beyond this machine, since the tunnel has a listener of its "
        "own: set gateway.allow_public_bind: true to open both"
    )
    return Binding(binding.name, _HERE, binding.port, note)


def unsafe(config: Config, bound: Iterable[Binding]) -> list[str]:
    """Why these bindings must not be served: a sentence each that says what to set."""
    public = {binding.name for binding in bound if binding.public}
    sections = _listening(config)
    problems = [
        f"{name}.host reaches beyond this machine: set it to 127.0.0.1, "
        f"or set {name}.allow_public_bind: true if that is what you want"
        for name in sorted(public)
        if not sections[name].allow_public_bind
    ]
    if "gateway" in public and not config.gateway.require_pairing:
        problems.append(
            "gateway.require_pairing: false would open the agent to the network: "
            "set it to true, or gateway.host to 127.0.0.1"
        )
    if "tunnel" in sections and not config.gateway.require_pairing:
        problems.append(
            "gateway.require_pairing: false would open the agent to the internet through the "
            "tunnel: set it to true, or tunnel.provider to none"
        )
    if config.autonomy.observed_until is not None and ("gateway" in public or "tunnel" in sections):
        problems.append(
            "autonomy.mode: observe would let strangers do what the rules refuse: set it to "
            "enforce, or gateway.host to 127.0.0.1 and tunnel.provider to none"
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
