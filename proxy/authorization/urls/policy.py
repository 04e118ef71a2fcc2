"""Judge a URL that a tool will open: its form, its host, and where that leads.

A URL is read by a closed grammar and by two parsers, and refused where they differ: the tool that
opens it has a third. The host must be listed, and every address it has be public. The tool resolves
the name again by itself, so this holds for honest names; what cannot be reached must be cut off by
the network as well.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Self
from urllib.parse import SplitResult, urlsplit

import idna
from yarl import URL

from proxy.authorization.urls.addresses import is_public
from proxy.authorization.urls.resolver import OneCall, Resolve
from proxy.reasons import Reason

_LONGEST = 8192
_LONGEST_HOST = 253  # of the DNS, in A-labels, which are never shorter
# No userinfo, no escapes; a query right behind the host must hold no "@", which some parsers take
# for the end of a userinfo.
_FORM = re.compile(
    r"(?i:https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]@:/?#%\\]+)(?::[0-9]{1,5})?(?=/|\Z|[?#][^@]*\Z)"
)
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# `0`, `127.1` and `0x7f.1` are addresses to most resolvers, and no names.
_NUMERIC = re.compile(r"(?:.*\.)?(?:0x[0-9a-f]*|[0-9]+)")
# Where clouds answer with credentials, and names that only a private network gives.
_PRIVATE_NAMES = ("localhost", "localdomain", "local", "internal", "lan", "home.arpa", "intranet")


@dataclass(frozen=True)
class Domains:
    """An allowlist of hosts, in lower case and A-labels; empty: none.

    `*.example.com` covers sub-domains and not example.com itself; `*` covers every name, but no
    address, which must be listed itself.
    """

    names: frozenset[str]

    @classmethod
    def build(cls, domains: Sequence[str]) -> Self:
        """The list of these entries."""
        return cls(frozenset(_canonical(domain.lower()) for domain in domains))

    def cover(self, host: str) -> bool:
        """Whether a canonical host is listed."""
        if host in self.names:
            return True
        if _is_address(host):
            return False
        labels = host.split(".")
        parents = {".".join(labels[count:]) for count in range(1, len(labels))}
        return "*" in self.names or any(f"*.{parent}" in self.names for parent in parents)


class UrlPolicy:
    """Which URLs tools may be given."""

    def __init__(self, domains: Sequence[str] | Domains, resolve: Resolve) -> None:
        self._domains = domains if isinstance(domains, Domains) else Domains.build(domains)
        self._resolve = resolve

    def for_call(self, owner: str) -> "UrlPolicy":
        """The same rules, with a share of the look-ups and a time for all of one call."""
        return UrlPolicy(self._domains, OneCall(self._resolve, owner))

    async def check(self, url: str) -> Reason | None:
        """Why a tool may not be given `url`; None where it may."""
        host = host_of(url)
        if host is None:
            return Reason.URL_NOT_ALLOWED
        if _is_address(host):
            public = is_public(host)
        else:
            public = not any(f".{host}".endswith(f".{name}") for name in _PRIVATE_NAMES)
        if not public:
            return Reason.URL_PRIVATE
        if not self._domains.cover(host):
            return Reason.URL_NOT_ALLOWED
        return None if _is_address(host) else await self._leads_to(host)

    async def _leads_to(self, host: str) -> Reason | None:
        try:
            addresses = await self._resolve(host)
        except (OSError, UnicodeError):
            return Reason.URL_UNRESOLVED
        if not addresses:
            return Reason.URL_UNRESOLVED
        return None if all(map(is_public, addresses)) else Reason.URL_PRIVATE


def host_of(url: str) -> str | None:
    """The host of a URL, an address or a name in A-labels; None where not all agree on it."""
    found = _FORM.match(url) if len(url) <= _LONGEST else None
    if found is None or len(found["host"]) > _LONGEST_HOST or not all(map(_is_legible, url)):
        return None
    try:
        host = _canonical_host(found["host"])
        split, other = urlsplit(url), URL(url)
        agreed = host is not None and _agree(host, split, other)
    except ValueError:  # idna's and both parsers' errors are such
        return None
    return host if agreed else None


def _is_legible(char: str) -> bool:
    """Whether a character is no blank, no control, nothing invisible, and no backslash."""
    return char != "\\" and unicodedata.category(char)[0] not in "CZ"


def _canonical_host(text: str) -> str | None:
    """One spelling of each host; None for what no parser, or only some, would take for one."""
    if text.startswith("["):
        return str(IPv6Address(text[1:-1]))
    name = text.lower() if text.isascii() else text
    if _NUMERIC.fullmatch(name):
        return _canonical(name) if _is_address(name) else None
    encoded = idna.encode(name, strict=True).decode()
    # The older standard makes another name of a few characters: fass.de of faß.de.
    if not name.isascii() and name.encode("idna").decode() != encoded:
        return None
    return encoded if all(map(_LABEL.fullmatch, encoded.split("."))) else None


def _agree(host: str, split: SplitResult, other: URL) -> bool:
    """Whether both parsers read this host, and otherwise the same."""
    plain = split.scheme in {"http", "https"} and split.username is None and other.user is None
    same = (split.scheme, split.port) == (other.scheme, other.explicit_port)
    first = _canonical_host(
        f"[{split.hostname}]" if ":" in (split.hostname or "") else split.hostname or ""
    )
    second = _canonical(other.raw_host or "")
    return plain and same and split.port != 0 and first == second == host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _canonical(host: str) -> str:
    """An address in its one spelling; a name as it is."""
    return str(ip_address(host)) if _is_address(host) else host
