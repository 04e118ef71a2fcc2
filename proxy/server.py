"""The edge: sockets and HTTP on one side, `Inbound` and `Clean` on the other.

The only place that knows the HTTP library. It matches the route, runs the pipeline and writes what
came of it; it can send what is `Clean`, and the constants of a refusal, and nothing else.
"""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import cast

import aiohttp
import structlog
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from proxy.actions import Upload
from proxy.connection import Acquaintance, HttpConnection, HttpRequest, Limits, respond
from proxy.decision import Denied, Malformed
from proxy.duplex import Socket
from proxy.exchange import Answer, Inbound, Listener, Role
from proxy.limits import Share
from proxy.listeners import Crowd, reset
from proxy.metrics import Metrics
from proxy.pipeline import Pipeline
from proxy.protocols.headers import outward
from proxy.reasons import Layer, Reason
from proxy.routes import Table, match
from proxy.running import Ended, Entry, Running
from proxy.sockets import converse
from proxy.trace import Observer, Trace
from proxy.values import Headers

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@dataclass(frozen=True)
class Server:
    """Serves every listener through one pipeline."""

    pipeline: Pipeline
    observers: tuple[Observer, ...]
    running: Running
    metrics: Metrics
    limits: Limits
    redact: Callable[[str], str]
    strangers: Share

    def door(self, listener: Listener, table: Table) -> "Door":
        """What accepts the connections of one listener."""
        return Door(self, listener, table)

    async def serve(
        self, listener: Listener, table: Table, request: HttpRequest
    ) -> web.StreamResponse:
        """Answer one request."""
        inbound = read(listener, table, request, self)
        trace = Trace(inbound, (*self.observers, Acquaintance(request.connection)))
        with self.running.entered(trace) as entry:
            status, cancelled = 0, ""
            try:
                answer = await self._answer_unless_stopped(inbound, trace, entry)
                status = answer.status
                return await _write(request, _dressed(answer, trace), entry, self.limits.max_body)
            except (asyncio.CancelledError, ConnectionError):
                cancelled = entry.ended.value
                raise
            finally:
                if entry.ended in (Ended.STOPPED, Ended.BROKEN_OFF):  # and the client could be told
                    cancelled = entry.ended.value
                self._log(trace, status, cancelled)  # before what a client that leaves cuts short
                await trace.close(status, cancelled)

    async def _answer_unless_stopped(self, inbound: Inbound, trace: Trace, entry: Entry) -> Answer:
        """The answer; of what was stopped before there was one, that it was."""
        try:
            return await self._answer(inbound, trace)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if entry.ended is not Ended.STOPPED or task is None or task.uncancel():
                raise
            denied = Denied(Layer.AUTHORIZATION, Reason.STOPPED_BY_OPERATOR)
            return inbound.route.codec.refuse(inbound, denied)

    async def _answer(self, inbound: Inbound, trace: Trace) -> Answer:
        try:
            clean = await self.pipeline.handle(inbound, trace)
        except Denied as denied:
            return inbound.route.codec.refuse(inbound, denied)
        return inbound.route.codec.render(inbound, clean)

    def _log(self, trace: Trace, status: int, cancelled: str) -> None:
        """A line for every request of a known principal, and for a share of strangers'."""
        inbound, denied, principal = trace.inbound, trace.denied, trace.principal
        if principal is None or principal.role is Role.PUBLIC:
            left_out = self.strangers.take()
            if left_out is None:
                return
            if left_out:
                log.warning("requests of strangers left out", count=left_out)
        log.info(
            "request",
            request_id=inbound.request_id,
            listener=inbound.listener.name,
            route=inbound.route.name,
            status=status,
            principal=principal.id if principal else None,
            layer=denied.layer.value if denied else None,
            reason=denied.reason.code if denied else cancelled or None,
        )


class Door:
    """The connections of one listener, as a protocol factory."""

    def __init__(self, server: Server, listener: Listener, table: Table) -> None:
        self._server = server
        self._listener = listener
        self._table = table
        limits = server.limits
        self._crowd = Crowd(listener, limits.max_connections, limits.max_per_peer)
        # A client that leaves ends its request, and with it whatever runs for it.
        self._connections = web.Server(
            self._handle, request_factory=HttpRequest, handler_cancellation=True
        )

    def __call__(self) -> HttpConnection:
        """A new connection."""
        server = self._server
        return HttpConnection(self._connections, self._crowd, server.limits, server.metrics)

    def __len__(self) -> int:
        return len(self._crowd)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(request, HttpRequest)
        kept: bool | None = False
        try:
            response = await self._server.serve(self._listener, self._table, request)
            kept = response.keep_alive
        finally:
            request.connection.end(kept=bool(kept))
        return response

    def close_idle(self) -> None:
        """Take no further request on any connection. A WebSocket goes on until it is ended."""
        for connection in self._connections.connections:
            if not cast("HttpConnection", connection).switched:
                connection.close()

    async def aclose(self) -> None:
        """End every connection."""
        await self._connections.shutdown(timeout=1)


