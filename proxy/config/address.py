"""Hosts, networks and ports, as configuration keys hold them. A sibling of `text`."""

import re
from ipaddress import ip_address, ip_network
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from proxy.origin import Network

# Underscores are no host names by RFC 952, but compose services and containers have them.
_LABELS = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
# A resolver reads `0`, `127.1` and `0x7f.1` as addresses (0 is every interface): they are no names.
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)", re.ASCII)


def host(text: str) -> str:
    """An address or a lower-case name; raises ValueError for anything else."""
    try:
        return str(ip_address(text))
    except ValueError:
        name = text.lower()
    if len(name) > 253 or not _LABELS.fullmatch(name) or _NUMERIC.fullmatch(name):
        raise ValueError("must be an IP address or a host name, without brackets or port")
    return name


def _network(value: object) -> Network:
    if not isinstance(value, str):
        raise ValueError("must be text; quote it")  # noqa: TRY004 - pydantic collects ValueErrors
    try:
        return ip_network(value)
    except ValueError:
        raise ValueError(_why_no_network(value)) from None


def _why_no_network(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return "must be a network such as 10.0.0.0/8 or fd00::/8"
    return "must be a network: its address has bits set beyond the prefix"


def bind_host(text: str) -> str:
    """Whatever a resolver may take for this machine: layer 1 judges the addresses it stands for."""
    if not re.fullmatch(r"[!-~]{0,253}", text):
        raise ValueError("must be an IP address or a host name, without spaces")
    return text


BindHost = Annotated[str, AfterValidator(bind_host)]
Host = Annotated[str, AfterValidator(host), Field(json_schema_extra={"minLength": 1})]
Cidr = Annotated[
    Network, PlainValidator(_network), WithJsonSchema({"type": "string", "minLength": 1})
]
Port = Annotated[int, Field(ge=0, le=65535)]
LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
