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
from proxy.connection import Acquaintance, HttpConnection, HttpRequest, Limits
from proxy.decision import Denied, Malformed
from proxy.exchange import Answer, Inbound, Listener, Role
from proxy.holding import FIRST_SECONDS
from proxy.limits import Share
from proxy.listeners import Crowd
from proxy.metrics import Metrics
from proxy.pipeline import Pipeline
from proxy.reasons import Layer, Reason
from proxy.routes import Table, match
from proxy.running import Ended, Running
from proxy.trace import Observer, Trace
from proxy.values import Headers
from proxy.writing import Reply

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
    patience: float = FIRST_SECONDS
    """Seconds until an answer begins early, where it may."""

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
            reply, cancelled = Reply(request, entry, self.limits.max_body, self.patience), ""
            try:
                async with reply.kept_waiting():
                    answer = await self._answer_unless_stopped(inbound, trace, reply)
                return await reply.send(answer)
            except (asyncio.CancelledError, ConnectionError):
                cancelled = entry.ended.value
                raise
            finally:
                if entry.ended is not Ended.CLIENT_LEFT:  # and the client could be told
                    cancelled = entry.ended.value
                # Before what a client that leaves cuts short.
                self._log(trace, reply.status, cancelled)
                await trace.close(reply.status, cancelled)

    async def _answer_unless_stopped(self, inbound: Inbound, trace: Trace, reply: Reply) -> Answer:
        """The answer; of what was stopped before there was one, that it was."""
        try:
            return await self._answer(inbound, trace)
        except asyncio.CancelledError:
            task, denied = asyncio.current_task(), _ended(reply)
            if denied is None or task is None or task.uncancel():
                raise
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


def _ended(reply: Reply) -> Denied | None:
    """What is said to who was ended by somebody else; None where nobody is there to hear it.

    Whose credential is gone is cut off, unless the answer has begun and must not look whole.
    """
    match reply.entry.ended:
        case Ended.STOPPED:
            return Denied(Layer.AUTHORIZATION, Reason.STOPPED_BY_OPERATOR)
        case Ended.TOKEN_REVOKED if reply.begun:
            return Denied(Layer.AUTHENTICATION, Reason.TOKEN_UNKNOWN)
    return None


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
