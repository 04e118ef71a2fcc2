"""The opening handshake of a WebSocket, as it is asked for and as it is answered (RFC 6455 4).

Sidegate is the server to the client and a client to the agent: two handshakes, each with a key of
its own, and neither with an extension, so that every frame can be read on its way.
"""

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from proxy.actions import Upgrade
from proxy.decision import Malformed
from proxy.exchange import Inbound
from proxy.reasons import Reason
from proxy.values import Headers

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def asked(inbound: Inbound) -> Upgrade | None:
    """The WebSocket that a request asks for, None where it asks for none; raises Malformed.

    An upgrade to anything else is ignored, as a server may, and in HTTP/1.0 must (RFC 9110 7.8).
    """
    headers = inbound.headers
    wanted = _tokens(headers.all("upgrade"))
    if "websocket" not in wanted or inbound.method != "GET" or inbound.version < (1, 1):
        return None
    if wanted != ["websocket"] or "upgrade" not in _tokens(headers.all("connection")):
        raise Malformed(Reason.HANDSHAKE_MALFORMED, "upgrade")
    if headers.all("sec-websocket-version") != ["13"]:
        raise Malformed(Reason.HANDSHAKE_MALFORMED, "version")
    if not _is_key(headers.all("sec-websocket-key")):
        raise Malformed(Reason.HANDSHAKE_MALFORMED, "key")
    if headers.all("transfer-encoding") or headers.get("content-length") not in (None, "0"):
        raise Malformed(Reason.HANDSHAKE_MALFORMED, "body")
    return Upgrade(_protocols(headers.all("sec-websocket-protocol")))


def answered(headers: Headers) -> Headers:
    """The fields that accept what was asked with these ones."""
    accept = _accept(headers.get("sec-websocket-key") or "")
    fields = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept))
    return Headers(fields)


@dataclass(frozen=True, slots=True)
class Offer:
    """A handshake that is asked of the agent."""

    protocols: tuple[str, ...] = ()
    key: str = field(default_factory=lambda: base64.b64encode(os.urandom(16)).decode())

    @property
    def fields(self) -> Mapping[str, str]:
        """What asks for it."""
        offered = {"Sec-WebSocket-Protocol": ", ".join(self.protocols)} if self.protocols else {}
        return {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": self.key,
            **offered,
        }

    def kept(self, headers: Headers) -> bool:
        """Whether an answer of status 101 accepts this, and nothing that was not offered."""
        chosen = headers.all("sec-websocket-protocol")
        return (
            _tokens(headers.all("upgrade")) == ["websocket"]
            and "upgrade" in _tokens(headers.all("connection"))
            and headers.all("sec-websocket-accept") == [_accept(self.key)]
            and not headers.all("sec-websocket-extensions")
            and (not chosen or (len(chosen) == 1 and chosen[0] in self.protocols))
        )


def _tokens(values: Iterable[str]) -> list[str]:
    return [token.strip(" \t").lower() for token in ",".join(values).split(",")]


def _protocols(values: list[str]) -> tuple[str, ...]:
    """The subprotocols offered: tokens, each once (RFC 6455 section 4.1)."""
    if not values:
        return ()
    names = [name.strip(" \t") for name in ",".join(values).split(",")]
    if len(set(names)) != len(names) or not all(map(_TOKEN.fullmatch, names)):
        raise Malformed(Reason.HANDSHAKE_MALFORMED, "subprotocol")
    return tuple(names)


def _is_key(values: list[str]) -> bool:
    """Whether there is one key: sixteen bytes in base64."""
    try:
        return len(values) == 1 and len(base64.b64decode(values[0], validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _accept(key: str) -> str:
    digest = hashlib.sha1(key.encode() + _GUID)  # noqa: S324 - the protocol's, and no secret
    return base64.b64encode(digest.digest()).decode()
