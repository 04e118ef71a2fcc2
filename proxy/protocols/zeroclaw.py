"""`/pair`, `/webhook` and `/whatsapp` as clients of ZeroClaw know them, in what is refused.

The statuses are ZeroClaw's too; `Retry-After` and the request id stay, which it has not.
"""

import math
from dataclasses import dataclass
from http import HTTPStatus

from proxy.actions import Action
from proxy.decision import Denied
from proxy.exchange import Answer, Clean, Codec, Inbound
from proxy.protocols.openai import shaped
from proxy.reasons import Reason
from proxy.values import Json

PATHS = frozenset({"/pair", "/webhook", "/whatsapp"})
_PAIR_FIRST = (
    "Unauthorized \u2014 pair first via POST /pair, then send Authorization: Bearer <token>"
)
_UNSIGNED = "Unauthorized \u2014 invalid or missing X-Webhook-Secret header"
_NO_JSON = 'Invalid JSON body. Expected: {"message": "..."}'
_BY_PATH = {
    ("/webhook", Reason.BODY_MALFORMED): _NO_JSON,
    ("/webhook", Reason.BODY_UNTYPED): _NO_JSON,
    ("/webhook", Reason.SIGNATURE_INVALID): _UNSIGNED,
}
_SENTENCES = {
    Reason.TOKEN_MISSING: _PAIR_FIRST,
    Reason.TOKEN_UNKNOWN: _PAIR_FIRST,
    Reason.CODE_WRONG: "Invalid pairing code",
    Reason.SIGNATURE_INVALID: "Invalid signature",
}


@dataclass(frozen=True)
class ZeroClawCodec:
    """Another codec's route, with ZeroClaw's refusals."""

    inner: Codec

    async def parse(self, inbound: Inbound) -> Action:
        """What the caller wants; raises Malformed."""
        return await self.inner.parse(inbound)

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        """The answer as it is."""
        return self.inner.render(inbound, clean)

    def refuse(self, inbound: Inbound, denied: Denied) -> Answer:
        """The refusal; a sender who is dropped is told nothing here either."""
        answer = self.inner.refuse(inbound, denied)
        if answer.status < HTTPStatus.BAD_REQUEST:
            return answer
        said = shaped(answer, _body(inbound.path, denied))
        untyped = denied.reason is Reason.BODY_UNTYPED and inbound.path == "/webhook"
        status = HTTPStatus.BAD_REQUEST if untyped else answer.status
        return Answer(status, said.headers, said.body)


def _body(path: str, denied: Denied) -> Json:
    wait = denied.facts.get("retry_after")
    seconds = None if wait is None else max(1, math.ceil(wait))
    if denied.reason is Reason.PAIRING_LOCKED and seconds is not None:
        sentence = f"Too many failed attempts. Try again in {seconds}s."
    elif denied.reason is Reason.RATE_LIMITED:
        what = "pairing" if path == "/pair" else "webhook"
        sentence = f"Too many {what} requests. Please retry later."
    else:
        usual = _SENTENCES.get(denied.reason, denied.reason.detail)
        sentence = _BY_PATH.get((path, denied.reason), usual)
    body: dict[str, Json] = {"error": sentence}
    return body if seconds is None else {**body, "retry_after": seconds}
