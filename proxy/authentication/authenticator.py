"""Find out who is asking, by the credential that the route asks for, and by nothing else."""

import os
from collections.abc import Mapping
from typing import assert_never

from proxy.authentication.channels import Channels
from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.decision import Allow, Decision, Deny, Facts, Quota
from proxy.exchange import Access, Inbound, Peer, Principal, Role
from proxy.limits import Limiter
from proxy.reasons import Reason

ANYBODY = "anonymous"


class Authenticator:
    """Layer 2. `rates` are those that layer 1 has counted by address."""

    def __init__(
        self,
        pairing: Pairing,
        tokens: TokenBook,
        channels: Channels,
        rates: Mapping[str, Limiter],
        *,
        require_pairing: bool,
    ) -> None:
        self._rates = rates
        self._pairing = pairing
        self._tokens = tokens
        self._channels = channels
        self._require_pairing = require_pairing

    async def authenticate(self, inbound: Inbound, peer: Peer) -> Decision[Principal]:
        """The principal behind the request."""
        try:
            decision = await self._authenticate(inbound, peer)
            if inbound.route.limit != "webhook":
                return decision
            if _proven(decision):
                return await self._own_rate(decision, peer, self._rates["webhook"])
            return decision if peer.spent is None else _limited(peer.spent)
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, evidence=type(error).__name__)

    async def recall(self, credential: bytes, peer: Peer) -> Principal | None:
        """Who made an earlier request with a credential of this SHA-256, if that is still somebody.

        Empty where none was needed, and still is. Raises OSError.
        """
        if credential:
            return await self._tokens.belonging_to(credential, peer)
        return None if self._require_pairing else Principal(ANYBODY, Role.CLIENT, peer)

    async def _own_rate(
        self, decision: Decision[Principal], peer: Peer, rate: Limiter
    ) -> Decision[Principal]:
        """Count who has proven who they are by that, and not by an address that others share.

        All who write to a bot come from its provider's addresses: strangers must not use up what
        the owner's messages need.
        """
        if peer.spent is None:
            await rate.refund(peer.key)
        if isinstance(decision, Deny) or decision.value.role is Role.PUBLIC:
            return decision
        quota = await rate.hit(f"principal {decision.value.id}")
        if quota is None:
            return decision
        if quota.wait is not None:
            return _limited(quota)
        return Allow(decision.value, Facts(**{**decision.facts, "quota": quota}))

    async def _authenticate(self, inbound: Inbound, peer: Peer) -> Decision[Principal]:
        offered = inbound.headers.get("x-pairing-code") or ""
        match inbound.route.access:
            case Access.NOBODY:
                return Deny(Reason.ROUTE_UNKNOWN)
            case Access.PUBLIC:
                return Allow(Principal("public", Role.PUBLIC, peer))
            case Access.CODE:
                return await self._pairing.redeem(offered, peer)
            case Access.LINK:
                return await self._pairing.redeem_link(offered, peer)
            case Access.BEARER:
                return await self._caller(inbound, peer)
            case Access.OPERATOR:
                return await self._bearer(inbound, peer)
            case Access.CHANNEL:
                return await self._channels.authenticate(inbound, peer)
            case Access.LOCAL_USER:
                return _local_user(peer)
        assert_never(inbound.route.access)

    async def _caller(self, inbound: Inbound, peer: Peer) -> Decision[Principal]:
        """A client by its token, or anybody where none is asked for, and by the route's secret."""
        decision: Decision[Principal] = Allow(Principal(ANYBODY, Role.CLIENT, peer))
        if self._require_pairing:
            decision = await self._bearer(inbound, peer)
        if isinstance(decision, Allow) and inbound.route.channel is not None:
            return self._channels.confirm(inbound, decision.value)
        return decision

    async def _bearer(self, inbound: Inbound, peer: Peer) -> Decision[Principal]:
        token = bearer_token(inbound.headers.get("authorization") or "")
        if token is None:
            return Deny(Reason.TOKEN_MISSING)
        principal = await self._tokens.recognize(token, peer)
        return Allow(principal) if principal else Deny(Reason.TOKEN_UNKNOWN)


def _proven(decision: Decision[Principal]) -> bool:
    """Whether it is known who this is, be it somebody who may not."""
    if isinstance(decision, Deny):
        return decision.reason is Reason.SENDER_NOT_ALLOWED
    return decision.value.id != ANYBODY


def _limited(quota: Quota) -> Deny:
    return Deny(Reason.RATE_LIMITED, facts=Facts(quota=quota, retry_after=quota.wait or 0.0))


def bearer_token(authorization: str) -> str | None:
    """The token of an Authorization header; its scheme compares without case (RFC 9110 11.1)."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _local_user(peer: Peer) -> Decision[Principal]:
    """The kernel says which user is behind a unix socket: ours, or root, is the operator."""
    if peer.uid is None or peer.uid not in {0, os.geteuid()}:
        return Deny(Reason.PEER_UNTRUSTED, evidence=f"uid {peer.uid}")
    return Allow(Principal(f"uid-{peer.uid}", Role.OPERATOR, peer))
