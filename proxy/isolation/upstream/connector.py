"""A connection on which a request may go out: one that was kept, or a new one.

An upstream may close a connection that it keeps just as a request goes out on it, and then nobody
knows whether the request was received. One that may be sent twice is: once more, on a new
connection, where not a byte came back. One that acts goes out only where that hardly happens: on a
new connection or, with an upstream that was seen to keep its connections, on one that was used a
moment ago, is still open and has nothing to say.
"""

import asyncio
import errno
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from proxy.decision import Malformed
from proxy.isolation.upstream.breaker import Breaker
from proxy.isolation.upstream.handler import Habit, Handler
from proxy.values import Before

_KEPT_SECONDS = 15.0
_MOST_ASIDE = 4
# Want of something on this machine, which whoever opens many connections can bring about.
_OURS = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL),
    }
)


@dataclass
class Sending:
    """A request on its way. `before` is awaited when a connection is there, once; None: it was.

    `safe`: it acts on nothing. `repeatable`: it may be sent twice. `kept`: it went out on a
    connection that was used before. `broken`: why its body could not be sent whole.
    """

    before: Before | None = None
    safe: bool = False
    repeatable: bool = False
    asked: bool = False
    fresh: bool = False
    kept: bool = False
    handler: Handler | None = None
    broken: Malformed | None = None

    async def go(self) -> None:
        """From here on it may go out; raises OSError where it must not."""
        before, self.before = self.before, None
        if before is not None:
            await before()

    @property
    def lost(self) -> bool:
        """Whether it was sent on a connection that ended before, and may be sent once more."""
        unheard = self.handler is not None and not self.handler.heard
        return self.repeatable and self.kept and unheard and not self.fresh

    def again(self) -> None:
        """Send it once more, on a new connection."""
        self.asked, self.fresh, self.kept, self.handler = False, True, False, None


SENDING: ContextVar[Sending] = ContextVar("sending")


class Connector(aiohttp.TCPConnector):
    """The pool of one upstream: at most `connections` in use at a time, None for no limit."""

    def __init__(self, breaker: Breaker, connections: int | None, moment: float) -> None:
        super().__init__(limit=0, keepalive_timeout=_KEPT_SECONDS)
        self._habit = Habit(moment)
        handler = partial(Handler, loop=self._loop, habit=self._habit)
        self._factory = cast("partial[ResponseHandler]", handler)
        self._breaker = breaker
        self._slots = asyncio.Semaphore(sys.maxsize if connections is None else connections)

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the interface's argument
    ) -> Connection:
        """A connection on which the request that is on its way may go out now."""
        sending = SENDING.get(None) or Sending()
        if sending.asked:  # the library would send some requests twice, whatever became of them
            raise aiohttp.ClientConnectionError("nothing came back")
        sending.asked = True
        await self._slots.acquire()
        try:
            connection, handler = await self._fitting(req, traces, timeout, sending)
        except BaseException:
            self._slots.release()
            raise
        connection.add_callback(self._slots.release)
        connection.add_callback(handler.rest)
        sending.handler, sending.kept = handler, handler.rested is not None
        handler.begin()
        return connection

    async def _fitting(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
        sending: Sending,
    ) -> tuple[Connection, Handler]:
        """One that fits, and still does once the request may go out."""
        while True:
            connection, handler = await self._next(req, traces, timeout, sending)
            try:
                await sending.go()
            except BaseException:
                connection.close()
                raise
            if handler.rested is None or handler.quiet():  # it may have taken a while
                return connection, handler
            connection.close()

    async def _next(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
        sending: Sending,
    ) -> tuple[Connection, Handler]:
        """One that fits; a few that do not are left to rest for others."""
        aside: list[Connection] = []
        try:
            while True:
                connection, handler = await self._any(req, traces, timeout)
                if self._fits(handler, sending):
                    return connection, handler
                usable = handler.quiet() and handler.age <= _KEPT_SECONDS
                if usable and not sending.fresh and len(aside) < _MOST_ASIDE:
                    aside.append(connection)
                else:
                    connection.close()
        finally:
            for each in aside:
                each.release()

    async def _any(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109
    ) -> tuple[Connection, Handler]:
        try:
            connection = await super().connect(req, traces, timeout)
        except (aiohttp.ClientError, OSError) as error:
            if getattr(error, "errno", None) not in _OURS:
                self._breaker.failed()
            raise
        handler = connection.protocol
        assert isinstance(handler, Handler)
        if handler.rested is None:
            self._breaker.reached()
        return connection, handler

    def _fits(self, handler: Handler, sending: Sending) -> bool:
        if handler.rested is None:
            return True
        recent, quiet = handler.age <= self._habit.moment, handler.quiet()
        if recent and not quiet:
            self._habit.ended(self._loop.time())
        elif quiet and not recent:
            self._habit.kept(handler.rested)
        allowed = sending.safe or (recent and self._habit.keeps)
        return quiet and allowed and not sending.fresh
