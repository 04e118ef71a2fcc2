"""What tools were when they were first seen, and whether they still are.

A server can change what it says of a tool after it was looked at, and speaks to the model in every
word of it. So the first definition is trusted, and another one only when the operator says so.
"""

import asyncio
import functools
import hashlib
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from proxy.config.patterns import is_name
from proxy.decision import Deny, told
from proxy.exchange import Clock
from proxy.mcp import Definition
from proxy.protocols.mcp import lint
from proxy.reasons import Reason
from proxy.state.pins import MAX_DEFINITION_BYTES, MAX_PINNED, Pins, Seen
from proxy.values import Json

log = structlog.get_logger()  # for a state that cannot tell what is trusted

Tool = Mapping[str, Json]
Look = Callable[[str], Awaitable[Sequence[Tool] | Deny]]
"""All tools of a server, as it lists them now; why they are not known, where they are not."""

_FRESH_SECONDS = 1.0
"""For which what was looked at is taken for what there is, unless somebody is to act on it."""
_KNOWN_SECONDS = 30.0
"""For which the state is not asked again about what is trusted: it may be forgotten there."""
_LOOK_SECONDS = 30.0
_MOST_KNOWN = 2 * MAX_PINNED


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a server listed, and what of it can be pinned, by name; and until when that counts."""

    definitions: Mapping[str, Definition]
    seen: Mapping[str, Seen]
    until: float = 0.0


@dataclass
class _Server:
    """What is known of a server. `trusted`: until when a tool and digest are taken for trusted.

    `turn` counts what made older looks void; `begun` is that of the look that is under way.
    """

    looked: _Looked | None = None
    looking: asyncio.Task[_Looked | Deny] | None = None
    begun: int = 0
    turn: int = 0
    trusted: dict[tuple[str, str], float] = field(default_factory=dict)


class Definitions:
    """The definitions of the tools of all servers. `clock` tells the time that is remembered."""

    def __init__(
        self, pins: Pins, look: Look, clock: Clock, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._pins = pins
        self._look = look
        self._clock = clock
        self._ticks = ticks
        self._servers: dict[str, _Server] = {}

    async def learn(self, server: str, tools: Sequence[Tool]) -> frozenset[str]:
        """Take note of all tools of a server; the names of those that are trusted.

        None is, where the state cannot tell.
        """
        read = await asyncio.to_thread(_read, server, tools)
        try:
            return await self._trusted(server, read.seen.values())
        except OSError as error:
            log.error("state unavailable", error=told(error))
            return frozenset()

    async def find(self, server: str, tool: str, *, now: bool = False) -> Definition | Deny | None:
        """A tool as its server defines it; None where it has no such tool.

        `now`: the server is asked, however short a time ago it was.
        """
        if now:
            self.stale(server)
        try:
            looked = await self._fresh(server)
            if isinstance(looked, Deny):
                return looked
            found, seen = looked.definitions.get(tool), looked.seen.get(tool)
            if found is None or found.trusted or seen is None:
                return found
            # It may have been accepted since.
            return replace(found, trusted=tool in await self._trusted(server, [seen]))
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, type(error).__name__)

    def stale(self, server: str) -> None:
        """Look again before anything else is said of this server's tools."""
        known = self._servers.get(server)
        if known is not None:
            known.looked = None
            known.turn += 1

    async def aclose(self) -> None:
        """Look no more."""
        tasks = [each.looking for each in self._servers.values() if each.looking is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _fresh(self, server: str) -> _Looked | Deny:
        """What there is now. Those who ask at one time look once, and it goes on if one leaves."""
        known = self._servers.setdefault(server, _Server())
        if known.looked is not None and self._ticks() < known.looked.until:
            return known.looked
        if known.looking is not None and known.begun != known.turn:
            await asyncio.wait([known.looking])  # and what it finds may be old
        if known.looking is None:
            known.begun = known.turn
            known.looking = asyncio.create_task(self._looked(server, known))
            known.looking.add_done_callback(functools.partial(_ended, known))
        return await asyncio.shield(known.looking)

    async def _looked(self, server: str, known: _Server) -> _Looked | Deny:
        turn, until = known.turn, self._ticks() + _FRESH_SECONDS
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                tools = await self._look(server)
        except TimeoutError:
            return Deny(Reason.MCP_LATE, "tools/list")
        if isinstance(tools, Deny):
            return tools
        read = await asyncio.to_thread(_read, server, tools)
        trusted = await self._trusted(server, read.seen.values())
        definitions = {
            name: replace(each, trusted=name in trusted) for name, each in read.definitions.items()
        }
        waiting = {name: seen for name, seen in read.seen.items() if name not in trusted}
        looked = _Looked(definitions, waiting, until)
        if turn == known.turn:
            known.looked = looked
        return looked

    async def _trusted(self, server: str, shown: Collection[Seen]) -> frozenset[str]:
        """The names of those that are trusted; raises OSError."""
        known = self._servers.setdefault(server, _Server()).trusted
        now = self._ticks()
        rest = [each for each in shown if now >= known.get((each.tool, each.digest), 0.0)]
        sure = frozenset(each.tool for each in shown) - {each.tool for each in rest}
        if not rest:
            return sure
        noted = await asyncio.to_thread(lambda: [_noted(each) for each in rest])
        found = await self._pins.see(server, noted, self._clock())
        if len(known) + len(found) > _MOST_KNOWN:
            known.clear()
        for each in rest:
            if each.tool in found:
                known[each.tool, each.digest] = now + _KNOWN_SECONDS
        return sure | found


def _read(server: str, tools: Sequence[Tool]) -> _Looked:
    """Each tool by a name that policy can have; it can be pinned if it has that alone and fits."""
    named = [(str(tool.get("name")), tool) for tool in tools[:MAX_PINNED]]
    count = Counter(name for name, _ in named)
    definitions: dict[str, Definition] = {}
    seen: dict[str, Seen] = {}
    for name, tool in named:
        if name != tool.get("name") or not is_name(f"{server}.{name}"):
            continue
        schema, content = tool.get("inputSchema"), _canonical(tool)
        digest = hashlib.sha256(content).hexdigest()
        schema = schema if isinstance(schema, Mapping) else {}
        definitions[name] = Definition(server, name, schema, digest, trusted=False)
        if count[name] == 1 and 0 < len(content) <= MAX_DEFINITION_BYTES:
            seen[name] = Seen(name, digest, content)
    return _Looked(definitions, seen)


def _canonical(tool: Tool) -> bytes:
    """The definition as it is pinned, and empty for what nobody could be shown."""
    try:
        return lint.canonical(tool)
    except (ValueError, RecursionError):
        return b""


def _noted(seen: Seen) -> Seen:
    """The same with a note of what is hidden in it."""
    return replace(seen, note=lint.hidden(json.loads(seen.content)))


def _ended(known: _Server, task: asyncio.Task[_Looked | Deny]) -> None:
    known.looking = None
    if not task.cancelled():
        task.exception()  # who waited has been told
