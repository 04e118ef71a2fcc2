"""One connection to an upstream: what comes on it, and whether another request may go out on it.

The library's own, made strict where it is not. What breaks off is never whole; an answer that
cannot be parsed to its end fails for who reads it; and a connection on which anything came that
nobody had asked for is not used again.
"""

import asyncio
import math
import select
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage

_MAX_INTERIM = 32  # answers such as 100 and 103, of which a request has two at most


@dataclass
class Habit:
    """Whether an upstream keeps its connections for `moment` seconds, as far as was seen."""

    moment: float
    keeps: bool = False
    doubted: float = -math.inf

    def kept(self, since: float) -> None:
        """One has rested for longer."""
        self.keeps = self.keeps or since > self.doubted

    def ended(self, now: float) -> None:
        """One has ended before."""
        self.keeps, self.doubted = False, now


class Handler(ResponseHandler):
    """A connection. `rested` is when its last answer ended, None while a request is under way."""

    rested: float | None = None
    heard = False
    """Whether a byte came back to the request that is under way."""
    interim = 0

    def __init__(self, loop: asyncio.AbstractEventLoop, habit: Habit) -> None:
        super().__init__(loop)
        self._habit = habit

    @property
    def age(self) -> float:
        """Seconds since its last answer."""
        return 0.0 if self.rested is None else self._loop.time() - self.rested

    def data_received(self, data: bytes) -> None:
        """Take in what came. What nobody asked for is no answer to whoever asks next."""
        self.heard = self.heard or bool(data)
        if data and self.rested is not None:
            self.close()
            return
        super().data_received(data)
        if (error := self.exception()) is not None:
            self._spoil(error)  # the library tells who waits for a head, and no reader of a body

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take in the head of an answer, or of one that only goes before it."""
        self.interim += data[0].code < 200
        if data[0].code == HTTPStatus.SWITCHING_PROTOCOLS:
            self.force_close()  # what is spoken from here on is no HTTP, whatever else it says
        if self.interim > _MAX_INTERIM:
            self.abort()
            self.set_exception(aiohttp.ClientConnectionError("an answer that never comes"))
            return
        super().feed_data(data, size)

    def connection_lost(self, exc: BaseException | None) -> None:
        """What breaks off is not whole, although its end would be the end of the connection."""
        if exc is not None:
            self._spoil(exc)
        ours = self.transport is None
        if self.rested is not None and not ours and self.age < self._habit.moment:
            self._habit.ended(self._loop.time())
        super().connection_lost(exc)

    def break_off(self) -> None:
        """End at once, in the middle of whatever is under way."""
        self._spoil(ConnectionError("the request broke off"))
        if self.transport is not None:
            self.transport.abort()

    def rest(self) -> None:
        """The answer is over. What was not sent by now will not be: it was answered early."""
        self.rested = self._loop.time()
        if self.transport is not None and self.transport.get_write_buffer_size():
            self.force_close()

    def begin(self) -> None:
        """A request goes out."""
        self.rested, self.heard, self.interim = None, False, 0

    def quiet(self) -> bool:
        """Whether nothing came since the last answer, not even the end or half of something."""
        return (
            self.transport is not None
            and self.is_connected()
            and not self.should_close
            and not self._has_begun_another()
            and not _readable(self.transport)
        )

    def _has_begun_another(self) -> bool:
        try:
            return self._parser is None or self._parser.feed_eof() is not None
        except Exception:  # noqa: BLE001 - the parser's own, whatever it is
            return True

    def _spoil(self, error: BaseException) -> None:
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError(str(error)))


def _readable(transport: asyncio.Transport) -> bool:
    """Whether something came that the event loop has not seen, such as the end."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(poll.poll(0))
