"""One process of a server, and who waits for what it says.

A line is a message. What it says belongs to the request that it answers, or whose progress it tells
of; all else to the latest that is not answered yet, and where there is none to whoever listens.
Whatever is no message ends the process: nobody knows any more what it means.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import structlog

from proxy.decision import Denied, Deny, Malformed, told
from proxy.isolation.mcp.link import Event, Replies
from proxy.isolation.run import STDERR, Talk
from proxy.jsonrpc import Id, Message, Notification, Request, Response, as_json
from proxy.mcp import Verb
from proxy.protocols.mcp.messages import loads_message
from proxy.protocols.strict_json import dumps
from proxy.reasons import Layer, Reason
from proxy.values import Json

log = structlog.get_logger()

_MAX_LINE = 4 << 20
_MOST_EVENTS = 1024  # that nobody has taken yet, of one request or of who listens
_MOST_WAITING = 256
_OF_NO_REQUEST = ("/list_changed", "/updated")
_TOLD_LINES, _TOLD_CHARACTERS = 20, 500

_Item = Event | Denied | None


@dataclass(eq=False)
class _Exchange:
    """What is still to be said to one caller; None is the end of it."""

    request: Request | None
    items: deque[_Item] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, item: _Item) -> None:
        """Say something more. Who takes nothing is told in the end that it was too much."""
        if len(self.items) >= _MOST_EVENTS and isinstance(item, Event):
            if self.request is None:
                return
            item = _unreadable()
        self.items.append(item)
        self.news.set()

    async def events(self) -> AsyncIterator[Event]:
        """All of it; raises Denied."""
        while True:
            item = await self.next()
            if item is None:
                return
            yield item

    async def next(self) -> Event | None:
        """The next of it; raises Denied."""
        while not self.items:
            self.news.clear()
            await self.news.wait()
        item = self.items.popleft()
        if isinstance(item, Denied):
            raise item
        return item


class _Lines:
    """A stream as lines, of which none is too long or empty."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that end in `data`; raises Malformed."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE:
            raise Malformed(Reason.MCP_UNREADABLE, "a line too long")
        return [line for line in lines if line.strip()]


class Speaker:
    """A process, from its start to its end. `clock` gives seconds that never go back."""

    def __init__(self, name: str, job: Talk, clock: Callable[[], float]) -> None:
        self._name = name
        self._job = job
        self._clock = clock
        self._waiting: dict[Id, _Exchange] = {}
        self._listeners: list[_Exchange] = []
        self._reading: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._told = _TOLD_LINES
        self.gone = False
        self.used = clock()

    @property
    def idle(self) -> float:
        """Seconds since it was last used; 0 while somebody waits."""
        return 0.0 if self._waiting or self._listeners else self._clock() - self.used

    async def start(self) -> None:
        """Start it; raises OSError."""
        await self._job.start()
        self._reading = asyncio.create_task(self._read())

    async def send(self, message: Message | Verb) -> Replies | Deny:
        """Say it; what comes back. A request under an id that waits already is refused."""
        self.used = self._clock()
        if self.gone:
            return Deny(Reason.MCP_UNAVAILABLE, "the process has ended")
        if message is Verb.LISTEN:
            return self._listen()
        assert not isinstance(message, Verb), "the link ends processes"
        exchange = None
        if isinstance(message, Request):
            if message.id in self._waiting or len(self._waiting) >= _MOST_WAITING:
                return Deny(Reason.MESSAGE_MALFORMED, "an id that is in use")
            exchange = self._waiting[message.id] = _Exchange(message)
        try:
            await self._write(message)
            if exchange is None:
                return Replies(202, _Exchange(None, deque([None])).events())
            return await self._replies(exchange)
        except BaseException as error:
            self._forget(exchange)
            if isinstance(error, OSError):
                return Deny(Reason.MCP_UNREADABLE, told(error))
            if isinstance(error, Denied):
                return Deny(error.reason)
            raise

    async def _write(self, message: Message) -> None:
        async with self._writing:
            await self._job.say(dumps(as_json(message)) + b"\n")

    async def _replies(self, exchange: _Exchange) -> Replies:
        """The answer; as events only where something comes before it."""
        first = await exchange.next()
        alone = first is not None and isinstance(first.message, Response)
        exchange.items.appendleft(first)

        def release() -> None:
            self._forget(exchange)

        return Replies(200, exchange.events(), streamed=not alone, release=release)

    def _listen(self) -> Replies:
        exchange = _Exchange(None)
        self._listeners.append(exchange)

        def release() -> None:
            if exchange in self._listeners:
                self._listeners.remove(exchange)

        return Replies(200, exchange.events(), streamed=True, release=release)

    def _forget(self, exchange: _Exchange | None) -> None:
        self.used = self._clock()
        request = None if exchange is None else exchange.request
        if request is not None and self._waiting.get(request.id) is exchange:
            del self._waiting[request.id]

    async def _read(self) -> None:
        """Hear it until it ends, which it does at the first thing that is no message."""
        lines, why = _Lines(), "it ended"
        try:
            async for stream, data in self._job.output():
                if stream == STDERR:
                    self._note(data)
                    continue
                for line in lines.feed(data):
                    self._hear(loads_message(line))
        except Malformed as malformed:
            why = f"what it says is no message: {malformed.evidence}"
        except OSError as error:
            why = told(error)
        finally:
            self._lose(why)

    def _hear(self, message: Message) -> None:
        if isinstance(message, Response):
            exchange = self._waiting.pop(message.id, None) if message.id is not None else None
            if exchange is not None:  # else nobody waits for it any more
                exchange.put(Event(message))
                exchange.put(None)
            return
        meant = self._meant(message)
        for exchange in [meant] if meant is not None else self._listeners:
            exchange.put(Event(message))

    def _meant(self, message: Request | Notification) -> _Exchange | None:
        """The request that a message belongs to."""
        token = message.params.get("progressToken")
        if isinstance(message, Notification) and token is not None:
            return next((each for each in self._waiting.values() if _token(each) == token), None)
        if self._listeners and message.method.endswith(_OF_NO_REQUEST):
            return None
        return next(reversed(self._waiting.values()), None)

    def _note(self, data: bytes) -> None:
        """What it says to its operator, as far as there is room for it in the log."""
        for line in data.decode("utf-8", "replace").splitlines():
            if self._told and line.strip():
                self._told -= 1
                log.info("mcp server", server=self._name, said=line[:_TOLD_CHARACTERS])

    def _lose(self, why: str) -> None:
        self.gone = True
        log.info("mcp server ended", server=self._name, why=why)
        for exchange in (*self._waiting.values(), *self._listeners):
            exchange.put(_unreadable() if exchange.request is not None else None)
        self._waiting.clear()
        self._listeners.clear()

    async def end(self) -> None:
        """Kill it with all that it started; back when that is done. Raises OSError."""
        self.gone = True
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._job.discard()


def _token(exchange: _Exchange) -> Json:
    meta = exchange.request.params.get("_meta") if exchange.request is not None else None
    return meta.get("progressToken") if isinstance(meta, dict) else None


def _unreadable() -> Denied:
    return Denied(Layer.ISOLATION, Reason.MCP_UNREADABLE)
