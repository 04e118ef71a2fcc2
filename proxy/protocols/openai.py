"""Routes of the agent's own that clients of a model call: their refusals in the form they read.

The path says which form that is: OpenAI's, or Anthropic's. A stream of events that breaks off says
so in an event, and is then cut: its end alone would look like silence.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial

from proxy.decision import Denied
from proxy.duplex import Socket
from proxy.exchange import Answer, Clean, Inbound
from proxy.protocols.events import event, is_events
from proxy.protocols.rest import ForwardCodec
from proxy.protocols.strict_json import dumps
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

Shape = Callable[[Denied, str], Json]

_LAST_WORDS_SECONDS = 0.25  # a connection that is reset at once may take them with it
_ENDS = ("\n\n", "\r\r", "\r\n\r\n")
_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
}


def _kind(denied: Denied) -> str:
    """The word that both use for a kind of failure."""
    status = denied.reason.status
    return _KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error")


def _sentence(denied: Denied) -> str:
    return f"{denied.reason.detail} {denied.reason.remedy}"


def openai(denied: Denied, request_id: str) -> Json:
    """A refusal as OpenAI says it."""
    error: Json = {
        "message": _sentence(denied),
        "type": _kind(denied),
        "param": None,
        "code": denied.reason.code,
        "request_id": request_id,
    }
    return {"error": error}


def anthropic(denied: Denied, request_id: str) -> Json:
    """A refusal as Anthropic says it."""
    error: Json = {"type": _kind(denied), "message": _sentence(denied)}
    return {"type": "error", "error": error, "request_id": request_id}


_SHAPES: dict[str, Shape] = {
    **dict.fromkeys(
        (
            *("/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/models"),
            "/v1/embeddings",
        ),
        openai,
    ),
    "/v1/messages": anthropic,
}


class ModelCodec(ForwardCodec):
    """A route of the agent's own, which may be one that clients of a model call."""

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        """The answer as it comes; where its events break off, that they did."""
        answer, shape = super().render(inbound, clean), _SHAPES.get(inbound.path)
        body = answer.body
        if shape is None or isinstance(body, bytes | Socket) or not is_events(answer.headers):
            return answer
        return replace(answer, body=ending_in(body, partial(_event, shape, inbound.request_id)))

    def refuse(self, inbound: Inbound, denied: Denied) -> Answer:
        """A refusal in the form of the path, with the status and fields that it has anyway."""
        answer, shape = super().refuse(inbound, denied), _SHAPES.get(inbound.path)
        return answer if shape is None else shaped(answer, shape(denied, inbound.request_id))


def _event(shape: Shape, request_id: str, denied: Denied) -> bytes:
    return event("error", dumps(shape(denied, request_id)))


def shaped(answer: Answer, value: Json) -> Answer:
    """A refusal with another body, which is plain JSON."""
    fields = (f for f in answer.headers if f[0].lower() != "content-type")
    typed = Headers((("Content-Type", "application/json"), *fields))
    return Answer(answer.status, typed, dumps(value))


async def ending_in(
    pieces: AsyncIterator[bytes], said: Callable[[Denied], bytes]
) -> AsyncIterator[bytes]:
    """Events as they come. Where they break off the last one says so, and it is raised after."""
    tail = b"\n\n"
    try:
        async for piece in pieces:
            tail = (tail + piece)[-4:]
            yield piece
    except Exception as error:
        known = error if isinstance(error, Denied) else None
        denied = known or Denied(Layer.ISOLATION, Reason.UPSTREAM_UNREADABLE)
        between = b"" if tail.endswith(tuple(end.encode() for end in _ENDS)) else b"\n\n"
        yield between + said(denied)
        await asyncio.sleep(_LAST_WORDS_SECONDS)
        raise
