"""What a client is sent: an answer, and until there is one signs of life for who can take them.

The counterpart is `server`, which finds the answer.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import NoReturn

import structlog
from aiohttp import web

from proxy.connection import HttpRequest, respond
from proxy.duplex import Socket
from proxy.exchange import Answer, Role
from proxy.holding import FIRST_SECONDS, Held, Holding
from proxy.listeners import reset
from proxy.protocols.headers import outward
from proxy.running import Ended, Entry
from proxy.sockets import converse
from proxy.trace import Trace

log = structlog.get_logger()


@dataclass
class Reply:
    """The answer to one request. `status` is what was sent of it, 0 as long as nothing was.

    `largest`: bytes of a message of the client's. `first`: seconds until it begins early.
    """

    request: HttpRequest
    entry: Entry
    largest: int
    first: float = FIRST_SECONDS
    status: int = 0
    _held: Held | None = None
    _response: web.StreamResponse | None = field(default=None, repr=False)

    @property
    def begun(self) -> bool:
        """Whether it began before it was known."""
        return self._held is not None

    @asynccontextmanager
    async def kept_waiting(self) -> AsyncIterator[None]:
        """While the block finds the answer, show a client that it is worth waiting for."""
        codec = self.entry.trace.inbound.route.codec
        if not isinstance(codec, Holding):
            yield
            return
        over, beating = asyncio.Event(), set[asyncio.Task[None]]()
        # Most answers are there before it is time for a task.
        timer = asyncio.get_running_loop().call_later(
            self.first, lambda: beating.add(asyncio.create_task(self._beat(codec, over)))
        )
        try:
            yield
            over.set()
            if beating:
                await asyncio.wait(beating)  # a sign of life is sent whole
        finally:
            timer.cancel()
            failed = await _ended(beating)
        if failed is not None:
            self._break_off(failed)

    async def send(self, answer: Answer) -> web.StreamResponse:
        """Send it. What breaks off half-way is cut, so that it cannot be taken for whole."""
        body = answer.body if self._held is None else self._held.last(answer)
        response = self._response or await self._begin(answer)
        try:
            if isinstance(body, Socket):
                await converse(self.request, body, self.entry, self.largest)
            elif not isinstance(body, bytes):
                async for data in body:
                    await response.write(data)
            await response.write_eof()
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is not whole
            self._break_off(error)
        return response

    async def _beat(self, codec: Holding, over: asyncio.Event) -> None:
        while (held := self._holdable(codec)) is None:
            if await _within(over, self.first):
                return
        self._held = held
        response = await self._begin(Answer(HTTPStatus.OK, held.headers, _nothing()))
        for number in count(1):
            await response.write(held.beat(number))
            if await _within(over, held.every):
                return

    def _holdable(self, codec: Holding) -> Held | None:
        """Strangers are kept waiting by nobody: what is refused to them has a status."""
        principal = self.entry.trace.principal
        if principal is None or principal.role is Role.PUBLIC:
            return None
        return codec.held(self.entry.trace.inbound)

    async def _begin(self, answer: Answer) -> web.StreamResponse:
        dressed = _dressed(answer, self.entry.trace)
        self.status, self._response = dressed.status, respond(dressed)
        if not self.request.content.is_eof() or isinstance(answer.body, Socket):
            self._response.force_close()  # who was refused need not send the rest
        await self._response.prepare(self.request)
        return self._response

    def _break_off(self, error: Exception) -> NoReturn:
        transport = self.request.transport
        if transport is not None and not transport.is_closing():
            self.entry.ended = Ended.BROKEN_OFF
            request_id = self.entry.trace.inbound.request_id
            log.warning("answer broken off", request_id=request_id, error=type(error).__name__)
            reset(transport)
        raise ConnectionError("the answer broke off") from error


async def _ended(tasks: set[asyncio.Task[None]]) -> Exception | None:
    """End them; what one of them has failed with."""
    for task in tasks:
        task.cancel()
    if not tasks:
        return None
    done = await asyncio.gather(*tasks, return_exceptions=True)
    return next((each for each in done if isinstance(each, Exception)), None)


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether it happens in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


async def _nothing() -> AsyncIterator[bytes]:
    """A body that is not known yet."""
    return
    yield b""


def _dressed(answer: Answer, trace: Trace) -> Answer:
    """An answer with the fields that every answer has."""
    client = trace.peer.forwarded if trace.peer is not None else None
    headers = outward(
        answer.headers,
        trace.inbound.request_id,
        trace.quotas,
        relayed=not isinstance(answer.body, bytes),
        https=client is not None and client.scheme == "https",
    )
    return Answer(answer.status, headers, answer.body)
