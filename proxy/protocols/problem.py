"""Refusals in HTTP: application/problem+json (RFC 9457), the form for who speaks no other protocol.

Everything in it is a constant of the reason, but for the request id, which was checked or made
here.
"""

import math
from http import HTTPStatus

from proxy.decision import Denied
from proxy.exchange import Answer
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.values import Headers, Json


def problem(denied: Denied, request_id: str) -> Answer:
    """The answer for a refusal."""
    reason = denied.reason
    body: Json = {
        "type": f"urn:sidegate:reason:{reason.code}",
        "title": HTTPStatus(reason.status).phrase,
        "status": reason.status,
        "detail": reason.detail,
        "code": reason.code,
        "layer": denied.layer.value,
        "remedy": reason.remedy,
        "request_id": request_id,
    }
    return Answer(reason.status, Headers(tuple(_headers(denied))), dumps(body))


def _headers(denied: Denied) -> list[tuple[str, str]]:
    headers = [("Content-Type", "application/problem+json"), ("Cache-Control", "no-store")]
    if denied.reason.status == HTTPStatus.UNAUTHORIZED:
        # RFC 6750 section 3.1: no error code where no credentials were sent.
        error = "" if denied.reason is Reason.TOKEN_MISSING else ', error="invalid_token"'
        headers.append(("WWW-Authenticate", f'Bearer realm="sidegate"{error}'))
    wait = denied.facts.get("retry_after")
    if wait is not None:
        headers.append(("Retry-After", str(max(1, math.ceil(wait)))))
    return headers
