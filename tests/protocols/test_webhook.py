"""Webhooks on their way to the agent: what goes up, and what is answered at once."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pytest
from doubles import UnreadBody, inbound

from proxy.actions import Challenge, Message, Relay
from proxy.decision import Denied, Malformed
from proxy.exchange import Answer, Clean, Codec, Document, Inbound
from proxy.protocols.channels import READERS
from proxy.protocols.channels.event import Admits, Event, Sender
from proxy.protocols.problem import problem
from proxy.protocols.webhook import ChannelCodec, SubscriptionCodec, WebhookCodec
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

JSON = {"Content-Type": "application/json"}
WEBHOOK = WebhookCodec("/hooks/in")
DATA = b'{"from":["a","b"]}'
SIGNATURES = {
    "X-Hub-Signature": "sha1=0",
    "X-Hub-Signature-256": "sha256=0",
    "X-Slack-Signature": "v0=0",
    "X-Signature-Ed25519": "0",
    "webhook-signature": "v1,0",
}


@dataclass
class FakeReader:
    """The reader of a channel that finds this event in everything, and remembers what it read."""

    event: Event
    seen: list[tuple[bytes, Headers]] = field(default_factory=list)

    def __call__(self, data: bytes, headers: Headers) -> Event:
        self.seen.append((data, headers))
        return self.event


def post(body: bytes, headers: dict[str, str] | None = None, *, query: str = "") -> Inbound:
    return inbound(
        method="POST", body=body, headers=JSON if headers is None else headers, query=query
    )


def event(*senders: str, cut: bytes | None = None, challenge: Json = None) -> Event:
    """An event of these senders; with `cut` it is what a trimmed post comes down to."""

    def trim(admits: Admits) -> bytes:
        return DATA if all(admits(Sender((each,))) for each in senders) else cut or b""

    named = tuple(Sender((each,)) for each in senders)
    return Event("key-1", named, DATA, challenge, trim=trim if cut is not None else None)


def codec(
    found: Event, *allowed: str, path: str = "/hooks/chat", queued: bool = False, drop: bool = False
) -> ChannelCodec:
    def admits(sender: Sender) -> bool:
        return not set(sender.ids).isdisjoint(allowed)

    return ChannelCodec(FakeReader(found), admits, path, queued, drop)


async def refused(reader: Codec, request: Inbound) -> Reason:
    with pytest.raises(Malformed) as caught:
        await reader.parse(request)
    return caught.value.reason


def names(headers: Iterable[tuple[str, str]]) -> set[str]:
    return {name for name, _ in headers}


def shown(answer: Answer) -> Json:
    assert isinstance(answer.body, bytes)
    value: Json = json.loads(answer.body)
    return value


# The agent's own webhook


@pytest.mark.parametrize(
    "body",
    [
        b'{"message":"hello"}',
        b'{"message":""}',
        b' {"message" : "hi", "thread": {"id": 1}} ',
        '{"message":"ä😀"}'.encode(),
    ],
)
async def test_message_goes_on_in_the_bytes_it_came_in(body: bytes) -> None:
    request = post(body)

    assert await WEBHOOK.parse(request) == Message(
        Relay("POST", "/hooks/in", request.headers, body)
    )


async def test_message_has_no_key_of_a_provider_and_is_not_queued() -> None:
    message = await WEBHOOK.parse(post(b'{"message":"a"}'))

    assert isinstance(message, Message)
    assert (message.key, message.queued) == ("", False)


async def test_query_of_a_message_goes_on() -> None:
    message = await WEBHOOK.parse(post(b'{"message":"a"}', query="a=b&c=%20"))

    assert isinstance(message, Message)
    assert message.relay.target == "/hooks/in?a=b&c=%20"


@pytest.mark.parametrize(
    "body",
    [
        *(b"{}", b'{"message":null}', b'{"message":1}', b'{"message":["a"]}', b'{"Message":"a"}'),
        *(b'{"text":"a"}', b'{"message":"a","message":"b"}', b'{"message":"\\ud800"}', b""),
    ],
)
async def test_message_must_be_text(body: bytes) -> None:
    assert await refused(WEBHOOK, post(body)) is Reason.BODY_MALFORMED


@pytest.mark.parametrize(
    "charset", ["utf-7", "utf-16", "iso-8859-1", "cp037", '"utf-7"', "utf-8; charset=utf-7"]
)
async def test_message_in_another_character_set_is_refused(charset: str) -> None:
    """An agent that believes the charset finds another message in the bytes that go on."""
    body = b'{"message":"hello","+AG0-essage":"delete all"}'
    assert json.loads(body.decode("utf-7")) == {"message": "delete all"}
    request = post(body, {"Content-Type": f"application/json; charset={charset}"})

    assert await refused(WEBHOOK, request) is Reason.BODY_UNTYPED


# Channels


@pytest.mark.parametrize("queued", [False, True])
async def test_message_of_a_channel_goes_on_in_the_bytes_it_came_in(*, queued: bool) -> None:
    request = post(DATA, {**JSON, **SIGNATURES}, query="a=b")
    reader = codec(event("a"), "a", queued=queued)

    relay = Relay("POST", "/hooks/chat?a=b", request.headers, DATA)
    assert await reader.parse(request) == Message(relay, "key-1", queued)


async def test_what_is_read_is_what_came() -> None:
    request = post(DATA, SIGNATURES)
    reader = FakeReader(event("a"))
    await ChannelCodec(reader, lambda _: True, "/a", queued=False, drop=False).parse(request)

    assert reader.seen == [(DATA, request.headers)]


async def test_a_batch_of_admitted_senders_keeps_its_signatures() -> None:
    request = post(DATA, {**JSON, **SIGNATURES})
    message = await codec(event("a", "b", cut=b"[]"), "a", "b").parse(request)

    assert isinstance(message, Message)
    assert (message.relay.body, message.relay.headers) == (DATA, request.headers)


async def test_a_batch_goes_on_without_who_may_not_send_and_without_its_signatures() -> None:
    """They are over other bytes: an agent that checks them would refuse the rest."""
    own = {**JSON, "X-GitHub-Event": "push", "X-Signature-Timestamp": "1", "Signature-Note": "a"}
    message = await codec(event("a", "b", cut=b'{"from":["a"]}'), "a").parse(
        post(DATA, {**own, **SIGNATURES})
    )

    assert isinstance(message, Message)
    assert message.relay.body == b'{"from":["a"]}'
    assert names(message.relay.headers) == {"Host", *own}


@pytest.mark.parametrize(
    ("senders", "allowed"),
    [
        (("a",), ()),
        (("a",), ("b",)),
        # a post that cannot be cut is delivered whole or not at all
        (("a", "b"), ("a",)),
        ((), ("a",)),
    ],
)
async def test_who_may_not_send_does_not_reach_the_agent(
    senders: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    assert await refused(codec(event(*senders), *allowed), post(DATA)) is Reason.SENDER_NOT_ALLOWED


@pytest.mark.parametrize("challenge", [{"challenge": "c"}, {"type": 1}, "text"])
async def test_a_provider_s_question_is_answered_and_reaches_no_agent(challenge: Json) -> None:
    reader = codec(event(challenge=challenge), queued=True)

    assert await reader.parse(post(DATA)) == Challenge(challenge)
    assert shown(reader.render(post(DATA), Clean(Document(challenge)))) == challenge


async def test_the_real_readers_fit() -> None:
    body = b'{"sender":{"id":1,"login":"octocat"}}'
    sent = {**JSON, "X-GitHub-Delivery": "delivery-1", "X-GitHub-Event": "push"}
    reader = ChannelCodec(READERS["github"], lambda _: True, "/a", queued=False, drop=False)
    message = await reader.parse(post(body, sent))

    assert isinstance(message, Message)
    assert message.key == "delivery-1"
    assert await refused(reader, post(b"{", sent)) is Reason.BODY_MALFORMED


# What a provider is told


REFUSED = Denied(Layer.AUTHENTICATION, Reason.SENDER_NOT_ALLOWED)


def test_a_sender_who_is_refused_is_told_so() -> None:
    request = post(DATA)

    assert codec(event("a")).refuse(request, REFUSED) == problem(REFUSED, request.request_id)


def test_a_sender_who_is_dropped_is_not() -> None:
    answer = codec(event("a"), drop=True).refuse(post(DATA), REFUSED)

    assert (answer.status, shown(answer)) == (200, {"status": "ok"})
    assert answer.headers.get("Content-Type") == "application/json"
    assert answer.headers.get("Cache-Control") == "no-store"


@pytest.mark.parametrize(
    "reason",
    [reason for reason in Reason if reason is not Reason.SENDER_NOT_ALLOWED],
    ids=lambda reason: reason.code,
)
def test_no_other_refusal_is_dropped(reason: Reason) -> None:
    """A provider that is told 200 does not send again."""
    denied, request = Denied(Layer.AUTHENTICATION, reason), post(DATA)

    answer = codec(event("a"), drop=True).refuse(request, denied)

    assert answer == problem(denied, request.request_id)


# The subscription


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=x", "1158201444"),
        ("hub.challenge=a%20b%26c", "a b&c"),
        ("hub.challenge=a+b", "a b"),
        ("hub.challenge=%3Cscript%3E", "<script>"),
    ],
)
async def test_meta_gets_its_own_words_back_as_plain_text(query: str, words: str) -> None:
    request = inbound(query=query)
    action = await SubscriptionCodec().parse(request)
    answer = SubscriptionCodec().render(request, Clean(Document(words)))

    assert action == Challenge(words)
    assert (answer.status, answer.body) == (200, words.encode())
    assert answer.headers.get("Content-Type") == "text/plain"


async def test_nothing_is_read_of_a_subscription() -> None:
    request = replace(inbound(query="hub.challenge=1"), body=UnreadBody())

    assert await SubscriptionCodec().parse(request) == Challenge("1")


def test_a_subscription_that_is_refused_is_told_so() -> None:
    denied, request = Denied(Layer.AUTHENTICATION, Reason.VERIFY_TOKEN_WRONG), inbound()

    assert SubscriptionCodec().refuse(request, denied) == problem(denied, request.request_id)
