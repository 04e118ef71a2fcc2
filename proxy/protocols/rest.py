"""Sidegate's own HTTP: tool calls, messages, routes of the agent, and what Sidegate itself does.

Each codec is the reading and writing of one kind of route; none does I/O but to read the body that
it was handed.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import assert_never

from proxy.actions import Action, Forward, Headers, Json, Listing, Message, Operate, Relay, ToolCall
from proxy.decision import Denied, Malformed
from proxy.exchange import Answer, Clean, Document, Inbound, Stream
from proxy.protocols.problem import problem
from proxy.protocols.strict_json import dumps, loads
from proxy.reasons import Reason

# Another character set would make another text of the same bytes.
_JSON_TYPE = re.compile(r"application/json[ \t]*(?:;[ \t]*(?:charset=\"?utf-8\"?[ \t]*)?)?")
_JSON = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


class RestCodec:
    """What all of these routes share: documents as JSON, streams as they come, problems."""

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        """The answer in HTTP."""
        content = clean.content
        match content:
            case Document():
                value = self.document(inbound, clean, content.value)
                return Answer(content.status, Headers(_JSON), dumps(value))
            case Stream():
                return Answer(content.status, content.headers, _joined(content))
        assert_never(content)

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """The JSON that a document is shown as."""
        return value

    def refuse(self, inbound: Inbound, denied: Denied) -> Answer:
        """A refusal as problem+json."""
        return problem(denied, inbound.request_id)


class ToolCodec(RestCodec):
    """`POST /tools/{name}` with `{"arguments": {…}}`."""

    async def parse(self, inbound: Inbound) -> Action:
        """The tool call."""
        body, _ = await _json_object(inbound)
        arguments = body.get("arguments")
        if set(body) != {"arguments"} or not isinstance(arguments, Mapping):
            raise Malformed(Reason.BODY_MALFORMED, "not exactly one arguments object")
        return ToolCall(inbound.capture or "", arguments)

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """The result in its envelope."""
        return {"ok": True, "result": value, "request_id": inbound.request_id}


class ListingCodec(RestCodec):
    """`GET /tools`."""

    async def parse(self, inbound: Inbound) -> Action:  # noqa: ARG002
        """The listing."""
        return Listing()


@dataclass(frozen=True)
class WebhookCodec(RestCodec):
    """`POST /webhook` with `{"message": "…"}`, for the agent's own webhook at `path`."""

    path: str

    async def parse(self, inbound: Inbound) -> Action:
        """The message; its bytes go on as they came, since every reader finds the same in them."""
        body, data = await _json_object(inbound)
        text = body.get("message")
        if not isinstance(text, str):
            raise Malformed(Reason.BODY_MALFORMED, "message is not a string")
        return Message(text, Relay("POST", _with_query(self.path, inbound), inbound.headers, data))


class ForwardCodec(RestCodec):
    """A route of the agent's own: method, path, query, headers and body as they came."""

    async def parse(self, inbound: Inbound) -> Action:
        """The request to forward."""
        data = await inbound.body.read()
        target = _with_query(inbound.path, inbound)
        return Forward(Relay(inbound.method, target, inbound.headers, data))


@dataclass(frozen=True)
class OperationCodec(RestCodec):
    """Something that Sidegate itself does. Takes at most the captured segment, as `subject`."""

    verb: str

    async def parse(self, inbound: Inbound) -> Action:
        """The operation."""
        return Operate(self.verb, {"subject": inbound.capture} if inbound.capture else {})


class PairCodec(OperationCodec):
    """`POST /pair`: the one answer that shows a token, which the redactor never saw."""

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """What a newly paired client needs to know."""
        return {"paired": True, "persisted": True, "token": clean.issued}


async def _json_object(inbound: Inbound) -> tuple[Mapping[str, Json], bytes]:
    content_type = (inbound.headers.get("content-type") or "").lower()
    encoding = (inbound.headers.get("content-encoding") or "identity").lower()
    if not _JSON_TYPE.fullmatch(content_type) or encoding != "identity":
        raise Malformed(Reason.BODY_UNTYPED)
    data = await inbound.body.read()
    value = loads(data)
    if not isinstance(value, Mapping):
        raise Malformed(Reason.BODY_MALFORMED, "not an object")
    return value, data


def _with_query(path: str, inbound: Inbound) -> str:
    return f"{path}?{inbound.query}" if inbound.query else path


async def _joined(stream: Stream) -> AsyncIterator[bytes]:
    async for frame in stream.frames:
        yield frame.data
