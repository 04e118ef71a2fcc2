"""The webhooks of providers: messages for the agent, and questions that are answered at once.

What goes up are the provider's own bytes, less the messages of those who may not send; a signature
over bytes that are no longer these is not passed on.
"""

from collections.abc import Callable
from dataclasses import dataclass

from proxy.actions import Action, Challenge, Message, Relay
from proxy.decision import Denied, Malformed
from proxy.exchange import Answer, Clean, Document, Inbound
from proxy.protocols.channels.event import Event, Sender
from proxy.protocols.channels.form import fields
from proxy.protocols.rest import RestCodec, json_object, with_query
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.values import Headers, Json

_SIGNATURES = ("-signature", "-signature-256", "-signature-ed25519")


@dataclass(frozen=True)
class WebhookCodec(RestCodec):
    """`POST /webhook` with `{"message": "…"}`, for the agent's own webhook at `path`."""

    path: str

    async def parse(self, inbound: Inbound) -> Action:
        """The message; its bytes go on as they came, since every reader finds the same in them."""
        body, data = await json_object(inbound)
        if not isinstance(body.get("message"), str):
            raise Malformed(Reason.BODY_MALFORMED, "message is not a string")
        return Message(Relay("POST", with_query(self.path, inbound), inbound.headers, data))


@dataclass(frozen=True)
class ChannelCodec(RestCodec):
    """`POST /webhook/{channel}`: what a provider sends, for the agent at `path`.

    `admits` is layer 2's list of senders, asked again for each message of a batch. With `drop`, a
    provider is not told that a sender was refused: some end a webhook that answers 403.
    """

    read: Callable[[bytes, Headers], Event]
    admits: Callable[[Sender], bool]
    path: str
    queued: bool
    drop: bool

    async def parse(self, inbound: Inbound) -> Action:
        """The message, or the provider's question."""
        data = await inbound.body.read()
        event = self.read(data, inbound.headers)
        if event.challenge is not None:
            return Challenge(event.challenge)
        kept = event.kept(self.admits)
        if kept is None:
            raise Malformed(Reason.SENDER_NOT_ALLOWED)
        headers = inbound.headers if kept == data else _unsigned(inbound.headers)
        relay = Relay("POST", with_query(self.path, inbound), headers, kept)
        return Message(relay, event.key, self.queued)

    def refuse(self, inbound: Inbound, denied: Denied) -> Answer:
        """The refusal, or a plain 200 for a sender who is dropped."""
        if self.drop and denied.reason is Reason.SENDER_NOT_ALLOWED:
            fields = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
            return Answer(200, Headers(fields), dumps({"status": "ok"}))
        return super().refuse(inbound, denied)


class SubscriptionCodec(RestCodec):
    """`GET /whatsapp`: Meta asks, at set-up, for its own words back."""

    async def parse(self, inbound: Inbound) -> Action:
        """The words, by the same reading of the query that layer 2 has judged."""
        return Challenge(fields(inbound.query.encode())["hub.challenge"])

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        """The words as plain text."""
        if isinstance(clean.content, Document):
            text: Json = clean.content.value
            return Answer(200, Headers((("Content-Type", "text/plain"),)), str(text).encode())
        return super().render(inbound, clean)


def _unsigned(headers: Headers) -> Headers:
    return Headers(tuple(f for f in headers if not f[0].lower().endswith(_SIGNATURES)))
