"""One request to an upstream, and the head of its answer or why there is none.

No redirect, cookie or proxy of the environment is followed, and nothing is unpacked on the way.
What an answer holds is for the caller to read, and to close.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from proxy.actions import Upload
from proxy.decision import Deny, Facts, Malformed
from proxy.isolation.upstream.breaker import Breaker
from proxy.isolation.upstream.connector import SENDING, Connector, Sending
from proxy.protocols.idempotency import keyed
from proxy.reasons import Reason
from proxy.values import Before, Headers

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What an upstream may take, in seconds, and connections in use at a time; None is no limit.

    `connect`: until it is reached. `answer`: from then or before, until the first byte of the
    answer. `idle`: between two pieces of one. `total`: to its end. `moment`: as long may a
    connection have rested on which goes out what acts.
    """

    connect: float | None = 5.0
    answer: float | None = 300.0
    idle: float | None = 300.0
    total: float | None = None
    connections: int | None = 1024
    moment: float = 1.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request. `target` begins with a slash and is sent as it is; so are `headers`."""

    method: str
    target: str
    headers: Headers
    body: bytes | Upload = b""
    before: Before | None = field(default=None, compare=False, repr=False)

    @property
    def safe(self) -> bool:
        """Whether it acts on nothing, and its body is at hand (RFC 9110 section 9.2.1)."""
        return self.method in _SAFE and self._at_hand

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent twice: it is safe, or has a key that tells it from another.

        What was recorded as sent before it was is sent once: a key is only as good as the agent.
        """
        return self.safe or (keyed(self.headers) and self._at_hand and self.before is None)

    @property
    def _at_hand(self) -> bool:
        return isinstance(self.body, bytes) or self.body.length == 0


class Session:
    """All that is sent to the upstream at `url`. `client` is for what is more than a request."""

    def __init__(self, url: str, limits: Limits) -> None:
        self._url = url
        self.breaker = Breaker(asyncio.get_running_loop().time)
        self.client = aiohttp.ClientSession(
            connector=Connector(self.breaker, limits.connections, limits.moment),
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=limits.connect),
            skip_auto_headers=("User-Agent", "Content-Type"),
        )

    async def send(self, call: Call, seconds: float | None) -> aiohttp.ClientResponse | Deny:
        """The head of the answer, which has `seconds` to come."""
        if wait := self.breaker.wait():
            return Deny(Reason.UPSTREAM_DOWN, facts=Facts(upstream_status=0, retry_after=wait))
        sending = Sending(call.before, call.safe, call.repeatable)
        try:
            async with asyncio.timeout(seconds):
                response = await self._sent(call, sending)
        except (aiohttp.ClientError, OSError) as error:
            return _failure(error, sending)
        self.breaker.reached()
        return response

    async def _sent(self, call: Call, sending: Sending) -> aiohttp.ClientResponse:
        try:
            return await self._once(call, sending)
        except (aiohttp.ClientError, OSError):
            if not sending.lost:
                raise
        sending.again()
        return await self._once(call, sending)

    async def _once(self, call: Call, sending: Sending) -> aiohttp.ClientResponse:
        data, headers = _framed(call, sending)
        token = SENDING.set(sending)
        try:
            return await self.client.request(
                call.method,
                # Encoded already: the bytes that were judged are the bytes that are sent.
                URL(f"{self._url}{call.target}", encoded=True),
                headers=tuple(headers),
                data=data,
                allow_redirects=False,
            )
        finally:
            SENDING.reset(token)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.close()


def _framed(call: Call, sending: Sending) -> tuple[bytes | AsyncIterator[bytes] | None, Headers]:
    """The body as it goes out, and the fields: with the length that the client states, or none."""
    body, headers = call.body, call.headers
    if not isinstance(body, Upload):
        return body or None, headers
    if body.length == 0:
        return None, headers
    if body.length is not None:
        headers = Headers((*headers, ("Content-Length", str(body.length))))
    return _watched(body, sending), headers


async def _watched(upload: Upload, sending: Sending) -> AsyncIterator[bytes]:
    """The pieces of a body. One that breaks off must not look whole, nor may its answer."""
    whole = False
    try:
        async for piece in _measured(upload):
            yield piece
        whole = True
    except Malformed as malformed:
        sending.broken = malformed
        raise
    finally:
        if not whole and sending.handler is not None:
            sending.handler.break_off()


async def _measured(upload: Upload) -> AsyncIterator[bytes]:
    """The pieces, if they are together as long as was said."""
    size = 0
    async for piece in upload.pieces:
        size += len(piece)
        if upload.length is not None and size > upload.length:
            raise Malformed(Reason.BODY_MALFORMED, "longer than it says")
        yield piece
    if upload.length not in (None, size):
        raise Malformed(Reason.BODY_MALFORMED, "shorter than it says")


def _failure(error: Exception, sending: Sending) -> Deny:
    none = Facts(upstream_status=0)
    if sending.broken is not None:
        return Deny(sending.broken.reason, sending.broken.evidence, none)
    kind = type(error).__name__
    late = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError)
    return Deny(Reason.UPSTREAM_LATE if late else Reason.UPSTREAM_UNREACHABLE, kind, none)
