"""A way to an MCP server by Streamable HTTP: POST what is said, GET to listen, DELETE to end.

Nothing of the client's goes up but what `sent` holds, and of its headers only those of MCP. No
redirect is followed, and nothing is unpacked: what is read here is what was sent.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Mapping
from http import HTTPStatus

import aiohttp
from yarl import URL

from proxy.decision import Denied, Deny, Facts, Malformed
from proxy.isolation.mcp.decoder import Decoder
from proxy.isolation.mcp.link import Event, Link, Replies, Sent
from proxy.isolation.upstream.answers import bounded, frames, inspectable
from proxy.isolation.upstream.session import Call, Limits, Session
from proxy.jsonrpc import Message, Request, Response, as_json
from proxy.mcp import Verb
from proxy.protocols.mcp.messages import loads_message
from proxy.protocols.strict_json import JSON_TYPE, UTF8, dumps
from proxy.reasons import Layer, Reason
from proxy.values import Before, Headers

LIMITS = Limits(answer=3600.0, idle=None)
"""Calls end by the seconds of their plan; a head that takes longer than any of these is late."""
_PROBE_SECONDS = 3.0
_SESSION = "Mcp-Session-Id"
_METHODS = {Verb.LISTEN: "GET", Verb.END: "DELETE"}
_EVENTS_TYPE = re.compile(rf"text/event-stream{UTF8}")
_PASSING = re.compile(r"mcp-[!#$%&'*+.^_`|~0-9a-z-]{1,128}|last-event-id", re.IGNORECASE)
_VALUE = re.compile(r"[\x20-\x7e]{0,8192}")
_ID = re.compile(r"[\x21-\x7e]{1,1024}")  # visible ASCII, as every revision with sessions says


class HttpLink:
    """`Link` to the server at `url`. `own` are the configured headers for it."""

    def __init__(
        self, name: str, url: str, own: Mapping[str, str], limits: Limits = LIMITS
    ) -> None:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        self._name, self._own, self._limits = name, own, limits
        self._target = slash + path or "/"
        self._url = URL(f"{scheme}://{host}")
        self._session = Session(f"{scheme}://{host}", limits)

    async def send(self, sent: Sent) -> Replies | Deny:
        """Say something; the head of what comes back, and all of it where it is one document."""
        reached = _Reached(sent.before)
        try:
            async with asyncio.timeout(self._limits.answer):
                response = await self._session.send(self._call(sent, reached), None)
                if isinstance(response, Deny):
                    return _unanswered(response, reached)
                return await _closing(response, self._replies(response, sent))
        except TimeoutError:
            return Deny(Reason.MCP_LATE, facts=Facts(upstream_status=0))

    def _call(self, sent: Sent, before: Before) -> Call:
        message = sent.message
        if isinstance(message, Verb):
            return Call(_METHODS[message], self._target, self._headers(sent), b"", before)
        body = dumps(as_json(message))
        return Call("POST", self._target, self._headers(sent), body, before)

    def _headers(self, sent: Sent) -> Headers:
        """What MCP needs, then what is configured, which wins."""
        passing = tuple(field for field in sent.headers if _passes(*field))
        session = ((_SESSION, sent.session),) if _ID.fullmatch(sent.session) else ()
        kept = (*_accepted(sent.message), *passing, *session)
        ours = {name.lower() for name in self._own}
        return Headers(
            (*(field for field in kept if field[0].lower() not in ours), *self._own.items())
        )

    async def _replies(self, response: aiohttp.ClientResponse, sent: Sent) -> Replies | Deny:
        facts = Facts(upstream_status=response.status if 200 <= response.status < 600 else 0)
        session = _session(response)
        if not inspectable(response) or session is None:
            return _unreadable("the head", facts)
        if response.status >= 300:
            return await _refused(response, sent, facts)
        if not isinstance(sent.message, Request | Verb) or sent.message is Verb.END:
            return _nothing(response, session)
        kind = response.headers.get("Content-Type", "").lower()
        if _EVENTS_TYPE.fullmatch(kind):
            events = _events(response, self._limits.idle)
            release = response.close
            return Replies(response.status, events, streamed=True, session=session, release=release)
        if sent.message is Verb.LISTEN:
            return _unreadable("the type", facts)
        return await _document(response, session, kind, facts)

    async def missing(self) -> str | None:
        """What a message would lack now: a sentence, or None where connections are taken."""
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                _, writer = await asyncio.open_connection(self._url.host, self._url.port)
        except (OSError, TimeoutError) as error:
            self._session.breaker.up = False  # which opens nothing: only calls do
            where = f"{self._url.host}:{self._url.port}"
            kind = type(error).__name__
            return f"the MCP server {self._name} at {where} does not answer: {kind}"
        writer.close()
        self._session.breaker.reached()
        return None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.aclose()


class _Reached:
    """`before`, and whether it has gone well: from there on, the server may have received it."""

    def __init__(self, before: Before | None) -> None:
        self._before = before
        self.so = False

    async def __call__(self) -> None:
        if self._before is not None:
            await self._before()
        self.so = True


def _accepted(message: Message | Verb) -> tuple[tuple[str, str], ...]:
    events, plain = "text/event-stream", ("Accept-Encoding", "identity")
    if isinstance(message, Verb):
        return (("Accept", events), plain) if message is Verb.LISTEN else (plain,)
    kind = "application/json"
    return (("Content-Type", kind), ("Accept", f"{kind}, {events}"), plain)


def _passes(name: str, value: str) -> bool:
    """Whether a field goes up. What could end it, or be read as another, is left out."""
    named = _PASSING.fullmatch(name) is not None and name.lower() != _SESSION.lower()
    return named and _VALUE.fullmatch(value) is not None


def _unanswered(denied: Deny, reached: _Reached) -> Deny:
    if reached.so:
        return _unreadable(denied.evidence, denied.facts)
    return Deny(Reason.MCP_UNAVAILABLE, denied.evidence, denied.facts)


def _session(response: aiohttp.ClientResponse) -> str | None:
    """The id of the session that was opened, "" where none was; None where it is none."""
    match response.headers.getall(_SESSION, []):
        case []:
            return ""
        case [id_] if _ID.fullmatch(id_):
            return id_
    return None


async def _closing(
    response: aiohttp.ClientResponse, replies: Awaitable[Replies | Deny]
) -> Replies | Deny:
    """The replies; where there are none to come, the connection is not kept waiting."""
    kept = False
    try:
        made = await replies
        kept = isinstance(made, Replies)
    except (aiohttp.ClientError, OSError) as error:
        return _unreadable(type(error).__name__, Facts(upstream_status=0))
    else:
        return made
    finally:
        if not kept:
            response.close()


async def _refused(response: aiohttp.ClientResponse, sent: Sent, facts: Facts) -> Replies | Deny:
    """An error of the server's own words, of which clients learn its era, or only a status."""
    kind = response.headers.get("Content-Type", "").lower()
    if isinstance(sent.message, Request) and response.status >= 400 and JSON_TYPE.fullmatch(kind):
        data = await bounded(response)
        message = None if data is None else _message(data)
        if isinstance(message, Response):
            return Replies(response.status, _once(message))
    response.close()
    gone = response.status == HTTPStatus.NOT_FOUND and sent.session
    if gone or (isinstance(sent.message, Verb) and response.status >= 400):
        return Replies(response.status, _once())
    return Deny(Reason.MCP_REFUSED, f"status {response.status}", facts)


