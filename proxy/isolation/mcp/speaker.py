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
_MOST_BYTES = 16 << 20  # of these
_MOST_IN_VAIN = 10_000  # messages for nobody, since something was asked last
_MOST_WAITING = 256
_TURN_LINES = 64  # after which others have their turn
_WRITE_SECONDS = 30.0
_OF_NO_REQUEST = ("/list_changed", "/updated")
_TOLD_LINES, _TOLD_CHARACTERS = 20, 500

_Item = Event | Denied | None


@dataclass(eq=False)
class _Exchange:
    """What is still to be said to one caller; None is the end of it."""

    request: Request | None
    items: deque[tuple[_Item, int]] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    size: int = 0
    over: bool = False

    def put(self, item: _Item, size: int = 0) -> bool:
        """Say something more, of so many bytes; False where there is no room for it.

        Who takes nothing of what was asked for is told in the end that it was too much.
        """
        if self.over:
            return False
        full = len(self.items) >= _MOST_EVENTS or self.size + size > _MOST_BYTES
        if full and isinstance(item, Event):
            if self.request is None:
                return False
            item, size = _unreadable(), 0
        self.items.append((item, size))
        self.size += size
        self.over = not isinstance(item, Event)
        self.news.set()
        return True

    async def events(self) -> AsyncIterator[Event]:
        """All of it; raises Denied."""
        while True:
            item = await self.next()
            if item is None:
                return
            yield item

    async def next(self) -> Event | None:
        """The next of it; raises Denied."""
        item = await self.first()
        self.size -= self.items.popleft()[1]
        return item

    async def first(self) -> Event | None:
        """The same, which stays the next; raises Denied."""
        while not self.items:
            self.news.clear()
            await self.news.wait()
        item = self.items[0][0]
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
    """A process, from its start to its end. `clock` gives seconds that never go back.

    `lost` is called once it is of no more use: then it has yet to be ended.
    """

    def __init__(
        self,
        name: str,
        job: Talk,
        clock: Callable[[], float],
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._job = job
        self._clock = clock
        self._lost = lost
        self._waiting: dict[Id, _Exchange] = {}
        self._listeners: list[_Exchange] = []
        self._reading: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        self._told = _TOLD_LINES
        self._vain = 0
        self._over = False
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
            self._vain = 0
        try:
            await self._write(message)
            if exchange is None:
                return Replies(202, _Exchange(None, deque([(None, 0)])).events())
            return await self._replies(exchange)
        except BaseException as error:
            self._forget(exchange)
            if isinstance(error, OSError):
                return Deny(Reason.MCP_UNREADABLE, told(error))
            if isinstance(error, Denied):
                return Deny(error.reason)
            raise

    async def _write(self, message: Message) -> None:
        """Say all of it. After half of a line, the next one would be its other half."""
        async with self._writing:
            if self.gone:
                raise OSError("the process has ended")
            try:
                async with asyncio.timeout(_WRITE_SECONDS):
                    await self._job.say(dumps(as_json(message)) + b"\n")
            except BaseException:
                self._lose("it was not told all of a message")
                raise

    async def _replies(self, exchange: _Exchange) -> Replies:
        """The answer; as events only where something comes before it."""
        first = await exchange.first()
        alone = first is not None and isinstance(first.message, Response)

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
                for number, line in enumerate(lines.feed(data), 1):
                    self._hear(loads_message(line), len(line))
                    if number % _TURN_LINES == 0:
                        await asyncio.sleep(0)
        except Malformed as malformed:
            why = f"what it says is no message: {malformed.evidence}"
        except OSError as error:
            why = told(error)
        finally:
            self._lose(why)

    def _hear(self, message: Message, size: int) -> None:
        """Hand it on; raises Malformed where it says too much that nobody takes."""
        hearers = self._hearers(message)
        taken = [each.put(Event(message), size) for each in hearers]
        if isinstance(message, Response):
            for exchange in hearers:
                exchange.put(None)
        if not any(taken):
            self._vain += 1
        if self._vain > _MOST_IN_VAIN:
            raise Malformed(Reason.MCP_UNREADABLE, "more than anybody takes")

    def _hearers(self, message: Message) -> list[_Exchange]:
        """Whom it is for. Nobody waits any more for what was answered, or given up."""
        if isinstance(message, Response):
            exchange = self._waiting.pop(message.id, None) if message.id is not None else None
            return [exchange] if exchange is not None else []
        meant = self._meant(message)
        return [meant] if meant is not None else self._listeners

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
        if not self._told:
            return
        for line in data.decode("utf-8", "replace").splitlines():
            if self._told and line.strip():
                self._told -= 1
                log.info("mcp server", server=self._name, said=line[:_TOLD_CHARACTERS])

    def _lose(self, why: str) -> None:
        """Nobody is answered any more."""
        if self._over:
            return
        self._over = self.gone = True
        log.info("mcp server ended", server=self._name, why=why)
        for exchange in (*self._waiting.values(), *self._listeners):
            exchange.put(_unreadable() if exchange.request is not None else None)
        self._waiting.clear()
        self._listeners.clear()
        self._lost()

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
