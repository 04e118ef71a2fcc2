"""Find out who is asking, by the credential that the route asks for, and by nothing else."""

import os
from typing import assert_never

from proxy.authentication.pairing import Pairing
from proxy.authentication.tokens import TokenBook
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Access, Inbound, Peer, Principal, Role
from proxy.reasons import Reason

ANONYMOUS = Principal("anonymous", Role.CLIENT)
_PUBLIC = Principal("public", Role.PUBLIC)


class Authenticator:
    """Layer 2."""

    def __init__(self, pairing: Pairing, tokens: TokenBook, *, require_pairing: bool) -> None:
        self._pairing = pairing
        self._tokens = tokens
        self._require_pairing = require_pairing

    async def authenticate(self, inbound: Inbound, peer: Peer) -> Decision[Principal]:
        """The principal behind the request."""
        match inbound.route.access:
            case Access.NOBODY:
                return Deny(Reason.ROUTE_UNKNOWN)
            case Access.PUBLIC:
                return Allow(_PUBLIC)
            case Access.CODE:
                return await self._pairing.redeem(inbound.headers.get("x-pairing-code") or "", peer)
            case Access.BEARER:
                return await self._bearer(inbound)
            case Access.LOCAL_USER:
                return _local_user(peer)
        assert_never(inbound.route.access)

    async def _bearer(self, inbound: Inbound) -> Decision[Principal]:
        if not self._require_pairing:
            return Allow(ANONYMOUS)
        token = bearer_token(inbound.headers.get("authorization") or "")
        if token is None:
            return Deny(Reason.TOKEN_MISSING)
        principal = await self._tokens.recognize(token)
        return Allow(principal) if principal else Deny(Reason.TOKEN_UNKNOWN)


def bearer_token(authorization: str) -> str | None:
    """The token of an Authorization header; its scheme compares without case (RFC 9110 11.1)."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _local_user(peer: Peer) -> Decision[Principal]:
    """The kernel says which user is behind a unix socket: ours, or root, is the operator."""
    if peer.uid is None or peer.uid not in {0, os.geteuid()}:
        return Deny(Reason.PEER_UNTRUSTED, evidence=f"uid {peer.uid}")
    return Allow(Principal(f"uid-{peer.uid}", Role.OPERATOR))
