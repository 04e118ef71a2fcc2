"""Whether something was done, as far as what came back can tell.

The law that an idempotency key and a letter of the inbox live by: what was not done may be tried
again, what was done never is, and where nobody knows, nobody guesses.
"""

from collections.abc import Mapping
from enum import Enum
from http import HTTPStatus

from proxy.decision import Decision, Deny
from proxy.exchange import Content
from proxy.reasons import Reason


class Fate(Enum):
    """What became of it."""

    DONE = "done"
    UNDONE = "undone"
    UNKNOWN = "unknown"


_NO_ANSWER = frozenset({Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_LATE})
"""What says nothing of whether the request had gone out before."""

_DENIED: Mapping[Reason, Fate] = {
    Reason.SANDBOX_UNAVAILABLE: Fate.UNDONE,
    Reason.SANDBOX_BUSY: Fate.UNDONE,
    Reason.SANDBOX_LOST: Fate.UNKNOWN,
    Reason.FILE_TOO_LARGE: Fate.UNDONE,
    Reason.FILE_NOT_TEXT: Fate.UNDONE,
    Reason.FILE_FAILED: Fate.UNDONE,
    Reason.UPSTREAM_MISSING: Fate.UNDONE,
    Reason.UPSTREAM_DOWN: Fate.UNDONE,
    Reason.WORKSPACE_FULL: Fate.UNDONE,
    Reason.UPSTREAM_REFUSED: Fate.UNDONE,
    Reason.MCP_UNAVAILABLE: Fate.UNDONE,
    Reason.MCP_REFUSED: Fate.UNDONE,
    Reason.MCP_LATE: Fate.UNKNOWN,
    Reason.MCP_UNREADABLE: Fate.UNKNOWN,
    Reason.INBOX_FULL: Fate.UNDONE,
    Reason.OPERATION_UNKNOWN: Fate.UNDONE,
}


def fate(decision: Decision[Content], *, sent: bool) -> Fate:
    """What became of a call that was answered so; `sent`: whether the agent may have received it.

    A reason that is not in the table tells nothing.
    """
    if not isinstance(decision, Deny):
        return fate_by_status(decision.value.status)
    if decision.reason in _NO_ANSWER:
        return Fate.UNKNOWN if sent else Fate.UNDONE
    if decision.reason is Reason.UPSTREAM_UNREADABLE:  # the agent did answer
        return fate_by_status(decision.facts.get("upstream_status", 0))
    return _DENIED.get(decision.reason, Fate.UNKNOWN)


def fate_by_status(status: int) -> Fate:
    """What an HTTP status says: a failure, or "later", is no taking; any other answer is one."""
    if status == 0:
        return Fate.UNKNOWN
    undone = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Fate.UNDONE if undone else Fate.DONE