def read(listener: Listener, table: Table, request: HttpRequest, server: Server) -> Inbound:
    """The request as the layers see it. Nothing is refused here, and nothing is decoded."""
    headers = Headers(
        tuple(
            (name.decode("ascii", "replace"), value.decode("utf-8", "surrogateescape"))
            for name, value in request.raw_headers
        )
    )
    path, _, query = request.raw_path.partition("?")
    route, capture = match(table, request.method, path)
    return Inbound(
        _request_id(headers, server.redact),
        listener,
        request.connection.ends,
        route,
        capture,
        request.method,
        (request.stated.major, request.stated.minor),
        path,
        query,
        headers,
        _Body(request, server.limits),
    )


def _request_id(headers: Headers, redact: Callable[[str], str]) -> str:
    """The client's own id for the request, unless it is none, or holds a secret: ids are kept."""
    offered = headers.get("x-request-id") or ""
    usable = _REQUEST_ID.fullmatch(offered) and redact(offered) == offered
    return offered if usable else uuid.uuid4().hex


_LEAST_SECONDS = 1.0


class _Body:
    """`Body`, read from the connection when somebody asks for it first.

    What broke off, or went elsewhere, is never read on: the rest would look like the whole.
    """

    def __init__(self, request: HttpRequest, limits: Limits) -> None:
        self._request = request
        self._limit = limits.max_body
        now, seconds = asyncio.get_running_loop().time(), limits.request_seconds
        # Head and body together, so that who was slow with one has less for the other.
        spent = now - request.connection.began
        self._left = None if seconds is None else max(seconds - spent, _LEAST_SECONDS)
        self._read: bytes | Malformed | None = None

    async def read(self) -> bytes:
        """The whole body."""
        if self._read is None:
            self._read = Malformed(Reason.BODY_MALFORMED, "abandoned")
            self._read = await self._received()
        if isinstance(self._read, Malformed):
            raise Malformed(self._read.reason, self._read.evidence)
        return self._read

    def upload(self) -> Upload:
        """The body as it comes. Its client's time is counted, and not that of who takes it."""
        length = self._request.content_length if self._request.body_exists else 0
        if (length or 0) > self._limit:
            raise Malformed(Reason.BODY_TOO_LARGE)
        return Upload(length, self._pieces())

    async def _received(self) -> bytes | Malformed:
        try:
            return b"".join([piece async for piece in self.upload().pieces])
        except Malformed as malformed:
            return malformed

    async def _pieces(self) -> AsyncIterator[bytes]:
        self._read = Malformed(Reason.BODY_MALFORMED, "abandoned")
        self._invite()
        size = 0
        while piece := await self._next():
            size += len(piece)
            if size > self._limit:
                raise Malformed(Reason.BODY_TOO_LARGE)
            yield piece

    async def _next(self) -> bytes:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._left):
                return await self._request.content.readany()
        except TimeoutError:
            raise Malformed(Reason.BODY_LATE) from None
        except (aiohttp.ClientError, HttpProcessingError, web.RequestPayloadError) as error:
            raise Malformed(Reason.BODY_MALFORMED, type(error).__name__) from None
        finally:
            if self._left is not None:
                self._left = max(0.0, self._left - (clock() - began))

    def _invite(self) -> None:
        """Only who is let in is asked to send on (RFC 9110 section 10.1.1)."""
        transport = self._request.transport
        expects = self._request.headers.get("Expect", "").lower() == "100-continue"
        if expects and self._request.version >= HttpVersion11 and transport is not None:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


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


async def _write(
    request: HttpRequest, answer: Answer, entry: Entry, largest: int
) -> web.StreamResponse:
    """Send an answer. What breaks off half-way is cut, so that it cannot be taken for whole."""
    response = respond(answer)
    if not request.content.is_eof() or isinstance(answer.body, Socket):
        response.force_close()  # who was refused need not send the rest
    await response.prepare(request)
    try:
        if isinstance(answer.body, Socket):
            await converse(request, answer.body, entry, largest)
        elif not isinstance(answer.body, bytes):
            async for data in answer.body:
                await response.write(data)
        await response.write_eof()
    except Exception as error:
        transport = request.transport
        if transport is not None and not transport.is_closing():
            entry.ended = Ended.BROKEN_OFF
            request_id = entry.trace.inbound.request_id
            log.warning("answer broken off", request_id=request_id, error=type(error).__name__)
            reset(transport)
        raise ConnectionError("the answer broke off") from error
    return response
