"""DOCKER_HOST: where the engine is, in the forms of Docker's own programs that are supported here.

Whoever can write to an engine's socket is root on its machine, so its address says as much about
the safety of that machine as the sandbox does.
"""

import ipaddress
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

_FORMS = "unix:///absolute/path, tcp://host:port or https://host:port"


def check_address(host: str) -> str:
    """The address; raises OSError where it is not one of an engine's."""
    try:
        known = _is_unix(host) or _is_tcp(urlsplit(host))
    except ValueError:
        known = False
    if not known:
        raise OSError(f"DOCKER_HOST is not the address of an engine: it must be {_FORMS}")
    return host


def address_caution(host: str, environ: Mapping[str, str]) -> str | None:
    """What the operator should know of an address that was checked: a sentence, or None."""
    parts = urlsplit(host)
    encrypted = parts.scheme == "https" or environ.get("DOCKER_TLS_VERIFY") == "1"
    if _is_unix(host) or encrypted or _is_loopback(parts.hostname or ""):
        return None
    return (
        f"DOCKER_HOST is {host}, neither encrypted nor on this machine: whoever is on the way"
        " reads and changes what is run; set DOCKER_TLS_VERIFY=1 and DOCKER_CERT_PATH"
    )


def _is_unix(host: str) -> bool:
    return host.startswith("unix:///") and host != "unix:///"


def _is_tcp(parts: SplitResult) -> bool:
    """Whether it is a host and a port, and nothing more."""
    whole = parts.hostname is not None and parts.port is not None and parts.username is None
    return parts.scheme in {"tcp", "http", "https"} and whole and not any(parts[2:])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
