"""What things of several servers are called: on the wire to clients, and in the rules.

The rules say `github.get_me`. Models are shown names without dots, so a list says `get_me` where
there is one server, and `github__get_me` where there are several: a server's name holds no `__`.
"""

import base64
import binascii
import re

from proxy.decision import Malformed
from proxy.jsonrpc import Id
from proxy.protocols.strict_json import dumps, loads

MAX_SERVER = 32
_SERVER = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]|_(?!_))*(?<!_)", re.ASCII)
_JOINED = "__"
MAX_TAG = 4096
"""Characters of a tag."""


def is_server(text: str) -> bool:
    """Whether a server can have this name."""
    return len(text) <= MAX_SERVER and _SERVER.fullmatch(text) is not None


class Names:
    """The names of all tools. `own`: the policy names of those that are no MCP server's.

    A name has several spellings, and every spelling one name: the tool that is shown under one is
    the tool that is then decided on.
    """

    def __init__(self, servers: tuple[str, ...], own: frozenset[str]) -> None:
        assert all(map(is_server, servers))
        self.servers = servers
        self._only = servers[0] if len(servers) == 1 else ""
        exact = {name: name for name in own if name.partition(".")[0] not in servers}
        self._own = {name.replace(".", _JOINED): name for name in exact} | exact

    def policy(self, wire: str) -> str:
        """The name that the rules know a tool by; one that is nobody's stays as it is."""
        if wire in self._own:
            return self._own[wire]
        server, tool = self.split(wire)
        return f"{server}.{tool}" if server else wire

    def split(self, wire: str) -> tuple[str, str]:
        """The server and its own name of a tool or prompt; server "" where it is nobody's."""
        for joined in (_JOINED, "."):
            server, found, name = wire.partition(joined)
            if found and name and server in self.servers:
                return server, name
        return self._only, wire

    def wire(self, server: str, name: str) -> str:
        """The name that a client is shown for a server's tool or prompt."""
        spellings = (*((name,) if server == self._only else ()), f"{server}{_JOINED}{name}")
        policy = f"{server}.{name}"
        return next((each for each in spellings if self.policy(each) == policy), policy)

    def own_wire(self, name: str) -> str:
        """The name that a client is shown for a tool that is no server's."""
        spelling = name.replace(".", _JOINED)
        return spelling if self.policy(spelling) == name else name

    def uri(self, server: str, uri: str) -> str:
        """The URI that a client is shown for a server's resource."""
        return uri if server == self._only else f"{server}+{uri}"

    def split_uri(self, wire: str) -> tuple[str, str]:
        """The server and its own URI of a resource; server "" where it is nobody's."""
        if self._only:
            return self._only, wire
        server, plus, uri = wire.partition("+")
        return (server, uri) if plus and server in self.servers else ("", wire)


def tagged(server: str, id_: Id) -> str:
    """An id of a server's, as clients are shown it: never that of another server."""
    return f"{server}.{base64.urlsafe_b64encode(dumps(id_)).decode().rstrip('=')}"


def untagged(text: str) -> tuple[str, Id] | None:
    """The server and its id in its own type, None for what `tagged` did not make."""
    server, _, coded = text.partition(".")
    if len(text) > MAX_TAG or not is_server(server):
        return None
    try:
        id_ = loads(base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)))
    except (binascii.Error, ValueError, Malformed):
        return None
    if isinstance(id_, bool) or not isinstance(id_, str | int) or tagged(server, id_) != text:
        return None
    return server, id_
