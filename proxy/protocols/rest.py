"""Sidegate's own HTTP: tool calls and routes of the agent.

Each codec is the reading and writing of one kind of route; none does I/O but to read the body that
it was handed.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import assert_never

from proxy.actions import Action, Collect, Forward, Listing, Relay, ToolCall
from proxy.decision import Denied, Malformed
from proxy.duplex import Socket
from proxy.exchange import Answer, Clean, Document, Inbound, Stream
from proxy.holding import Held
from proxy.protocols.events import (
    FIELDS,
    RESULT,
    event,
    events,
    held,
    is_events,
    kept_alive,
    prefers_events,
)
from proxy.protocols.handshake import answered, asked
from proxy.protocols.idempotency import keyed
from proxy.protocols.problem import problem
from proxy.protocols.strict_json import JSON_TYPE, dumps, loads_object
from proxy.reasons import Reason
from proxy.values import Headers, Json

_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


class RestCodec:
    """What all of these routes share: documents as JSON, streams as they come, problems."""

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        """The answer in HTTP."""
        content = clean.content
        again = (("Idempotency-Replayed", "true"),) if clean.replayed else ()
        match content:
            case Document():
                value = self.document(inbound, clean, content.value)
                return Answer(content.status, Headers((*_JSON, *again)), dumps(value))
            case Stream():
                headers = Headers((*content.headers, *again))
                live = is_events(content.headers)
                body = kept_alive(content.frames) if live else _joined(content)
                return Answer(content.status, headers, body)
            case Socket():
                accepted = answered(inbound.headers)
                return Answer(content.status, Headers((*content.headers, *accepted)), content)
        assert_never(content)

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """The JSON that a document is shown as."""
        return value

    def refuse(self, inbound: Inbound, denied: Denied) -> Answer:
        """A refusal as problem+json."""
        return problem(denied, inbound.request_id)


class ToolCodec(RestCodec):
    """`POST /tools/{name}` with `{"arguments": {…}}`; answered in events where they are asked for.

    Whoever would rather come back later is not shown anything now.
    """

    async def parse(self, inbound: Inbound) -> Action:
        """The tool call."""
        body, _ = await json_object(inbound)
        arguments = body.get("arguments")
        if set(body) != {"arguments"} or not isinstance(arguments, Mapping):
            raise Malformed(Reason.BODY_MALFORMED, "not exactly one arguments object")
        detach = prefers_async(inbound.headers)
        stream = not detach and prefers_events(inbound.headers)
        return ToolCall(inbound.capture or "", arguments, detach, stream=stream)

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        """The answer; where it comes later, where it will be (RFC 7240 sections 3 and 4.1)."""
        answer = super().render(inbound, clean)
        if answer.status != HTTPStatus.ACCEPTED or not isinstance(clean.content, Document):
            return self._as_asked(inbound, clean, answer)
        kept = clean.content.value
        assert isinstance(kept, Mapping)
        later = (
            ("Location", f"/requests/{kept['request_id']}"),
            ("Preference-Applied", "respond-async"),
        )
        return replace(answer, headers=Headers((*answer.headers, *later)))

    def held(self, inbound: Inbound) -> Held | None:
        """Who asked for events sees that somebody is there; who comes back later need not."""
        waits = prefers_events(inbound.headers) and not prefers_async(inbound.headers)
        return held() if waits else None

    def _as_asked(self, inbound: Inbound, clean: Clean, answer: Answer) -> Answer:
        """An answer in events, unless JSON is as good."""
        if not prefers_events(inbound.headers):
            return answer
        body: bytes | AsyncIterator[bytes]
        match clean.content:
            case Stream(frames=frames):
                body = events(
                    frames,
                    lambda value: self.document(inbound, clean, value),
                    lambda denied: self.refuse(inbound, denied),
                )
            case _:
                assert isinstance(answer.body, bytes)
                body = event(RESULT, answer.body)
        names = {name.lower() for name, _ in FIELDS}
        kept = (field for field in answer.headers if field[0].lower() not in names)
        return Answer(answer.status, Headers((*FIELDS, *kept)), body)

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:
        """The result in its envelope."""
        if clean.content.status == HTTPStatus.ACCEPTED:
            return value
        return {"ok": True, "result": value, "request_id": inbound.request_id}


class RequestCodec(RestCodec):
    """`GET /requests/{id}`: what came of a call that was done apart from its request."""

    async def parse(self, inbound: Inbound) -> Action:
        """The wish for it."""
        return Collect(inbound.capture or "")

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:
        """The result in the envelope that it would have had."""
        if clean.content.status == HTTPStatus.ACCEPTED:
            return value
        return {"ok": True, "result": value, "request_id": inbound.capture}


class ListingCodec(RestCodec):
    """`GET /tools`."""

    async def parse(self, inbound: Inbound) -> Action:  # noqa: ARG002
        """The listing."""
        return Listing()


class ForwardCodec(RestCodec):
    """A route of the agent's own: method, path, query, headers and body as they came."""

    async def parse(self, inbound: Inbound) -> Action:
        """The request to forward."""
        target = with_query(inbound.path, inbound)
        relay = Relay(inbound.method, target, inbound.headers, b"")
        upgrade = asked(inbound)
        if upgrade is not None:
            return Forward(replace(relay, upgrade=upgrade))
        if keyed(inbound.headers):  # its body tells it from others, and so must be known
            return Forward(replace(relay, body=await inbound.body.read()))
        return Forward(replace(relay, upload=inbound.body.upload()))


async def json_object(inbound: Inbound) -> tuple[Mapping[str, Json], bytes]:
    """The body as a strict JSON object, and its bytes; raises Malformed."""
    content_type = (inbound.headers.get("content-type") or "").lower()
    encoding = (inbound.headers.get("content-encoding") or "identity").lower()
    if not JSON_TYPE.fullmatch(content_type) or encoding != "identity":
        raise Malformed(Reason.BODY_UNTYPED)
    data = await inbound.body.read()
    return loads_object(data), data


def prefers_async(headers: Headers) -> bool:
    """Whether the client would rather be answered at once, and come back (RFC 7240 section 4.1)."""
    given = ",".join(headers.all("prefer")).lower().split(",")
    return any(each.partition(";")[0].strip() == "respond-async" for each in given)


def with_query(path: str, inbound: Inbound) -> str:
    """The request target for the agent's `path`, with the query as it came."""
    return f"{path}?{inbound.query}" if inbound.query else path


async def _joined(stream: Stream) -> AsyncIterator[bytes]:
    async for frame in stream.frames:
        yield frame.data
