"""An answer as it is kept under an idempotency key: JSON, to be sealed, and back.

It is what came of the call, untouched: the redactor reads it anew each time it is shown. A cookie
is not kept, since it was one visit's, and neither is an answer past `MAX_KEPT`.
"""

import base64
import json
from collections.abc import AsyncIterator

from proxy.decision import Decision, Deny
from proxy.exchange import Content, Document, Frame, Stream
from proxy.values import Headers

MAX_KEPT = 256 << 10


class Copy:
    """What a stream said, collected while it flows, up to `MAX_KEPT`."""

    def __init__(self, stream: Stream) -> None:
        self._status = stream.status
        self._headers = stream.headers
        self._texts: list[tuple[str, bytearray]] = []
        self._size = 0

    def add(self, frame: Frame) -> None:
        """Take a frame in, and nothing any more once there were too many."""
        self._size += len(frame.data)
        if self._size > MAX_KEPT:
            self._texts.clear()
        elif self._texts and self._texts[-1][0] == frame.channel:
            self._texts[-1][1].extend(frame.data)
        else:
            self._texts.append((frame.channel, bytearray(frame.data)))

    def packed(self) -> bytes | None:
        """The stream to keep; None where it was too large."""
        if self._size > MAX_KEPT:
            return None
        data = _dumps(
            {
                "status": self._status,
                "headers": [each for each in self._headers if each[0].lower() != "set-cookie"],
                "frames": [(name, base64.b64encode(text).decode()) for name, text in self._texts],
            }
        )
        return data if len(data) <= 2 * MAX_KEPT else None  # headers count, too


def packed(decision: Decision[Content]) -> bytes | None:
    """The document to keep; None where there is none, or it is too large."""
    if isinstance(decision, Deny) or not isinstance(decision.value, Document):
        return None
    data = _dumps({"status": decision.value.status, "value": decision.value.value})
    return data if len(data) <= MAX_KEPT else None


def unpacked(data: bytes) -> Content:
    """The answer that was kept; raises ValueError where it is none."""
    kept = json.loads(data)
    if "value" in kept:
        return Document(kept["value"], kept["status"])
    headers = Headers(tuple((name, value) for name, value in kept["headers"]))
    frames = [Frame(name, base64.b64decode(text)) for name, text in kept["frames"]]
    return Stream(kept["status"], headers, _each(frames))


def _dumps(value: object) -> bytes:
    # In ASCII, which has a form for whatever a header held.
    return json.dumps(value, separators=(",", ":")).encode("ascii")


async def _each(frames: list[Frame]) -> AsyncIterator[Frame]:
    for frame in frames:
        yield frame
