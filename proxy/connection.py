"""One connection: who is at its other end, and how long it may take over anything.

The counterpart is `server`, which answers what arrives. A connection is always in one phase, whose
time nothing that trickles in can prolong:

    HEAD     a request has begun and its head is not whole   header_seconds, then 408
    BUSY     it is being answered                            while its client takes nothing of a
                                                             long answer: request_seconds, then cut
    IDLE     it was answered, and no other has begun         keepalive_seconds, then closed
    CLOSING  what was answered is still on its way           as for BUSY
"""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import cast

import structlog
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage, WebSocketReader
from multidict import CIMultiDict

from proxy.decision import Allow, Denied
from proxy.exchange import Answer, Principal, Role
from proxy.listeners import Crowd, ends_of, reset, unsent
from proxy.metrics import Metrics
from proxy.origin import Connection
from proxy.protocols.headers import outward
from proxy.protocols.problem import problem
from proxy.reasons import Layer, Reason
from proxy.trace import Outcome, Step, Trace
from proxy.websocket import WebSocketEnd

log = structlog.get_logger()

_NEVER = 365 * 86400.0
_LINGER_SECONDS = 1.0
_LEAST_TAKEN = 16384  # bytes of a long answer that a client takes within its time, or is cut
_MAX_HEAD = _MAX_AHEAD = 65536  # bytes of a head, or of requests that wait, that are kept


@dataclass(frozen=True, slots=True)
class Limits:
    """What the connections of one listener may take. None is no limit; 0 connections are none.

    `max_per_peer` counts those on which nobody has authenticated yet.
    """

    max_body: int = 1 << 20
    header_seconds: float | None = 10.0
    request_seconds: float | None = 20.0
    keepalive_seconds: float | None = 15.0
    max_connections: int | None = 1024
    max_per_peer: int | None = 64


class _Phase(Enum):
    HEAD = auto()
    BUSY = auto()
    IDLE = auto()
    CLOSING = auto()
    GONE = auto()


