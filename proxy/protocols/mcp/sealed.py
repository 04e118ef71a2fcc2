"""What Sidegate gives away to be brought back: sessions, and states of requests that go on later.

Whoever holds them can neither read nor change them, and so nothing of them is kept here: every
replica with the same master key knows them.
"""

import base64
import binascii
from collections.abc import Callable, Mapping

from proxy.decision import Malformed
from proxy.mcp import Session
from proxy.protocols.strict_json import dumps, loads_object
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.values import Json

SECONDS = 86400.0
"""How long a session can be used."""
MAX_ID = 6144
"""Characters of the id of a session, which is a header field."""
MAX_STATE = 65536
"""Characters of a state."""
_PURPOSE = "mcp session"
_STATE = "mcp state"
_AHEAD = 60.0  # between the clocks of replicas
_INFO = ("name", "version", "title")
_MAX_TEXT = 128
_MAX_CAPABILITIES = 1024

Clock = Callable[[], float]


class Sessions:
    """Legacy sessions, whole in their ids."""

    def __init__(self, seal: Seal, clock: Clock) -> None:
        self._seal = seal
        self._clock = clock

    def issue(
        self,
        owner: str,
        revision: str,
        info: Mapping[str, Json],
        capabilities: Mapping[str, Json],
        servers: Mapping[str, tuple[str, str]],
    ) -> Session:
        """A new session. Raises Malformed(PARAMETERS_INVALID) for what no id has room for."""
        issued = self._clock()
        kept, able = _info(info), _capabilities(capabilities)
        content: Json = {
            "owner": owner,
            "revision": revision,
            "info": kept,
            "capabilities": able,
            "servers": {name: list(each) for name, each in servers.items()},
            "issued": issued,
        }
        id_ = _written(self._seal.seal(_PURPOSE, "", dumps(content)))
        if len(id_) > MAX_ID:
            raise Malformed(Reason.PARAMETERS_INVALID, "session too large")
        return Session(id_, owner, revision, kept, able, dict(servers), issued)

    def read(self, id_: str) -> Session:
        """The session of this id; raises Malformed(SESSION_UNKNOWN) for any other or an old one."""
        data = _opened(self._seal, _PURPOSE, "", id_, MAX_ID)
        if data is None:
            raise Malformed(Reason.SESSION_UNKNOWN, "not one of ours")
        session = _session(id_, loads_object(data))
        if not -_AHEAD <= self._clock() - session.issued <= SECONDS:
            raise Malformed(Reason.SESSION_UNKNOWN, "old")
        return session


class States:
    """What a client is to bring back unread, each for one purpose."""

    def __init__(self, seal: Seal, clock: Clock) -> None:
        self._seal = seal
        self._clock = clock

    def issue(self, purpose: str, content: Mapping[str, Json]) -> str:
        """`content`, to be read again only for this purpose. It is at most some tens of KB."""
        data = dumps({"issued": self._clock(), "content": content})
        return _written(self._seal.seal(_STATE, purpose, data))

    def read(self, purpose: str, text: str, max_age: float) -> Mapping[str, Json] | None:
        """What was issued for this purpose at most `max_age` seconds ago; None for all else."""
        data = _opened(self._seal, _STATE, purpose, text, MAX_STATE)
        if data is None:
            return None
        state = loads_object(data)
        issued, content = state["issued"], state["content"]
        assert isinstance(issued, int | float)
        assert isinstance(content, Mapping)
        return content if -_AHEAD <= self._clock() - issued <= max_age else None


def _written(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _opened(seal: Seal, purpose: str, about: str, text: str, most: int) -> bytes | None:
    """What is sealed in a text, None where nothing is, or where it is written in another way."""
    if not 0 < len(text) <= most:
        return None
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return seal.unseal(purpose, about, sealed) if _written(sealed) == text else None
    except (binascii.Error, ValueError):
        return None


def _session(id_: str, content: Mapping[str, Json]) -> Session:
    match content:
        case {
            "owner": str(owner),
            "revision": str(revision),
            "info": Mapping() as info,
            "capabilities": Mapping() as able,
            "servers": Mapping() as servers,
            "issued": float() | int() as issued,
        }:
            return Session(
                id_, owner, revision, info, able, dict(map(_server, servers.items())), issued
            )
    raise Malformed(Reason.SESSION_UNKNOWN, "of another version")


def _server(item: tuple[str, Json]) -> tuple[str, tuple[str, str]]:
    match item:
        case (name, [str(revision), str(session)]):
            return name, (revision, session)
    raise Malformed(Reason.SESSION_UNKNOWN, "of another version")


def _info(info: Mapping[str, Json]) -> dict[str, Json]:
    """Who a client says that it is, cut to what a line can show."""
    texts = ((name, info.get(name)) for name in _INFO)
    return {name: text[:_MAX_TEXT] for name, text in texts if isinstance(text, str)}


def _capabilities(capabilities: Mapping[str, Json]) -> dict[str, Json]:
    """What a client says that it can, as far as servers could use it."""
    known = ("sampling", "elicitation", "roots", "tasks")
    able = {
        name: capabilities[name] for name in known if isinstance(capabilities.get(name), Mapping)
    }
    if len(dumps(able)) > _MAX_CAPABILITIES:
        return {name: {} for name in able}
    return able
