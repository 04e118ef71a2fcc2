"""One attempt to bring a letter of the inbox to the agent, and what becomes of the letter.

The law is that of `fate`: it is tried again where it surely did not arrive, and nowhere else.
"""

from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from proxy.decision import Denied
from proxy.isolation.fate import Fate, fate_by_status
from proxy.reasons import Layer, Reason
from proxy.state.letters import Inbox, Letter

UNKNOWN = "whether the agent received it is not known"
REFUSED = "the agent refused it"
UNREACHED = "the agent could not be reached for a day"
UNTAKEN = "the agent did not take it for a day"
NOT_ALLOWED = "the sender is no longer allowed"
STOPPED = "everything was stopped for a day"
UNREADABLE = "it was sealed with another key"


class Ending(Enum):
    """How an attempt ended."""

    DELIVERED = "delivered"
    LATER = "later"
    DEAD = "dead"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an attempt ended, and the sentence for a letter that is given up."""

    ending: Ending
    why: str = ""


@dataclass
class Attempt:
    """One letter on its way, which is ours until `lease` from when it is sent.

    `sent`: the agent may have received it. `settled`: it is over.
    """

    letter: Letter
    inbox: Inbox
    lease: float
    asked: bool = False
    sent: bool = False
    dropped: bool = False
    settled: bool = False

    async def before(self) -> None:
        """The agent is reached. Raises OSError where it must not be sent, or that is not known."""
        self.asked = True
        if not await self.inbox.sending(self.letter.id, self.letter.held, self.lease):
            self.dropped = True
            raise OSError("the letter was dropped, or is another's")
        self.sent = True

    @property
    def held(self) -> tuple[float, ...]:
        """The leases under which it may be ours: two where the state was asked and did not say."""
        if self.sent:
            return (self.lease,)
        return (self.letter.held, self.lease) if self.asked else (self.letter.held,)

    def answered(self, status: int) -> Verdict:
        """What the agent's answer means."""
        if fate_by_status(status) is Fate.UNDONE:
            return Verdict(Ending.LATER, UNTAKEN)
        if status >= HTTPStatus.BAD_REQUEST:
            return Verdict(Ending.DEAD, REFUSED)
        return Verdict(Ending.DELIVERED)

    def denied(self, denied: Denied) -> Verdict:
        """What it means that there is no answer to pass on."""
        if status := denied.facts.get("upstream_status", 0):
            return self.answered(status)
        if denied.reason is Reason.STOPPED_BY_OPERATOR:
            return Verdict(Ending.LATER, STOPPED)
        if denied.reason.layer is Layer.AUTHORIZATION:
            return Verdict(Ending.DEAD, NOT_ALLOWED)
        return Verdict(Ending.DROPPED) if self.dropped else self.cut_off()

    def cut_off(self) -> Verdict:
        """What it means that it was not brought to an end."""
        return Verdict(Ending.DEAD, UNKNOWN) if self.sent else Verdict(Ending.LATER, UNREACHED)
