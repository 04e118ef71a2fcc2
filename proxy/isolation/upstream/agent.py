"""Hand a request or a tool call to the agent behind Sidegate, and bring the answer back.

Nothing of the connection to the client reaches the agent but what `headers.upward` lets pass.
"""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus

import aiohttp
from yarl import URL

from proxy.actions import Invoke, Relay, Upload
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Content, Grant, Stream
from proxy.isolation.executor import Backend
from proxy.isolation.upstream.answers import bounded, frames, inspectable, result, watched
from proxy.isolation.upstream.guarded import guarded
from proxy.isolation.upstream.invoked import body_of, told
from proxy.isolation.upstream.session import Call, Limits, Session
from proxy.isolation.upstream.sockets import offer, opened
from proxy.protocols.events import is_events
from proxy.protocols.headers import downward, forwarded, upward
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.values import Headers

_PROBE_SECONDS = 3.0
_JSON = Headers((("Content-Type", "application/json"),))
Attest = Callable[[Grant], Mapping[str, str]]


def nothing_attested(_grant: Grant) -> Mapping[str, str]:
    """Most agents are told no more than all are."""
    return {}


class Upstream:
    """`Backend` for what the agent does itself. `own` are the configured headers for it.

    `attest`: what it is told of who asks, beside what every agent is.
    """

    def __init__(
        self,
        url: str | None,
        own: Mapping[str, str],
        limits: Limits | None = None,
        attest: Attest = nothing_attested,
    ) -> None:
        self._attest = attest
        self._url = url.rstrip("/") if url else None
        self._own = own
        self._limits = limits or Limits()
        self._session = Session(self._url or "", self._limits)

    @property
    def up(self) -> bool:
        """Whether the agent is there, as far as the last try could tell."""
        return self._session.breaker.up

    async def run(self, plan: Invoke | Relay, grant: Grant) -> Decision[Content]:
        """Send it up, and answer with what came back."""
        if self._url is None:
            return Deny(Reason.UPSTREAM_MISSING)
        try:
            if isinstance(plan, Relay):
                return await self._relay(plan, grant)
            async with asyncio.timeout(plan.seconds):
                return await self._invoke(plan, grant)
        except asyncio.CancelledError:
            grant.late["upstream_status"] = 0  # whoever left hears no answer
            raise
        except TimeoutError:
            return Deny(Reason.UPSTREAM_LATE, facts=Facts(upstream_status=0))
        except (aiohttp.ClientError, OSError) as error:
            kind = type(error).__name__
            return Deny(Reason.UPSTREAM_UNREACHABLE, kind, Facts(upstream_status=0))

    async def _invoke(self, plan: Invoke, grant: Grant) -> Decision[Content]:
        """A tool of the agent's: 2xx is a result, anything else is the agent's refusal."""
        body = dumps(body_of(plan))
        call = Call("POST", plan.path, self._upward(_JSON, grant), body, plan.before)
        answer = await self._session.send(call, None)
        if isinstance(answer, Deny):
            return answer
        facts = _facts(answer)
        async with answer as response:
            if 300 <= response.status < 600:
                return Deny(Reason.UPSTREAM_REFUSED, f"status {response.status}", facts)
            if not inspectable(response):
                return Deny(Reason.UPSTREAM_UNREADABLE, facts=facts)
            data = await bounded(response)
            if data is None:
                return Deny(Reason.UPSTREAM_UNREADABLE, "too large", facts)
        return told(plan, result(data, response.content_type), facts)

    async def _relay(self, plan: Relay, grant: Grant) -> Decision[Content]:
        """A route of the agent's: its answer with its own status, as it comes."""
        limits = self._limits
        now = asyncio.get_running_loop().time()
        deadline = None if limits.total is None else now + limits.total
        body: bytes | Upload = plan.body if plan.upload is None else plan.upload
        asked = None if plan.upgrade is None else offer(plan.upgrade, grant.principal.presented)
        headers = self._upward(plan.headers, grant, asked.fields if asked else {})
        call = Call(plan.method, plan.target, headers, body, plan.before)
        response = await self._session.send(call, _least(limits.answer, limits.total))
        if isinstance(response, Deny):
            return response
        facts = _facts(response)
        if asked is not None and response.status == HTTPStatus.SWITCHING_PROTOCOLS:
            socket = opened(response, asked)
            if socket is not None:
                socket = socket if plan.guard is None else guarded(socket, plan.guard)
                return Allow(socket, Facts(upstream_status=response.status))
        if not inspectable(response):
            response.close()
            return Deny(Reason.UPSTREAM_UNREADABLE, facts=facts)
        fields = downward(Headers(tuple(response.headers.items())))
        idle = None if is_events(fields) and watched(response) else limits.idle
        pieces = frames(response, idle, deadline)
        return Allow(Stream(response.status, fields, pieces, release=response.close), facts)

    def _upward(
        self, received: Headers, grant: Grant, handshake: Mapping[str, str] | None = None
    ) -> Headers:
        peer = grant.principal.peer
        own = {
            **forwarded(peer.forwarded if peer else None),
            **self._own,
            **self._attest(grant),
            "Accept-Encoding": "identity",
            "X-Request-ID": grant.request_id,
            "X-Sidegate-Principal": grant.principal.id,
            **(handshake or {}),
        }
        return upward(received, own)

    async def missing(self) -> str | None:
        """What a request would lack now: a sentence, or None when the agent takes connections."""
        if self._url is None:
            return None
        url = URL(self._url)
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                _, writer = await asyncio.open_connection(url.host, url.port)
        except (OSError, TimeoutError) as error:
            self._session.breaker.up = False  # which opens nothing: only calls do
            return f"the agent at {url.host}:{url.port} does not answer: {type(error).__name__}"
        writer.close()
        self._session.breaker.reached()
        return None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._session.aclose()


def _facts(response: aiohttp.ClientResponse) -> Facts:
    """What is counted: a status that no final answer has is no answer (RFC 9110 section 15)."""
    return Facts(upstream_status=response.status if 200 <= response.status < 600 else 0)


def _least(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


_: type[Backend[Invoke | Relay]] = Upstream
