"""What servers say to legacy clients beside answers, on the stream that is opened for it."""

from collections.abc import Sequence

from proxy.decision import Deny
from proxy.isolation.mcp.ear import Ear
from proxy.isolation.mcp.link import Replies
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.merging import Merged, opened
from proxy.isolation.mcp.relay import Relay
from proxy.isolation.mcp.turn import Party
from proxy.isolation.mcp.watching import Watched
from proxy.reasons import Reason


class Listening:
    """`relay`: how what is said in a session passes on."""

    def __init__(self, lowering: Lowering, relay: Relay) -> None:
        self._lowering = lowering
        self._relay = relay

    async def open(
        self, parties: Sequence[Party], watched: Watched, resume: tuple[str, str] | None
    ) -> Replies | Deny:
        """The streams of all servers as one. `resume`: a server, and where its stream broke off.

        One server's stream ends where it ends; several are kept up, each for itself.
        """
        opening = [Ear(each, watched, self._relay, self._lowering) for each in parties]
        at = {resume[0]: resume[1]} if resume is not None else {}
        denied = await opened(opening, [ear.open(at.get(ear.name)) for ear in opening])
        ears = [ear for ear, deny in zip(opening, denied, strict=True) if deny is None]
        if not ears:
            return next((each for each in denied if each), Deny(Reason.VERB_UNSUPPORTED))
        sources = [ear.events(lasting=len(parties) > 1) for ear in ears]
        merged = Merged(sources, ears)
        events = merged.events() if len(ears) > 1 else sources[0]
        return Replies(200, events, streamed=True, release=merged.release)
