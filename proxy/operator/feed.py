"""What waits and what is stopped, as it changes: server-sent events for the operator.

First comes what waits and what is stopped, then one event for each change, and a comment while
nothing changes, so that both ends notice where the other is gone. The form is that of the HTML
standard's section on server-sent events.
"""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field

from proxy.authorization.approvals import Approvals
from proxy.authorization.stops import Stops
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Frame, Stream
from proxy.operator.views import Views, stop_rows
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.state.approvals import Ask, Progress, Standing, Stop
from proxy.values import Headers, Json

_HEADERS = Headers((("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")))
_SHARE = 10  # no more than a tenth of the time is spent on looking
_BEAT = Frame("events", b": still here\n\n")


@dataclass(slots=True)
class Seen:
    """What a reader knows of already; `file`: whether the file stands that stops everything."""

    asks: dict[str, Standing] = field(default_factory=dict)
    stops: frozenset[str] = frozenset()
    file: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What there was, to be taken for what there is `until` then, by the loop's own clock.

    `asks`: those of them that somebody has read meanwhile, whole, or None where one was gone.
    `rows`: lists of them, by their ids, as somebody was shown them.
    """

    progress: Mapping[str, Progress]
    stops: list[Stop]
    until: float
    asks: dict[str, Ask | None] = field(default_factory=dict)
    rows: dict[tuple[str, ...], list[Json]] = field(default_factory=dict)


@dataclass
class Feed:
    """At most `most` readers; each looks every `look` seconds, and is told nothing for `beat`."""

    approvals: Approvals
    stops: Stops
    views: Views
    most: int = 16
    look: float = 1.0
    beat: float = 15.0
    pending: int = 0
    """How many calls waited for the operator when it was looked last."""
    _found: Found | None = None
    _readers: set[object] = field(default_factory=set)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    _writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __len__(self) -> int:
        return len(self._readers)

    def wake(self) -> None:
        """Something has changed."""
        self._found = None
        self._changed.set()
        self._changed = asyncio.Event()

    async def count(self, seconds: float = 5.0) -> None:
        """Keep `pending` right, every so often until cancelled, whether or not somebody reads."""
        while True:
            with contextlib.suppress(OSError):  # the next time may be better
                await self._look()
            if not self._readers:
                self._found = None
            await asyncio.sleep(seconds)

    async def open(self) -> Decision[Content]:
        """A stream of events, until whoever reads it leaves."""
        if len(self._readers) >= self.most:
            return Deny(Reason.EVENTS_FULL)
        reader = object()
        self._readers.add(reader)
        leave = functools.partial(self._readers.discard, reader)
        return Allow(Stream(200, _HEADERS, self._frames(), leave, masked=True))

    async def _frames(self) -> AsyncIterator[Frame]:
        loop = asyncio.get_running_loop()
        seen, changed = Seen(), self._changed
        yield await self._snapshot(seen)
        told = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.look):
                    await changed.wait()
            changed = self._changed
            events = await self._news(seen)
            if not events and loop.time() - told >= self.beat:
                events = [_BEAT]
            for event in events:
                yield event
                told = loop.time()

    async def _snapshot(self, seen: Seen) -> Frame:
        found = await self._look()
        seen.asks, seen.stops = _standings(found), _ids(found.stops)
        seen.file = self.stops.file_stands()
        rows = await self._rows(found, _waiting(found))
        stops = stop_rows(found.stops)
        return _event("snapshot", {"approvals": rows, "stops": stops, "file": seen.file})

    async def _news(self, seen: Seen) -> list[Frame]:
        """An event for each change since the last time."""
        found = await self._look()
        known, seen.asks = seen.asks, _standings(found)
        stood, seen.stops = seen.stops, _ids(found.stops)
        file, seen.file = seen.file, self.stops.file_stands()
        new = await self._rows(found, [key for key in seen.asks if key not in known])
        moved = await self._whole(
            found, [key for key, now_is in seen.asks.items() if known.get(key, now_is) != now_is]
        )
        stopped = stop_rows(stop for stop in found.stops if stop.id not in stood)
        return [
            *(_event("asked", row) for row in new),
            *(_event("decided", self._decided(ask)) for ask in moved),
            *(_event("ended", {"id": gone}) for gone in sorted(known.keys() - seen.asks.keys())),
            *(_event("stopped", row) for row in stopped),
            *(_event("lifted", {"id": gone}) for gone in sorted(stood - seen.stops)),
            *([_event("file", {"stands": seen.file})] if file is not seen.file else []),
        ]

    def _decided(self, ask: Ask) -> Json:
        standing = self.views.standing(ask)
        return {"id": ask.id, "standing": standing, "decided_by": ask.decided_by}

    async def _look(self) -> Found:
        """What there is. Readers look together, and the less often the longer it takes."""
        async with self._looking:
            return await self._looked()

    async def _looked(self) -> Found:
        loop, now = asyncio.get_running_loop(), self.approvals.clock()
        found, began, changed = self._found, loop.time(), self._changed
        if found is None or began >= found.until:
            progress = await self.approvals.asks.progress(now)
            stops = await self.stops.stops.list(now)
            took = loop.time() - began
            found = Found(progress, stops, loop.time() + max(self.look / 2, _SHARE * took))
            self.pending = len(_waiting(found))
            if changed is self._changed:
                self._found = found
        return found

    async def _rows(self, found: Found, ids: Iterable[str]) -> list[Json]:
        """Those asks as they are shown, each list written once for all readers."""
        wanted = tuple(ids)
        async with self._writing:
            if wanted not in found.rows:
                found.rows[wanted] = await self.views.asks(await self._whole(found, wanted))
        return found.rows[wanted]

    async def _whole(self, found: Found, ids: Iterable[str]) -> list[Ask]:
        """Those asks of what was found that are still there, each read once for all readers.

        Calls may be large and many, and whoever makes them could else keep the state busy.
        """
        now = self.approvals.clock()
        for ask_id in ids:
            if ask_id not in found.asks:
                found.asks[ask_id] = await self.approvals.asks.get(ask_id, now)
        return [ask for ask_id in ids if (ask := found.asks[ask_id]) is not None]


def _standings(found: Found) -> dict[str, Standing]:
    return {ask_id: each.standing for ask_id, each in found.progress.items()}


def _waiting(found: Found) -> list[str]:
    """The ids of the asks that the operator has not decided, oldest first."""
    return [key for key, each in found.progress.items() if each.standing is Standing.PENDING]


def _ids(stops: list[Stop]) -> frozenset[str]:
    return frozenset(stop.id for stop in stops)


def _event(name: str, data: Json) -> Frame:
    # JSON in one line: nothing in it can end the event or begin another.
    return Frame("events", f"event: {name}\ndata: ".encode() + dumps(data) + b"\n\n")
