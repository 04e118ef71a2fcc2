"""Who sent a webhook: first that its provider did, then that the sender may.

The order is fixed: signature, replay, challenge, sender. Nothing is parsed before the bytes are
known to be the provider's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from proxy.authentication.allowlist import Allowlist
from proxy.authentication.webhooks import (
    WINDOW_SECONDS,
    Outcome,
    Verdict,
    refused_early,
    verify,
    verify_token,
)
from proxy.config.channels import Channel
from proxy.decision import Allow, Decision, Deny, Facts, Malformed
from proxy.exchange import Clock, Inbound, Peer, Principal, Role
from proxy.protocols.channels import READERS
from proxy.protocols.channels.event import Event
from proxy.reasons import Reason
from proxy.state.store import Replays
from proxy.values import Headers

_REPLAY_SECONDS = 2 * WINDOW_SECONDS + 1  # both ends of the window are accepted

SEVERAL = "several"
"""Stands for the sender where one webhook brings messages of many."""


@dataclass(frozen=True)
class Gate:
    """One channel, and who may send by it."""

    channel: Channel
    allowlist: Allowlist

    def read(self, data: bytes, headers: Headers) -> Event:
        """The event in a post; raises Malformed."""
        return READERS[self.channel.name](data, headers, team_id=self.channel.team_id)


class Channels:
    """Every configured channel. `secrets` are those of the plain webhook; None: it has none."""

    def __init__(
        self,
        channels: Sequence[Channel],
        secrets: tuple[str, ...] | None,
        replays: Replays,
        clock: Clock,
    ) -> None:
        self.gates: Mapping[str, Gate] = {
            channel.name: Gate(channel, Allowlist(channel.name, channel.allowed))
            for channel in channels
        }
        self._secrets = secrets
        self._replays = replays
        self._clock = clock

    def confirm(self, inbound: Inbound, principal: Principal) -> Decision[Principal]:
        """The same principal, once it has shown the webhook's secret, too, where there is one."""
        if self._secrets is None:
            return Allow(principal)
        verdict = verify("webhook", self._secrets, inbound.headers, b"", self._clock())
        denied = _denied("webhook", verdict)
        return denied or Allow(principal, _facts("webhook", "verified"))

    async def authenticate(self, inbound: Inbound, peer: Peer) -> Decision[Principal]:
        """The sender of a webhook."""
        gate = self.gates[inbound.route.channel or ""]
        if inbound.method == "GET":
            return _subscribed(gate.channel, inbound, peer)
        name, secrets = gate.channel.name, gate.channel.secrets
        early = refused_early(name, secrets, inbound.headers)
        if early is not None:
            return _denied(name, early) or Deny(Reason.SIGNATURE_INVALID)
        body = await inbound.body.read()
        verdict = verify(name, secrets, inbound.headers, body, self._clock())
        denied = _denied(name, verdict) or await self._seen(name, verdict)
        if denied is not None:
            return denied
        return _admitted(gate, gate.read(body, inbound.headers), peer)

    async def _seen(self, name: str, verdict: Verdict) -> Deny | None:
        """A refusal of what came before, for as long as its timestamp would still be accepted."""
        now = self._clock()
        if not verdict.replay:
            return None
        if await self._replays.first(verdict.replay, now + _REPLAY_SECONDS, now):
            return None
        return Deny(Reason.WEBHOOK_REPLAYED, facts=_facts(name, "replayed"))

    def recall(self, principal_id: str, headers: Headers, body: bytes) -> Principal | None:
        """The sender of a stored message, where all of it may still be sent by today's list."""
        gate = self.gates.get(principal_id.partition(":")[0])
        try:
            kept = gate and gate.read(body, headers).kept(gate.allowlist.admits)
        except Malformed:
            return None
        return Principal(principal_id, Role.CLIENT) if kept == body else None


def _subscribed(channel: Channel, inbound: Inbound, peer: Peer) -> Decision[Principal]:
    """The provider itself, setting its webhook up."""
    if verify_token(channel.verify_token, inbound.query) is None:
        return Deny(Reason.VERIFY_TOKEN_WRONG, facts=_facts(channel.name, "invalid"))
    return Allow(Principal(channel.name, Role.PUBLIC, peer), _facts(channel.name, "verified"))


def _admitted(gate: Gate, event: Event, peer: Peer) -> Decision[Principal]:
    name, facts = gate.channel.name, _facts(gate.channel.name, "verified")
    if event.challenge is not None:
        return Allow(Principal(name, Role.PUBLIC, peer), facts)
    if event.kept(gate.allowlist.admits) is None:
        return Deny(Reason.SENDER_NOT_ALLOWED, _evidence(event), _facts(name, "denied"))
    admitted = (sender for sender in event.senders if gate.allowlist.admits(sender))
    ids = {sender.ids[0] if sender.ids else "unknown" for sender in admitted}
    sender = next(iter(ids)) if len(ids) == 1 else SEVERAL
    return Allow(Principal(f"{name}:{sender}", Role.CLIENT, peer), facts)


def _evidence(event: Event) -> str:
    """The names that somebody has to list who wants to admit the sender."""
    return ", ".join("/".join(sender.ids) for sender in event.senders)


def _denied(name: str, verdict: Verdict) -> Deny | None:
    match verdict.outcome:
        case Outcome.GENUINE:
            return None
        case Outcome.FORGED:
            return Deny(Reason.SIGNATURE_INVALID, facts=_facts(name, "invalid"))
        case Outcome.STALE:
            return Deny(Reason.WEBHOOK_STALE, facts=_facts(name, "stale"))
        case Outcome.CLOSED:
            return Deny(Reason.CHANNEL_CLOSED, facts=_facts(name, "closed"))
    assert_never(verdict.outcome)


def _facts(name: str, result: str) -> Facts:
    return Facts(channel=name, verification=result)