def _nothing(response: aiohttp.ClientResponse, session: str = "") -> Replies:
    response.release()
    return Replies(HTTPStatus.ACCEPTED, _once(), session=session)


async def _document(
    response: aiohttp.ClientResponse, session: str, kind: str, facts: Facts
) -> Replies | Deny:
    data = await bounded(response)
    if data == b"":
        return _nothing(response, session)
    message = _message(data) if data is not None and JSON_TYPE.fullmatch(kind) else None
    if message is None:
        return _unreadable("the body", facts)
    return Replies(response.status, _once(message), session=session)


def _message(data: bytes) -> Message | None:
    try:
        return loads_message(data)
    except Malformed:
        return None


async def _once(*messages: Message) -> AsyncIterator[Event]:
    for message in messages:
        yield Event(message)


async def _events(response: aiohttp.ClientResponse, idle: float | None) -> AsyncIterator[Event]:
    decoder = Decoder()
    try:
        async for frame in frames(response, idle, None):
            for event in decoder.feed(frame.data):
                yield event
    except (aiohttp.ClientError, OSError) as error:
        late = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError)
        reason = Reason.MCP_LATE if late else Reason.MCP_UNREADABLE
        raise Denied(Layer.ISOLATION, reason) from error
    finally:
        response.close()


def _unreadable(evidence: str, facts: Facts) -> Deny:
    return Deny(Reason.MCP_UNREADABLE, evidence, facts)


_: type[Link] = HttpLink
