"""What the guard itself says, in the engine's own form."""

from dataclasses import dataclass
from http import HTTPStatus

from proxy.protocols.strict_json import dumps
from proxy.values import Json


@dataclass(frozen=True, slots=True)
class Refusal:
    """A status and a sentence, which repeats nothing that the client could choose freely."""

    status: int
    sentence: str

    def answer(self) -> bytes:
        """The whole answer, as Docker's clients expect an error to look."""
        return answer(self.status, {"message": f"docker-guard: {self.sentence}"})


MALFORMED = Refusal(400, "this is not one well-formed HTTP/1.1 request")
LATE = Refusal(408, "the request did not come in time")
TOO_LARGE = Refusal(413, "the request is too large")
SILENT = Refusal(502, "the engine gave no answer")


def answer(status: int, value: Json) -> bytes:
    """A whole answer, the last one of its connection."""
    body = dumps(value)
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body
