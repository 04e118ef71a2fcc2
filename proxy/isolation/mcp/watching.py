"""What is wanted to be heard beside answers: the resources and logs that clients asked for.

Of sessions, it is kept in memory and forgotten with the oldest; of modern clients, each request to
listen says all of it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from proxy.mcp import Group
from proxy.values import Json

MAX_SESSIONS = 4096
MAX_URIS = 256
"""Of one session at one server, or of one request."""

KINDS: Mapping[str, tuple[str, Group]] = {
    "toolsListChanged": ("notifications/tools/list_changed", Group.TOOLS),
    "promptsListChanged": ("notifications/prompts/list_changed", Group.PROMPTS),
    "resourcesListChanged": ("notifications/resources/list_changed", Group.RESOURCES),
}
"""What can be listened for: the notification, and the group that it belongs to."""
RESOURCES = "resourceSubscriptions"
UPDATED = "notifications/resources/updated"


@dataclass
class Watched:
    """What one session watches at modern servers. `changed` is set when it is another."""

    uris: dict[str, set[str]] = field(default_factory=dict)
    level: str | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def subscribe(self, server: str, uri: str) -> bool:
        """Watch a resource; whether there is room for it."""
        uris = self.uris.setdefault(server, set())
        if uri not in uris and len(uris) >= MAX_URIS:
            return False
        uris.add(uri)
        self._tell()
        return True

    def unsubscribe(self, server: str, uri: str) -> None:
        """Watch it no longer."""
        self.uris.get(server, set()).discard(uri)
        self._tell()

    def _tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Watches:
    """Of all sessions, by their ids."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Watched] = OrderedDict()

    def of(self, session: str) -> Watched:
        """What this session watches, nothing at first."""
        watched = self._sessions.setdefault(session, Watched())
        self._sessions.move_to_end(session)
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return watched

    def level(self, session: str) -> str | None:
        """From which level on this session wants to hear of logs."""
        watched = self._sessions.get(session)
        return watched.level if watched is not None else None

    def drop(self, session: str) -> None:
        """The session has ended."""
        self._sessions.pop(session, None)


def wanted(said: Json, allow: frozenset[Group]) -> dict[str, Json] | None:
    """What of a wish to listen may be heard; None for what is no such wish."""
    if not isinstance(said, Mapping):
        return None
    uris = said.get(RESOURCES, ())
    if not isinstance(uris, Sequence) or isinstance(uris, str) or len(uris) > MAX_URIS:
        return None
    kept: dict[str, Json] = {
        kind: True
        for kind, (_, group) in KINDS.items()
        if said.get(kind) is True and group in allow
    }
    texts: list[Json] = [uri for uri in uris if isinstance(uri, str)]
    return {**kept, RESOURCES: texts} if texts and Group.RESOURCES in allow else kept


def everything(allow: frozenset[Group], uris: Sequence[str]) -> dict[str, Json]:
    """The wish for all that a session hears without asking, and for these resources."""
    listed: list[Json] = list(uris)
    return wanted({**dict.fromkeys(KINDS, True), RESOURCES: listed}, allow) or {}


def is_wanted(method: str, params: Mapping[str, Json], wish: Mapping[str, Json]) -> bool:
    """Whether a notification was wished for."""
    if method == UPDATED:
        uris = wish.get(RESOURCES, ())
        assert isinstance(uris, Sequence)
        return params.get("uri") in uris
    return any(name == method and wish.get(kind) is True for kind, (name, _) in KINDS.items())
