"""The MCP servers that are configured: the era of each, and Sidegate's own sessions there.

A session of Sidegate's own serves modern clients of a legacy server. It belongs to one owner and
one description of a client, and is never another's: what a server remembers stays apart.
"""

import asyncio
import hashlib
import itertools
import math
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from proxy.decision import Deny
from proxy.exchange import Clock
from proxy.isolation.mcp.link import Link, Replies, Sent
from proxy.isolation.mcp.opening import (
    META,
    SELF,
    Found,
    Opened,
    end_session,
    era_of,
    open_session,
)
from proxy.mcp import LEGACY, Client, Era, Group
from proxy.protocols.mcp.methods import offered
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.values import Json

_DOUBT_SECONDS = 60.0
_IDLE_SECONDS = 600.0
_MOST_SESSIONS = 256
_MOST_OF_ONE = 16  # so that whoever describes himself in many ways crowds out only himself

Key = tuple[str, str]
"""An owner, and the digest of what a client says of itself."""


class OwnSession:
    """A session that Sidegate has opened, and the ids of its requests there."""

    def __init__(self, key: Key, opened: Opened, clock: Clock) -> None:
        self.key = key
        self.opened = opened
        self.used = clock()
        self.holders = 0
        self._clock = clock
        self._ids = itertools.count(1)

    def next_id(self) -> int:
        """An id that no request of this session has had."""
        return next(self._ids)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While it is in use: it does not become idle."""
        self.holders += 1
        try:
            yield
        finally:
            self.holders -= 1
            self.used = self._clock()


class McpServer:
    """One server. `allow`: the groups of methods that it is asked for, and may ask for."""

    def __init__(self, name: str, link: Link, allow: frozenset[Group], clock: Clock) -> None:
        self.name, self.link, self.allow = name, link, allow
        self._clock = clock
        self._found: Found | None = None
        self._asked = -math.inf
        self._doubted = False
        self._probing: asyncio.Task[Found | Deny] | None = None
        self._sessions: dict[Key, OwnSession] = {}
        self._opening: dict[Key, asyncio.Task[OwnSession | Deny]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def discovered(self) -> Mapping[str, Json]:
        """What a modern server said of itself; nothing of a legacy one."""
        return self._found.discovered if self._found else {}

    @property
    def modern_info(self) -> Mapping[str, Json]:
        """The name and version that a modern server says that it has."""
        meta = self.discovered.get("_meta")
        info = meta.get(f"{META}serverInfo") if isinstance(meta, Mapping) else None
        return info if isinstance(info, Mapping) else {}

    async def send(self, sent: Sent) -> Replies | Deny:
        """Say something by its link; once it could not be reached, its era is asked for anew."""
        replies = await self.link.send(sent)
        if isinstance(replies, Deny) and replies.reason is Reason.MCP_UNAVAILABLE:
            self.doubt()
        return replies

    def doubt(self) -> None:
        """It may have become another: its era is asked for anew, once a minute at most."""
        self._doubted = True

    async def era(self) -> Era | Deny:
        """The era that it speaks, as it last said; asked for where that is not known."""
        due = self._doubted and self._clock() - self._asked >= _DOUBT_SECONDS
        if self._found is not None and not due:
            return self._found.era
        if self._probing is None:
            self._probing = self._kept(self._probe())
        found = await asyncio.shield(self._probing)
        return found if isinstance(found, Deny) else found.era

    async def _probe(self) -> Found | Deny:
        try:
            self._asked = self._clock()
            found = await era_of(self.link)
            if isinstance(found, Found):
                self._found, self._doubted = found, False
            return found
        finally:
            self._probing = None

    async def session(self, owner: str, client: Client) -> OwnSession | Deny:
        """The session for `owner` with what `client` says of itself, opened where there is none.

        Of the client's capabilities the server is told those of its groups.
        """
        info = client.info or SELF
        capabilities = offered(client.capabilities, self.allow)
        key = (owner, _digest(info, capabilities))
        if (session := self._sessions.get(key)) is not None:
            session.used = self._clock()
            return session
        if key not in self._opening:
            self._opening[key] = self._kept(self._open(key, info, capabilities))
        return await asyncio.shield(self._opening[key])

    async def _open(
        self, key: Key, info: Mapping[str, Json], capabilities: Mapping[str, Json]
    ) -> OwnSession | Deny:
        """Open it. Whoever waits for it may leave meanwhile: it is there for who comes next."""
        try:
            opened = await open_session(self.link, info, capabilities, LEGACY[-1])
            if isinstance(opened, Deny):
                self.doubt()
                return opened
            self._make_room(key[0])
            session = OwnSession(key, opened, self._clock)
            self._sessions[key] = session
            return session
        finally:
            del self._opening[key]

    def _make_room(self, owner: str) -> None:
        """End the one that was used longest ago, of the same owner first and in use last."""
        own = [each for each in self._sessions.values() if each.key[0] == owner]
        full = own if len(own) >= _MOST_OF_ONE else [*self._sessions.values()]
        if len(own) >= _MOST_OF_ONE or len(self._sessions) >= _MOST_SESSIONS:
            self._end(min(full, key=lambda each: (each.holders > 0, each.used)))

    def _end(self, session: OwnSession) -> None:
        self.forget(session)
        self._kept(end_session(self.link, session.opened.session))

    def forget(self, session: OwnSession) -> None:
        """The server does not know it any more."""
        if self._sessions.get(session.key) is session:
            del self._sessions[session.key]

    async def tidy(self) -> None:
        """End what has been idle for long."""
        oldest = self._clock() - _IDLE_SECONDS
        for session in [*self._sessions.values()]:
            if not session.holders and session.used <= oldest:
                self._end(session)

    async def aclose(self) -> None:
        """End the sessions, and close the link."""
        for task in [*self._opening.values(), *([self._probing] if self._probing else [])]:
            task.cancel()
        for session in [*self._sessions.values()]:
            self._end(session)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.link.aclose()

    def _kept(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Work that outlives who asked for it, up to the end of everything."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _digest(info: Mapping[str, Json], capabilities: Mapping[str, Json]) -> str:
    return hashlib.sha256(dumps([info, capabilities])).hexdigest()


class Upstreams:
    """All servers, by name."""

    def __init__(self, servers: Mapping[str, McpServer]) -> None:
        self.servers = servers

    def __iter__(self) -> Iterator[McpServer]:
        return iter(self.servers.values())

    def get(self, name: str) -> McpServer | None:
        """The server of this name."""
        return self.servers.get(name)

    async def tidy(self) -> None:
        """End what has been idle for long, everywhere."""
        for server in self:
            await server.tidy()

    async def missing(self) -> str | None:
        """What a call would lack now, at the first server that lacks something."""
        lacks = await asyncio.gather(*(server.link.missing() for server in self))
        return next((each for each in lacks if each is not None), None)

    async def aclose(self) -> None:
        """End the sessions, and close the links."""
        await asyncio.gather(*(server.aclose() for server in self))
