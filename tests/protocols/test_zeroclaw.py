"""Refusals as clients of ZeroClaw know them."""

import pytest
from doubles import inbound

from proxy.decision import Denied, Facts
from proxy.exchange import Clean, Document
from proxy.protocols.operator import PairCodec
from proxy.protocols.strict_json import loads
from proxy.protocols.webhook import WebhookCodec
from proxy.protocols.zeroclaw import ZeroClawCodec
from proxy.reasons import Layer, Reason

CODEC = ZeroClawCodec(WebhookCodec("/webhook"))


@pytest.mark.parametrize(
    ("path", "reason", "status", "begins"),
    [
        ("/webhook", Reason.TOKEN_MISSING, 401, "Unauthorized \u2014 pair first via POST /pair"),
        ("/webhook", Reason.TOKEN_UNKNOWN, 401, "Unauthorized \u2014 pair first via POST /pair"),
        ("/webhook", Reason.SIGNATURE_INVALID, 401, "Unauthorized \u2014 invalid or missing X-Web"),
        ("/webhook", Reason.BODY_MALFORMED, 400, "Invalid JSON body. Expected:"),
        ("/webhook", Reason.BODY_UNTYPED, 400, "Invalid JSON body. Expected:"),
        ("/whatsapp", Reason.SIGNATURE_INVALID, 401, "Invalid signature"),
        ("/pair", Reason.CODE_WRONG, 403, "Invalid pairing code"),
        ("/pair", Reason.PAIRING_LOCKED, 429, "Too many failed attempts. Try again in 9s."),
        ("/pair", Reason.RATE_LIMITED, 429, "Too many pairing requests"),
        ("/webhook", Reason.RATE_LIMITED, 429, "Too many webhook requests"),
    ],
)
def test_a_refusal_is_in_zeroclaws_words(
    path: str, reason: Reason, status: int, begins: str
) -> None:
    waits = Facts(retry_after=8.5) if status == 429 else Facts()
    answer = CODEC.refuse(inbound(path=path), Denied(Layer.AUTHENTICATION, reason, waits))
    assert isinstance(answer.body, bytes)
    said = loads(answer.body)
    assert isinstance(said, dict)
    assert answer.status == status
    assert str(said["error"]).startswith(begins)
    assert said.get("retry_after") == (9 if status == 429 else None)
    assert answer.headers.get("retry-after") == ("9" if status == 429 else None)


def test_an_answer_is_as_it_was() -> None:
    codec = ZeroClawCodec(PairCodec("pair"))
    answer = codec.render(inbound(path="/pair"), Clean(Document(None), issued="zc_1"))
    assert isinstance(answer.body, bytes)
    assert loads(answer.body) == {"paired": True, "persisted": True, "token": "zc_1"}
