"""The edge: sockets and HTTP on one side, `Inbound` and `Clean` on the other.

The only place that knows the HTTP library. It matches the route, runs the pipeline and writes what
came of it; it can send what is `Clean`, and the constants of a refusal, and nothing else.
"""

import asyncio
import ipaddress
import re
import socket
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
import structlog
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict

from proxy.actions import Headers
from proxy.decision import Denied, Malformed
from proxy.exchange import Address, Answer, Connection, Inbound, Listener, Role
from proxy.limits import Share
from proxy.metrics import Metrics
from proxy.pipeline import Pipeline
from proxy.protocols.problem import problem
from proxy.reasons import Layer, Reason
from proxy.routes import Table, match
from proxy.running import Ended, Entry, Running
from proxy.trace import Observer, Trace

log = structlog.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_KEEPALIVE_SECONDS = 15.0
_LINGER_SECONDS = 1.0
_OWN_HEADERS = (("Server", "sidegate"), ("X-Content-Type-Options", "nosniff"))


@dataclass(frozen=True)
class Server:
    """Serves every listener through one pipeline."""

    pipeline: Pipeline
    observers: tuple[Observer, ...]
    running: Running
    metrics: Metrics
    max_body: int
    redact: Callable[[str], str]
    strangers: Share

    def door(self, listener: Listener, table: Table) -> "Door":
        """What accepts the connections of one listener."""
        return Door(self, listener, table)

    async def serve(
        self, listener: Listener, table: Table, request: web.BaseRequest
    ) -> web.StreamResponse:
        """Answer one request."""
        inbound = read(listener, table, request, self)
        trace = Trace(inbound, self.observers)
        with self.running.entered(trace) as entry:
            status, cancelled = 0, ""
            try:
                answer = await self._answer(inbound, trace)
                status = answer.status
                return await _write(request, inbound.request_id, answer, entry)
            except (asyncio.CancelledError, ConnectionError):
                cancelled = entry.ended.value
                raise
            finally:
                await trace.close(status, cancelled)
                self._log(trace, status, cancelled)

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
        # A client that leaves ends its request, and with it whatever runs for it.
        self._connections = web.Server(self._handle, handler_cancellation=True)

    def __call__(self) -> web.RequestHandler:
        """A new connection."""
        return _HttpConnection(
            self._connections,
            self._server.metrics,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=_KEEPALIVE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            auto_decompress=False,
            access_log=None,
        )

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._server.serve(self._listener, self._table, request)

    def close_idle(self) -> None:
        """Take no further request on any connection."""
        self._connections.pre_shutdown()

    async def aclose(self) -> None:
        """End every connection."""
        await self._connections.shutdown(timeout=1)


class _HttpConnection(web.RequestHandler):
    """A connection whose own errors are answered in our form, and say nothing of what was sent."""

    def __init__(
        self,
        manager: web.Server,
        metrics: Metrics,
        *,
        loop: asyncio.AbstractEventLoop,
        **limits: object,
    ) -> None:
        super().__init__(manager, loop=loop, **limits)  # type: ignore[arg-type]
        self._metrics = metrics

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it may quote the request
    ) -> web.StreamResponse:
        """The answer to bytes that are no request, and to what should never happen."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        reason = Reason.REQUEST_MALFORMED
        if status != HTTPStatus.BAD_REQUEST:
            reason = Reason.LAYER_FAILED
            log.error("request failed", error=type(exc).__name__, exc_info=exc)
        answer = problem(Denied(Layer.NETWORK, reason), request_id := uuid.uuid4().hex)
        self._metrics.refused(reason)
        response = _response(answer, request_id)
        response.force_close()
        return response


def read(listener: Listener, table: Table, request: web.BaseRequest, server: Server) -> Inbound:
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
        _connection(request.transport),
        route,
        capture,
        request.method,
        (request.version.major, request.version.minor),
        path,
        query,
        headers,
        _Body(request, server.max_body),
    )


def _request_id(headers: Headers, redact: Callable[[str], str]) -> str:
    """The client's own id for the request, unless it is none, or holds a secret: ids are kept."""
    offered = headers.get("x-request-id") or ""
    usable = _REQUEST_ID.fullmatch(offered) and redact(offered) == offered
    return offered if usable else uuid.uuid4().hex


def _connection(transport: asyncio.Transport | None) -> Connection:
    """Who is at the other end, as the kernel says; a closed connection is nobody."""
    if transport is None:
        return Connection(None)
    ends = transport.get_extra_info("socket")
    if ends is not None and ends.family == socket.AF_UNIX:
        credentials = ends.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return Connection(None, uid=struct.unpack("3i", credentials)[1])
    return Connection(
        _address(transport.get_extra_info("peername")),
        _address(transport.get_extra_info("sockname")),
    )


def _address(name: tuple[str, int] | None) -> Address | None:
    return ipaddress.ip_address(name[0].partition("%")[0]) if name else None


class _Body:
    """`Body`, read from the connection when somebody asks for it."""

    def __init__(self, request: web.BaseRequest, limit: int) -> None:
        self._request = request
        self._limit = limit

    async def read(self) -> bytes:
        """The whole body."""
        if (self._request.content_length or 0) > self._limit:
            raise Malformed(Reason.BODY_TOO_LARGE)
        self._invite()
        data = bytearray()
        try:
            async for chunk in self._request.content.iter_any():
                data += chunk
                if len(data) > self._limit:
                    raise Malformed(Reason.BODY_TOO_LARGE)
        except (aiohttp.ClientError, HttpProcessingError, web.RequestPayloadError) as error:
            raise Malformed(Reason.BODY_MALFORMED, type(error).__name__) from error
        return bytes(data)

    def _invite(self) -> None:
        """Only who is let in is asked to send on (RFC 9110 section 10.1.1)."""
        transport = self._request.transport
        expects = self._request.headers.get("Expect", "").lower() == "100-continue"
        if expects and self._request.version >= HttpVersion11 and transport is not None:
            transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _write(
    request: web.BaseRequest, request_id: str, answer: Answer, entry: Entry
) -> web.StreamResponse:
    """Send an answer. What breaks off half-way is cut, so that it cannot be taken for whole."""
    response = _response(answer, request_id)
    if not request.content.is_eof():
        response.force_close()  # who was refused need not send the rest
    if isinstance(answer.body, bytes):
        return response
    await response.prepare(request)
    try:
        async for data in answer.body:
            await response.write(data)
    except Exception as error:
        transport = request.transport
        if transport is not None and not transport.is_closing():
            entry.ended = Ended.BROKEN_OFF
            log.warning("answer broken off", request_id=request_id, error=type(error).__name__)
            _reset(transport)
        raise ConnectionError("the answer broke off") from error
    return response


def _reset(transport: asyncio.Transport) -> None:
    """Cut the connection so that the client sees an error, even where the end is the end (1.0)."""
    ends = transport.get_extra_info("socket")
    if ends is not None and ends.family != socket.AF_UNIX:
        ends.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _response(answer: Answer, request_id: str) -> web.StreamResponse:
    headers = CIMultiDict(answer.headers)
    headers.update(dict(_OWN_HEADERS, **{"X-Request-ID": request_id}))
    if isinstance(answer.body, bytes):
        return web.Response(status=answer.status, headers=headers, body=answer.body)
    return web.StreamResponse(status=answer.status, headers=headers)
