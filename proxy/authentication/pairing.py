"""Trade a six-digit code, shown on the operator's terminal, for a bearer token.

A million codes are few, so a code lives ten minutes, is good for one use, locks an address out
after five wrong guesses and is void after a hundred from anywhere.
"""

import secrets

from proxy.authentication.tokens import mint
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Clock, Peer, Principal, Role
from proxy.reasons import Reason
from proxy.state.store import Codes, Redeemed

CODE_SECONDS = 600.0


class Pairing:
    """Make and redeem codes."""

    def __init__(self, codes: Codes, clock: Clock) -> None:
        self._codes = codes
        self._clock = clock

    async def offer(self, label: str = "") -> str:
        """A new code, pending from now on; an earlier one is void."""
        code = f"{secrets.randbelow(1_000_000):06d}"
        await self._codes.put(code, label, self._clock() + CODE_SECONDS)
        return code

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
                return Allow(Principal(record.id, record.role, issued=token), facts)
            case Redeemed.LOCKED:
                facts["retry_after"] = redemption.retry_after
                return Deny(Reason.PAIRING_LOCKED, facts=facts)
            case Redeemed.WRONG:
                return Deny(Reason.CODE_WRONG, facts=facts)
