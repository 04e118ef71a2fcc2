"""What of a client's words on OpenClaw's WebSocket is passed on, answered here, or ends it all."""

from collections.abc import Collection, Sequence

from proxy.decision import Malformed
from proxy.duplex import Answered, Closing, Heard, Passed
from proxy.protocols.openclaw.frames import Request, connecting, read, refusal
from proxy.protocols.openclaw.methods import CONNECT, may_call
from proxy.reasons import Reason

_LARGEST_FIRST = 64 << 10  # OpenClaw's own bound of what comes before it knows who it is
_VIOLATION = 1008
_NOT_TEXT = 1003


class MethodGuard:
    """`SocketGuard` of one connection.

    `scopes` are the caller's; `reads`: it may start nothing. `also`: methods that are configured.
    """

    def __init__(self, scopes: Sequence[str], also: Collection[str], *, reads: bool) -> None:
        self._scopes = tuple(scopes)
        self._also = frozenset(also)
        self._reads = reads
        self._connected = False

    def up(self, message: str | bytes) -> Heard:
        """What becomes of a message."""
        if isinstance(message, bytes):
            return Closing(_NOT_TEXT, "text frames only")
        if not self._connected and len(message) > _LARGEST_FIRST:
            return Closing(_VIOLATION, "frame too large")
        try:
            return self._judged(read(message), message)
        except Malformed:
            return Closing(_VIOLATION, "invalid request frame")

    def _judged(self, request: Request, message: str) -> Heard:
        if not self._connected:
            if request.method != CONNECT:
                return Closing(_VIOLATION, "first request must be connect")
            self._connected = True
            return Passed(connecting(request, self._scopes))
        if may_call(request.method, self._also, reads=self._reads):
            return Passed(message)
        reason = Reason.SCOPE_INSUFFICIENT if self._would_act(request) else Reason.METHOD_UNKNOWN
        return Answered(refusal(request, "FORBIDDEN", reason.detail))

    def _would_act(self, request: Request) -> bool:
        """Whether it is only its credential that keeps the caller from it."""
        return self._reads and may_call(request.method, self._also, reads=False)
