"""Trade what the operator's terminal showed for a bearer token.

A client trades a six-digit code. A million codes are few, so a code lives ten minutes, is good for
one use, locks an address out after five wrong guesses and is void after a hundred from anywhere.
An operator trades a link of 128 random bits, which nobody guesses.
"""

import hashlib
import secrets

from proxy.authentication.tokens import mint
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Clock, Peer, Principal, Role
from proxy.reasons import Reason
from proxy.scope import Minting
from proxy.state.store import Codes, Links, Redeemed

CODE_SECONDS = 600.0


class Pairing:
    """Make and redeem codes and links."""

    def __init__(self, codes: Codes, links: Links, clock: Clock) -> None:
        self._codes = codes
        self._links = links
        self._clock = clock

    async def offer(self, minting: Minting | None = None) -> str:
        """A new code, pending from now on; an earlier one is void."""
        code = f"{secrets.randbelow(1_000_000):06d}"
        await self._codes.put(code, minting or Minting(), self._clock() + CODE_SECONDS)
        return code

    async def offer_link(self, label: str) -> str:
        """A new link's secret, for one operator."""
        link = secrets.token_hex(16)
        await self._links.put(_digest(link), label, self._clock() + CODE_SECONDS)
        return link

    async def redeem(self, code: str, peer: Peer) -> Decision[Principal]:
        """The principal that a right code makes; its token is in `Principal.issued`.

        A request without a code is no guess: any web page can make the owner's browser send one.
        """
        if not code.strip():
            return Deny(Reason.CODE_WRONG, facts=Facts(pairing=Redeemed.WRONG.value))
        now = self._clock()
        token, record = mint(Role.CLIENT, now)
        redemption = await self._codes.redeem(code.strip(), peer.key, record, now)
        facts = Facts(pairing=redemption.outcome.value)
        match redemption.outcome:
            case Redeemed.PAIRED:
                return Allow(Principal(record.id, record.role, peer, issued=token), facts)
            case Redeemed.LOCKED:
                facts["retry_after"] = redemption.retry_after
                return Deny(Reason.PAIRING_LOCKED, facts=facts)
            case Redeemed.WRONG:
                return Deny(Reason.CODE_WRONG, facts=facts)

    async def redeem_link(self, link: str, peer: Peer) -> Decision[Principal]:
        """The operator that a right link makes; the token is in `Principal.issued`."""
        now = self._clock()
        token, record = mint(Role.OPERATOR, now)
        made = await self._links.redeem(_digest(link.strip()), record, now)
        if made is None:
            return Deny(Reason.CODE_WRONG, facts=Facts(pairing=Redeemed.WRONG.value))
        facts = Facts(pairing=Redeemed.PAIRED.value)
        return Allow(Principal(made.id, made.role, peer, issued=token), facts)


def _digest(link: str) -> bytes:
    return hashlib.sha256(link.encode("utf-8", "surrogateescape")).digest()