class HttpRequest(web.BaseRequest):
    """A request, which is answered in a version spoken here whichever it states."""

    def __init__(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(message, payload, protocol, writer, task, loop)
        self.connection.begin(payload)

    @property
    def connection(self) -> "HttpConnection":
        """What it came by."""
        return cast("HttpConnection", self.protocol)

    @property
    def stated(self) -> HttpVersion:
        """The version in the request line."""
        return super().version

    @property
    def version(self) -> HttpVersion:
        """The version that is spoken."""
        return min(max(self.stated, HttpVersion10), HttpVersion11)


class HttpConnection(web.RequestHandler):
    """A connection. Its own errors are answered in our form, and say nothing of what was sent."""

    ends = Connection(None)
    switched = False

    def __init__(self, manager: web.Server, crowd: Crowd, limits: Limits, metrics: Metrics) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=_NEVER,  # IDLE is ours to end
            lingering_time=_LINGER_SECONDS,
            auto_decompress=False,
            access_log=None,  # type: ignore[arg-type]
        )
        self._crowd = crowd
        self._limits = limits
        self._metrics = metrics
        self._phase = _Phase.HEAD
        self._clock: asyncio.TimerHandle | None = None
        self._unsent = self._ahead = self._head = 0
        self.began = 0.0
        self._content: StreamReader | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Who is refused is told nothing: an answer would cost more than the connection did."""
        self._wire = cast("asyncio.Transport", transport)
        self.ends = ends_of(self._wire)
        if not self._crowd.enter(self, self.ends):
            self._wire.abort()
            return
        super().connection_made(transport)
        self._turn(_Phase.HEAD, self._limits.header_seconds)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End what is done for a client that has left."""
        self._turn(_Phase.GONE, None)
        self._crowd.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what came."""
        if data and self._phase is _Phase.IDLE:
            self._turn(_Phase.HEAD, self._limits.header_seconds)
        if self._phase is _Phase.HEAD:
            self._head += len(data)
        elif self._phase is _Phase.BUSY and self._content is not None and self._content.is_eof():
            self._ahead += len(data)
            if self._ahead > _MAX_AHEAD:
                self._wire.pause_reading()
        super().data_received(data)
        waits = not self._messages and self._current_request is None
        if waits and self._head > _MAX_HEAD and self._phase is _Phase.HEAD:
            self.cut()  # each of its fields is bounded, and all of them together must be, too

    def begin(self, content: StreamReader) -> None:
        """A head is whole, and is going to be answered."""
        if self._phase is not _Phase.HEAD:  # it came ahead, and has waited for an earlier answer
            self.began = self._loop.time()
        self._content, self._ahead, self._head = content, 0, 0
        self._turn(_Phase.BUSY, None)

    def end(self, *, kept: bool) -> None:
        """It was answered."""
        if self._ahead > _MAX_AHEAD and not (self._reading_paused or self._buffer_paused):
            self._wire.resume_reading()
        if kept:
            self._turn(_Phase.IDLE, self._limits.keepalive_seconds)
        else:
            self._turn(_Phase.CLOSING, self._limits.request_seconds)

    def switch(self, end: WebSocketEnd) -> None:
        """What comes from here on is no HTTP, and for a WebSocket."""
        self._content, self._ahead, self.switched = None, 0, True
        self.set_parser(cast("WebSocketReader", end.parser), end.heard)
        if not (self._reading_paused or self._buffer_paused):
            self._wire.resume_reading()

    def know(self) -> None:
        """Somebody has authenticated here."""
        self._crowd.know(self)

    def doubt(self) -> None:
        """A request came here by which nobody has."""
        self._crowd.doubt(self, self.ends)

    def cut(self) -> None:
        """End at once and without a word, whatever is on its way."""
        reset(self._wire)

    def pause_writing(self) -> None:
        """The client does not take what it is sent."""
        super().pause_writing()
        if self._phase is _Phase.BUSY:
            self._turn(_Phase.BUSY, self._limits.request_seconds)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._phase is _Phase.BUSY:
            self._turn(_Phase.BUSY, None)

    def _turn(self, phase: _Phase, seconds: float | None) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        if self._phase is _Phase.GONE:
            return
        self._phase = phase
        if phase is _Phase.HEAD:
            self.began = self._loop.time()
        if seconds is not None:
            sending = phase in (_Phase.BUSY, _Phase.CLOSING)
            self._unsent = unsent(self._wire) if sending else 0
            self._clock = self._loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self._phase is _Phase.HEAD:
            # What came in this very moment, after the loop was busy with others, is not late.
            self._loop.call_soon(self._refuse_late)
        elif 0 < self._unsent < unsent(self._wire) + min(self._unsent, _LEAST_TAKEN):
            self.cut()
        elif self._phase is _Phase.BUSY or self._wire.is_closing():
            self._turn(self._phase, self._limits.request_seconds)
        else:
            self.force_close()
            self._turn(_Phase.CLOSING, self._limits.request_seconds)

    def _refuse_late(self) -> None:
        """Say so, and listen for a while, since to close at once would undo what was said."""
        if self._phase is _Phase.HEAD and not self._wire.is_closing():
            self._wire.write(in_bytes(self._refusal(Reason.REQUEST_LATE)))
            with contextlib.suppress(OSError):  # it may be gone, and we not know yet
                self._wire.write_eof()
            self.close()
            self._turn(_Phase.CLOSING, _LINGER_SECONDS)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it may quote the request
    ) -> web.StreamResponse:
        """The answer to bytes that are no request, and to what should never happen."""
        self.end(kept=False)
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        reason = Reason.REQUEST_MALFORMED
        if status != HTTPStatus.BAD_REQUEST:
            reason = Reason.LAYER_FAILED
            log.error("request failed", error=type(exc).__name__, exc_info=exc)
        response = respond(self._refusal(reason))
        response.force_close()
        return response

    def _refusal(self, reason: Reason) -> Answer:
        self._metrics.refused(reason)
        request_id = uuid.uuid4().hex
        answer = problem(Denied(Layer.NETWORK, reason), request_id)
        return Answer(answer.status, outward(answer.headers, request_id), answer.body)


@dataclass(slots=True)
class Acquaintance:
    """`Observer` that tells a connection whether it is known who speaks on it."""

    connection: HttpConnection
    made: bool = False

    async def step(self, trace: Trace, step: Step) -> None:  # noqa: ARG002
        """Somebody may have authenticated."""
        match step.decision:
            case Allow(value=Principal(role=role)) if role is not Role.PUBLIC:
                self.made = True
                self.connection.know()

    async def close(self, trace: Trace, outcome: Outcome) -> None:  # noqa: ARG002
        """If nobody has, it is a stranger's."""
        if not self.made:
            self.connection.doubt()


def respond(answer: Answer) -> web.StreamResponse:
    """An answer in the HTTP library's terms."""
    headers = CIMultiDict(answer.headers)
    if isinstance(answer.body, bytes):
        return web.Response(status=answer.status, headers=headers, body=answer.body)
    return web.StreamResponse(status=answer.status, headers=headers)


def in_bytes(answer: Answer) -> bytes:
    """A last answer as it stands on the wire, for where no request is that it could belong to."""
    assert isinstance(answer.body, bytes)
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        *(f"{name}: {value}" for name, value in answer.headers),
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + answer.body
