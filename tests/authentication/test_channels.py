"""Who sent a webhook: the order of the questions, and what each answer is."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import signing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from doubles import BytesBody, Clock, inbound
from signing import Post
from state.backends import SEAL

from proxy.authentication.authenticator import Authenticator
from proxy.authentication.channels import SEVERAL, Channels
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.config.channels import ChannelsConfig
from proxy.decision import Allow, Decision, Deny, Malformed
from proxy.exchange import Access, Inbound, Peer, Principal, Role, Route
from proxy.limits import Unlimited
from proxy.protocols.operator import OperationCodec
from proxy.reasons import Reason
from proxy.state.sqlite.store import SqliteStore
from proxy.values import Headers

NOW = 1_700_000_000
PEER = Peer("10.0.0.1")
KEY = "a-secret-of-the-tests"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STANDARD = base64.b64encode(bytes(range(32))).decode()
JSON = {"Content-Type": "application/json"}

SECTIONS: dict[str, dict[str, object]] = {
    "telegram": {"secret_token": KEY, "allowed_users": ["7"]},
    "discord": {
        "public_key": PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex(),
        "allowed_users": ["42"],
    },
    "slack": {"signing_secret": KEY, "allowed_users": ["U1"]},
    "whatsapp": {"app_secret": KEY, "allowed_numbers": ["491"], "verify_token": KEY},
    "github": {"secret": KEY, "allowed_users": ["octocat"]},
    "standard": {"secret": STANDARD},
}
SENDERS = {
    "telegram": "7",
    "discord": "42",
    "slack": "U1",
    "whatsapp": "491",
    "github": "583231",
    "standard": "standard",
}
STAMPED = ("slack", "discord", "standard")
# Channels that can refuse a sender, and that ask a question at set-up.
CHOOSING = ("telegram", "discord", "slack", "whatsapp", "github")
ASKING = ("discord", "slack", "whatsapp", "github")


def message(channel: str, sender: str | int | None = None) -> bytes:
    """A message, of the sender who is admitted or of another."""
    who: Any = SENDERS[channel] if sender is None else sender
    value: Any = {
        "telegram": {"update_id": 1, "message": {"from": {"id": who}, "text": "hi"}},
        "discord": {"type": 2, "id": "1", "member": {"user": {"id": who}}},
        "slack": {
            "type": "event_callback",
            "event_id": "Ev1",
            "team_id": "T1",
            "event": {"type": "message", "user": who},
        },
        "whatsapp": whatsapp(who),
        "github": {"sender": {"id": who, "login": "octocat" if sender is None else "mallory"}},
        "standard": {"anything": "at all"},
    }[channel]
    return json.dumps(value).encode()


def whatsapp(*senders: str) -> object:
    messages = [
        {"id": f"wamid.{sender}", "from": sender, "type": "text", "text": {"body": "hi"}}
        for sender in senders
    ]
    return {"entry": [{"changes": [{"value": {"messages": messages}}]}]}


def question(channel: str) -> bytes:
    """What the provider asks, of nobody in particular."""
    value: object = {
        "discord": {"type": 1},
        "slack": {"type": "url_verification", "challenge": "c"},
        "whatsapp": {"entry": [{"changes": [{"value": {"statuses": [{"id": "1"}]}}]}]},
        "github": {"zen": "Keep it logically awesome."},
    }[channel]
    return json.dumps(value).encode()


def mac(key: bytes, content: bytes) -> bytes:
    return hmac.new(key, content, hashlib.sha256).digest()


def signed(channel: str, body: bytes, stamp: int = NOW, event: str = "push") -> Mapping[str, str]:
    """The headers that the provider sends with `body`."""
    key, time = KEY.encode(), str(stamp)
    match channel:
        case "telegram":
            return {**JSON, "X-Telegram-Bot-Api-Secret-Token": KEY}
        case "whatsapp":
            return {**JSON, "X-Hub-Signature-256": f"sha256={mac(key, body).hex()}"}
        case "github":
            names = {"X-GitHub-Delivery": "delivery-1", "X-GitHub-Event": event}
            return {**JSON, **names, "X-Hub-Signature-256": f"sha256={mac(key, body).hex()}"}
        case "slack":
            proof = mac(key, f"v0:{time}:".encode() + body).hex()
            return {**JSON, "X-Slack-Request-Timestamp": time, "X-Slack-Signature": f"v0={proof}"}
        case "discord":
            proof = PRIVATE.sign(time.encode() + body).hex()
            return {**JSON, "X-Signature-Timestamp": time, "X-Signature-Ed25519": proof}
    proof = base64.b64encode(mac(bytes(range(32)), f"msg_1.{time}.".encode() + body)).decode()
    names = {"webhook-id": "msg_1", "webhook-timestamp": time}
    return {**JSON, **names, "webhook-signature": f"v1,{proof}"}


def hook(channel: str, method: str = "POST") -> Route:
    codec = OperationCodec("verb")
    return Route("webhook", frozenset({method}), "/hook", codec, Access.CHANNEL, channel=channel)


def posted(channel: str, body: bytes, headers: Mapping[str, str]) -> Inbound:
    return inbound(hook(channel), method="POST", headers=headers, body=body)


def genuine(channel: str, body: bytes, stamp: int = NOW, event: str = "push") -> Inbound:
    return posted(channel, body, signed(channel, body, stamp, event))


def facts(channel: str, result: str) -> dict[str, str]:
    return {"channel": channel, "verification": result}


@dataclass
class Desk:
    """The channels over a real state."""

    store: SqliteStore
    clock: Clock

    def channels(self, **changes: Mapping[str, object]) -> Channels:
        """All of them, with changes to their sections."""
        sections = {name: {**plain, **changes.get(name, {})} for name, plain in SECTIONS.items()}
        config = ChannelsConfig.model_validate(sections)
        return Channels(config.configured(), None, self.store.replays, self.clock)

    async def ask(self, request: Inbound, **changes: Mapping[str, object]) -> Decision[Principal]:
        return await self.channels(**changes).authenticate(request, PEER)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    store = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    yield Desk(store, Clock(NOW))
    await store.aclose()


# Who it is


@pytest.mark.parametrize("channel", SECTIONS)
async def test_a_genuine_message_of_an_admitted_sender_is_theirs(desk: Desk, channel: str) -> None:
    decision = await desk.ask(genuine(channel, message(channel)))

    assert decision == Allow(Principal(f"{channel}:{SENDERS[channel]}", Role.CLIENT, PEER))
    assert decision.facts == facts(channel, "verified")


@pytest.mark.parametrize("channel", ASKING)
async def test_a_provider_s_question_is_the_provider_s(desk: Desk, channel: str) -> None:
    decision = await desk.ask(genuine(channel, question(channel), event="ping"))

    assert decision == Allow(Principal(channel, Role.PUBLIC, PEER))
    assert decision.facts == facts(channel, "verified")


@pytest.mark.parametrize("channel", CHOOSING)
async def test_a_sender_who_is_not_listed_is_refused_and_named_in_the_record(
    desk: Desk, channel: str
) -> None:
    denied = await desk.ask(genuine(channel, message(channel, "666")))

    assert isinstance(denied, Deny)
    assert denied == Deny(Reason.SENDER_NOT_ALLOWED)
    assert denied.facts == facts(channel, "denied")
    assert denied.evidence == ("666/mallory" if channel == "github" else "666")


@pytest.mark.parametrize("channel", CHOOSING)
async def test_an_empty_list_admits_nobody(desk: Desk, channel: str) -> None:
    lists: dict[str, object] = {
        name: [] for name in SECTIONS[channel] if name.startswith("allowed_")
    }
    denied = await desk.ask(genuine(channel, message(channel)), **{channel: lists})

    assert denied == Deny(Reason.SENDER_NOT_ALLOWED)


async def test_a_sender_whom_nobody_knows_needs_a_star(desk: Desk) -> None:
    request = genuine("telegram", b'{"update_id":1,"poll":{"id":"1"}}')

    assert await desk.ask(request) == Deny(Reason.SENDER_NOT_ALLOWED)
    assert await desk.ask(request, telegram={"allowed_users": ["*"]}) == Allow(
        Principal("telegram:unknown", Role.CLIENT, PEER)
    )


@pytest.mark.parametrize(
    ("senders", "allowed", "principal"),
    [
        (("491", "491"), ["491"], "whatsapp:491"),
        (("491", "492"), ["491"], "whatsapp:491"),
        (("492", "491"), ["491"], "whatsapp:491"),
        (("491", "492"), ["491", "492"], f"whatsapp:{SEVERAL}"),
        (("491", "492"), ["*"], f"whatsapp:{SEVERAL}"),
    ],
)
async def test_a_batch_is_of_whom_it_admits(
    desk: Desk, senders: tuple[str, ...], allowed: list[str], principal: str
) -> None:
    body = json.dumps(whatsapp(*senders)).encode()
    decision = await desk.ask(genuine("whatsapp", body), whatsapp={"allowed_numbers": allowed})

    assert decision == Allow(Principal(principal, Role.CLIENT, PEER))


async def test_slack_is_listened_to_in_one_workspace_where_one_is_named(desk: Desk) -> None:
    request = genuine("slack", message("slack"))

    assert isinstance(await desk.ask(request, slack={"team_id": "T1"}), Allow)
    again = genuine("slack", message("slack"), NOW + 1)
    assert await desk.ask(again, slack={"team_id": "T2"}) == Deny(Reason.SENDER_NOT_ALLOWED)


# In which order


@pytest.mark.parametrize("channel", SECTIONS)
@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 10_000], ids=repr)
async def test_nothing_is_parsed_before_the_signature_holds(
    desk: Desk, channel: str, body: bytes
) -> None:
    """Bytes of a stranger, which every reader would stumble over, are never read."""
    right = signed(channel, body)
    proof = next(name for name in right if "ignature" in name or "Token" in name)
    for wrong in ({**right, proof: right[proof][:-2] + "zz"}, JSON):
        denied = await desk.ask(posted(channel, body, wrong))

        assert denied == Deny(Reason.SIGNATURE_INVALID)
        assert denied.facts == facts(channel, "invalid")


@pytest.mark.parametrize("channel", CHOOSING)
async def test_it_is_read_once_the_signature_holds(desk: Desk, channel: str) -> None:
    with pytest.raises(Malformed) as caught:
        await desk.ask(genuine(channel, b"{"))

    assert caught.value.reason is Reason.BODY_MALFORMED


@pytest.mark.parametrize("channel", STAMPED)
@pytest.mark.parametrize("seconds", [-301, 301, -86_400, 86_400])
async def test_what_was_signed_at_another_time_is_not_read(
    desk: Desk, channel: str, seconds: int
) -> None:
    denied = await desk.ask(genuine(channel, b"{", NOW + seconds))

    assert denied == Deny(Reason.WEBHOOK_STALE)
    assert denied.facts == facts(channel, "stale")


@pytest.mark.parametrize("channel", STAMPED)
async def test_what_came_before_is_not_read_again(desk: Desk, channel: str) -> None:
    first = genuine(channel, message(channel))
    assert isinstance(await desk.ask(first), Allow)

    denied = await desk.ask(first)

    assert denied == Deny(Reason.WEBHOOK_REPLAYED)
    assert denied.facts == facts(channel, "replayed")


@pytest.mark.parametrize("channel", ["slack", "discord"])
async def test_what_could_not_be_read_came_before_all_the_same(desk: Desk, channel: str) -> None:
    for reason in (Reason.BODY_MALFORMED, Reason.WEBHOOK_REPLAYED):
        try:
            decision = await desk.ask(genuine(channel, b"{"))
        except Malformed as malformed:
            decision = Deny(malformed.reason)

        assert decision == Deny(reason)


@pytest.mark.parametrize("channel", ["slack", "discord"])
@pytest.mark.parametrize("kind", ["question", "stranger"])
async def test_questions_and_strangers_are_replayed_by_nobody(
    desk: Desk, channel: str, kind: str
) -> None:
    body = question(channel) if kind == "question" else message(channel, "666")
    await desk.ask(genuine(channel, body))

    assert await desk.ask(genuine(channel, body)) == Deny(Reason.WEBHOOK_REPLAYED)


@pytest.mark.parametrize("channel", STAMPED)
async def test_another_time_is_another_message(desk: Desk, channel: str) -> None:
    for seconds in (0, 1, -1):
        request = genuine(channel, message(channel), NOW + seconds)
        assert isinstance(await desk.ask(request), Allow)


@pytest.mark.parametrize("channel", STAMPED)
@pytest.mark.parametrize("seconds", [0, 1, 299, 300, 301, 599, 600, 601, 86_400])
async def test_no_wait_makes_a_message_new(desk: Desk, channel: str, seconds: int) -> None:
    """It was signed as far in the future as is accepted, and so is accepted for the longest."""
    request = genuine(channel, message(channel), NOW + 300)
    assert isinstance(await desk.ask(request), Allow)
    desk.clock.now += seconds

    assert isinstance(await desk.ask(request), Deny)


@pytest.mark.parametrize("channel", STAMPED)
async def test_a_forged_copy_takes_nothing_from_the_genuine_one(desk: Desk, channel: str) -> None:
    """Who sees a webhook pass cannot make Sidegate refuse it by being faster."""
    right = genuine(channel, message(channel))
    forged = replace(right, body=BytesBody(message(channel) + b" "))

    assert await desk.ask(forged) == Deny(Reason.SIGNATURE_INVALID)
    assert isinstance(await desk.ask(right), Allow)


@pytest.mark.parametrize("channel", [name for name in SECTIONS if name not in STAMPED])
async def test_a_channel_without_times_knows_no_replays(desk: Desk, channel: str) -> None:
    """Its provider sends a message again with the same bytes; layer 4 does it once."""
    request = genuine(channel, message(channel))

    assert isinstance(await desk.ask(request), Allow)
    assert isinstance(await desk.ask(request), Allow)


@pytest.mark.parametrize("channel", SECTIONS)
async def test_a_channel_without_a_secret_accepts_nothing(desk: Desk, channel: str) -> None:
    names = {"public_key", "secret_token", "signing_secret", "app_secret", "secret"}
    unset = dict.fromkeys(names & SECTIONS[channel].keys())
    for body in (message(channel), b"{"):
        denied = await desk.ask(genuine(channel, body), **{channel: unset})

        assert denied == Deny(Reason.CHANNEL_CLOSED)
        assert denied.facts == facts(channel, "closed")


# The subscription


def subscribing(query: str) -> Inbound:
    return inbound(hook("whatsapp", "GET"), query=query)


async def test_who_shows_the_verify_token_is_the_provider(desk: Desk) -> None:
    query = f"hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token={KEY}"
    decision = await desk.ask(subscribing(query))

    assert decision == Allow(Principal("whatsapp", Role.PUBLIC, PEER))
    assert decision.facts == facts("whatsapp", "verified")


@pytest.mark.parametrize(
    ("query", "token"),
    [
        ("", KEY),
        ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=another-token", KEY),
        (f"hub.mode=unsubscribe&hub.challenge=1&hub.verify_token={KEY}", KEY),
        (f"hub.mode=subscribe&hub.verify_token={KEY}", KEY),
        (f"hub.mode=subscribe&hub.challenge=1&hub.verify_token={KEY}&hub.challenge=2", KEY),
        ("hub.mode=subscribe&hub.challenge=1&hub.verify_token=", None),
        ("hub.mode=subscribe&hub.challenge=1", None),
    ],
)
async def test_anybody_else_is_told_nothing(desk: Desk, query: str, token: str | None) -> None:
    denied = await desk.ask(subscribing(query), whatsapp={"verify_token": token})

    assert denied == Deny(Reason.VERIFY_TOKEN_WRONG)
    assert denied.facts == facts("whatsapp", "invalid")


async def test_the_app_s_secret_is_no_verify_token(desk: Desk) -> None:
    query = f"hub.mode=subscribe&hub.challenge=1&hub.verify_token={KEY}"

    assert await desk.ask(subscribing(query), whatsapp={"verify_token": "another-token"}) == Deny(
        Reason.VERIFY_TOKEN_WRONG
    )


# The webhook's own secret is told in `test_authenticator`.


@pytest.mark.parametrize(
    ("secrets", "sent", "reason", "result"),
    [
        (("a-first-secret", KEY), KEY, None, "verified"),
        ((KEY,), "another-secret", Reason.SIGNATURE_INVALID, "invalid"),
        ((KEY,), None, Reason.SIGNATURE_INVALID, "invalid"),
        ((), KEY, Reason.CHANNEL_CLOSED, "closed"),
    ],
)
def test_a_principal_is_confirmed_by_the_secret(
    secrets: tuple[str, ...], sent: str | None, reason: Reason | None, result: str, desk: Desk
) -> None:
    principal = Principal("client-1", Role.CLIENT, PEER)
    request = inbound(headers={} if sent is None else {"X-Webhook-Secret": sent})
    channels = Channels((), secrets, desk.store.replays, desk.clock)

    decision = channels.confirm(request, principal)

    assert decision == (Allow(principal) if reason is None else Deny(reason))
    assert decision.facts == facts("webhook", result)


# No state


async def via(desk: Desk, request: Inbound) -> Decision[Principal]:
    """The same, asked as layer 2 is."""
    pairing = Pairing(desk.store.codes, desk.store.links, desk.clock)
    book = TokenBook(desk.store.tokens, desk.clock)
    layer = Authenticator(
        pairing, book, desk.channels(), {"webhook": Unlimited()}, require_pairing=True
    )
    return await layer.authenticate(request, PEER)


@pytest.mark.parametrize("channel", STAMPED)
async def test_what_may_be_a_replay_is_refused_while_the_state_is_away(
    desk: Desk, channel: str
) -> None:
    await desk.store.aclose()

    assert await via(desk, genuine(channel, message(channel))) == Deny(Reason.STATE_UNAVAILABLE)
    assert await via(desk, posted(channel, b"", JSON)) == Deny(Reason.SIGNATURE_INVALID)


# Recalled


def stored(post: Post) -> tuple[Headers, bytes]:
    return Headers(tuple(post.headers.items())), post.body


@pytest.mark.parametrize("principal", ["telegram:7", "telegram:several"])
def test_the_sender_of_a_stored_message_is_known_again(desk: Desk, principal: str) -> None:
    recalled = desk.channels().recall(principal, *stored(signing.telegram(1, 7)))

    assert recalled == Principal(principal, Role.CLIENT)


def test_a_sender_who_may_no_longer_send_is_not_recalled(desk: Desk) -> None:
    """The list is asked again, about the very message, when it is delivered."""
    assert desk.channels().recall("telegram:7", *stored(signing.telegram(1, 8))) is None
    assert desk.channels().recall("telegram:7", Headers(), b"garbage") is None


@pytest.mark.parametrize(
    "principal",
    [
        *("", ":", ":7", "webhook:7", "Telegram:7", "anonymous"),
        *("uid-0", "principal:telegram", "01234567"),
    ],
)
def test_nobody_else_is_recalled(desk: Desk, principal: str) -> None:
    assert desk.channels().recall(principal, *stored(signing.telegram(1, 7))) is None


def test_the_sender_of_a_channel_that_is_gone_is_not_recalled(desk: Desk) -> None:
    section = ChannelsConfig.model_validate({"github": SECTIONS["github"]})
    channels = Channels(section.configured(), None, desk.store.replays, desk.clock)

    assert channels.recall("telegram:7", *stored(signing.telegram(1, 7))) is None
