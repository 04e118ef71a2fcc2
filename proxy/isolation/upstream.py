"""Hand a request or a tool call to the agent behind Sidegate, and bring the answer back.

Nothing of the connection to the client reaches the agent but what `headers.upward` lets pass; no
redirect, cookie or proxy of the environment is followed; a broken answer stays a broken answer.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from proxy.actions import Before, Headers, Invoke, Json, Relay
from proxy.decision import Allow, Decision, Deny, Facts, Malformed
from proxy.exchange import Content, Document, Frame, Grant, Stream
from proxy.isolation.executor import Backend
from proxy.protocols.headers import downward, forwarded, upward
from proxy.protocols.strict_json import dumps, loads
from proxy.reasons import Reason

_CONNECT_SECONDS = 5.0
_PROBE_SECONDS = 3.0
_ANSWER_SECONDS = 300.0  # until the first byte: a model may think for minutes
_MAX_RESULT = 4 << 20
_CHUNK = 65536
_MAX_CONNECTIONS = 1024  # streams may be held open for hours
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # no header holds one (RFC 9110 5.5)
_READABLE = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1"})


@dataclass
class _Request:
    """A request that goes out once, and not before `before` was awaited."""

    before: Before | None
    sent: bool = False

    async def go(self) -> None:
        """Send it from here on; raises OSError where it must not be."""
        if self.before is not None:
            await self.before()
        self.sent = True


_REQUEST: ContextVar[_Request] = ContextVar("request")


class _Connector(aiohttp.TCPConnector):
    """Holds a new connection back until its request may go out, and has none for a second try.

    The client library asks again for a GET, PUT or DELETE to which nothing was answered, however
    much of it was done.
    """

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the interface's argument
    ) -> Connection:
        """A connection on which nothing was sent yet."""
        request = _REQUEST.get()
        if request.sent:
            raise aiohttp.ClientConnectionError("it was sent, and nothing came back")
        connection = await super().connect(req, traces, timeout)
        try:
            await request.go()
        except BaseException:
            connection.close()
            raise
        return connection


class Upstream:
    """`Backend` for what the agent does itself. `own` are the configured headers for it."""

    def __init__(self, url: str | None, own: Mapping[str, str]) -> None:
        self._url = url.rstrip("/") if url else None
        self._own = own
        self._session = aiohttp.ClientSession(
            # A kept connection may be closed by the agent just as a request is sent on it, and a
            # request that acts must not be sent again: so each gets a connection of its own.
            connector=_Connector(force_close=True, limit=_MAX_CONNECTIONS),
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
            skip_auto_headers=("User-Agent", "Content-Type"),
        )

    async def run(self, plan: Invoke | Relay, grant: Grant) -> Decision[Content]:
        """Send it up, and answer with what came back."""
        if self._url is None:
            return Deny(Reason.UPSTREAM_MISSING)
        _REQUEST.set(_Request(plan.before))
        try:
            if isinstance(plan, Invoke):
                async with asyncio.timeout(plan.seconds):
                    return await self._invoke(plan, grant)
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await self._relay(plan, grant)
        except TimeoutError:
            return Deny(Reason.UPSTREAM_LATE, facts=Facts(upstream_status=0))
        except (aiohttp.ClientError, OSError) as error:
            kind = type(error).__name__
            return Deny(Reason.UPSTREAM_UNREACHABLE, kind, Facts(upstream_status=0))

    async def _invoke(self, plan: Invoke, grant: Grant) -> Decision[Content]:
        """A tool of the agent's: 2xx is a result, anything else is the agent's refusal."""
        received = Headers((("Content-Type", "application/json"),))
        body = dumps({"arguments": plan.arguments})
        async with self._request("POST", plan.path, received, body, grant) as response:
            facts = Facts(upstream_status=response.status)
            if response.status >= 300:
                return Deny(Reason.UPSTREAM_REFUSED, f"status {response.status}", facts)
            if not _inspectable(response):
                return Deny(Reason.UPSTREAM_UNREADABLE, facts=facts)
            data = await _bounded(response)
        if data is None:
            return Deny(Reason.UPSTREAM_UNREADABLE, "too large", facts)
        return Allow(Document(_result(data, response.content_type)), facts)

    async def _relay(self, plan: Relay, grant: Grant) -> Decision[Content]:
        """A route of the agent's: its answer with its own status, as it comes."""
        response = await self._request(plan.method, plan.target, plan.headers, plan.body, grant)
        facts = Facts(upstream_status=response.status)
        if not _inspectable(response):
            response.close()
            return Deny(Reason.UPSTREAM_UNREADABLE, facts=facts)
        headers = downward(Headers(tuple(response.headers.items())))
        stream = Stream(response.status, headers, _frames(response), release=response.close)
        return Allow(stream, facts)

    def _request(
        self, method: str, target: str, received: Headers, body: bytes, grant: Grant
    ) -> "aiohttp.client._RequestContextManager":
        peer = grant.principal.peer
        own = {
            **forwarded(peer.forwarded if peer else None),
            **self._own,
            "Accept-Encoding": "identity",
            "X-Request-ID": grant.request_id,
            "X-Sidegate-Principal": grant.principal.id,
        }
        return self._session.request(
            method,
            # Encoded already: the bytes that were judged are the bytes that are sent.
            URL(f"{self._url}{target}", encoded=True),
            headers=tuple(upward(received, own)),
            data=body or None,
            allow_redirects=False,
        )

    async def missing(self) -> str | None:
        """What a request would lack now: a sentence, or None when the agent takes connections."""
        if self._url is None:
            return None
        url = URL(self._url)
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                _, writer = await asyncio.open_connection(url.host, url.port)
        except (OSError, TimeoutError) as error:
            return f"the agent at {url.host}:{url.port} does not answer: {type(error).__name__}"
        writer.close()
        return None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.close()


def _inspectable(response: aiohttp.ClientResponse) -> bool:
    """Whether the redactor would read in the answer what the client will.

    So it is whole, unencoded, in a known character set, and says each of these things once.
    """
    encodings = response.headers.getall("Content-Encoding", ["identity"])
    types = response.headers.getall("Content-Type", [])
    return (
        not any(_CONTROL.search(value) for value in response.headers.values())
        and 200 <= response.status < 600
        and response.status != HTTPStatus.PARTIAL_CONTENT
        and [encoding.lower() for encoding in encodings] == ["identity"]
        and len(types) <= 1
        and (response.charset or "").lower() in _READABLE
    )


async def _bounded(response: aiohttp.ClientResponse) -> bytes | None:
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > _MAX_RESULT:
            return None
    return bytes(data)


def _result(data: bytes, content_type: str) -> Json:
    if content_type == "application/json":
        try:
            return loads(data)
        except Malformed:
            pass
    return {"text": data.decode("utf-8", "replace")}


async def _frames(response: aiohttp.ClientResponse) -> AsyncIterator[Frame]:
    """The body as it comes. An answer that breaks off raises, and must not look complete."""
    async for chunk in response.content.iter_any():
        yield Frame("body", chunk)


_: type[Backend[Invoke | Relay]] = Upstream
