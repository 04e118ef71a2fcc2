"""What came of calls that were done apart from their requests, for whoever made them.

`proxy.detached` does them, and writes here what is read here.
"""

import json
from dataclasses import dataclass

from proxy.actions import Collect
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Clock, Content, Document, Grant
from proxy.isolation.executor import Backend
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.state.approvals import Ask, Asks, Standing
from proxy.values import Json

MAX_ANSWER = 1 << 20
KEPT_SECONDS = 3600.0
_PURPOSE = "answer to an ask"
_REASONS = {reason.code: reason for reason in Reason}


@dataclass(frozen=True)
class Answers:
    """`Backend` that tells how far a call has come, and what it answered."""

    asks: Asks
    seal: Seal
    clock: Clock

    async def run(self, plan: Collect, grant: Grant) -> Decision[Content]:  # noqa: ARG002
        """The answer. One who did not make the call learns nothing, not even that there was one."""
        try:
            ask = await self.asks.get(plan.request_id, self.clock())
        except OSError as error:
            return Deny(Reason.STATE_UNAVAILABLE, type(error).__name__)
        if ask is None or not ask.detached or ask.principal != plan.owner:
            return Deny(Reason.REQUEST_UNKNOWN)
        match ask.standing:
            case Standing.PENDING | Standing.APPROVED | Standing.TAKEN:
                status = "pending" if ask.standing is Standing.PENDING else "running"
                return Allow(Document({"request_id": ask.id, "status": status}, 202))
            case Standing.LOST:
                return Deny(Reason.REQUEST_LOST)
            case Standing.REFUSED if ask.answer is None:
                return Deny(Reason.APPROVAL_REFUSED)
            case Standing.REFUSED | Standing.DONE:
                return self._kept(ask)

    def _kept(self, ask: Ask) -> Decision[Content]:
        try:
            kept = json.loads(self.seal.unseal(_PURPOSE, ask.id, ask.answer or b""))
        except ValueError as error:
            return Deny(Reason.REQUEST_LOST, str(error))
        if "code" in kept:
            return Deny(_REASONS.get(kept["code"], Reason.REQUEST_LOST))
        return Allow(Document(kept["value"], kept["status"]))


def sealed_answer(seal: Seal, ask: Ask, content: Document) -> bytes:
    """An answer to be kept; what is too large to keep is as good as lost, and said to be."""
    data = _dumps({"status": content.status, "value": content.value})
    if len(data) > MAX_ANSWER:
        return sealed_refusal(seal, ask, Reason.IDEMPOTENCY_ANSWER_LOST)
    return seal.seal(_PURPOSE, ask.id, data)


def sealed_refusal(seal: Seal, ask: Ask, reason: Reason) -> bytes:
    """Why there is no answer."""
    return seal.seal(_PURPOSE, ask.id, _dumps({"code": reason.code}))


def refusal_of(seal: Seal, ask: Ask) -> Reason | None:
    """Why there is no answer, where that was written down."""
    try:
        kept = json.loads(seal.unseal(_PURPOSE, ask.id, ask.answer or b""))
    except ValueError:
        return None
    return _REASONS.get(kept.get("code"))


def _dumps(value: Json) -> bytes:
    # In ASCII, which has a form for whatever an agent answered.
    return json.dumps(value, separators=(",", ":")).encode("ascii")


_: type[Backend[Collect]] = Answers
