"""What must not go on: the operator's stops, and calls that were denied again and again.

A stop is in the state, or it is the mere presence of a file, so that whoever can reach the disk can
stop everything without a running Sidegate. What cannot be read counts as stopped.
"""

import os
import secrets
import stat
from collections import OrderedDict
from dataclasses import dataclass, field

from proxy.actions import Action, ToolCall
from proxy.authorization.keys import call_digest, who
from proxy.config import patterns
from proxy.decision import Deny
from proxy.exchange import Clock, Principal
from proxy.reasons import Reason
from proxy.state import approvals
from proxy.state.approvals import Stop, StopKind

MAX_DENIALS = 5
WITHIN_SECONDS = 600.0
LOOP_SECONDS = 3600.0
_MOST_REMEMBERED = 10_000
_MOST_LOOPS = 50
# Other answers than these say nothing of the call itself, and may be another in a moment.
_PASSING = frozenset(
    {
        *(Reason.TOOL_RATE_LIMITED, Reason.ACTIONS_EXHAUSTED, Reason.STATE_UNAVAILABLE),
        *(Reason.STOPPED_BY_OPERATOR, Reason.DENIED_REPEATEDLY, Reason.APPROVALS_FULL),
        *(Reason.APPROVAL_TIMED_OUT, Reason.APPROVAL_VOID, Reason.URL_UNRESOLVED),
        *(Reason.APPROVAL_PENDING, Reason.TOOL_QUARANTINED, Reason.HEADER_MISMATCH),
    }
)


@dataclass
class Stops:
    """`file` is the path of the file that stops everything."""

    stops: approvals.Stops
    clock: Clock
    file: str
    _denials: "OrderedDict[str, tuple[int, float]]" = field(default_factory=OrderedDict)
    _loops: "OrderedDict[str, list[float]]" = field(default_factory=OrderedDict)

    async def refusal(self, action: Action, principal: Principal) -> Deny | None:
        """Why `action` may not go on now; None where nothing stops it."""
        if self.file_stands():
            return Deny(Reason.STOPPED_BY_OPERATOR, "the file")
        try:
            standing = await self.stops.list(self.clock())
        except OSError as error:
            return Deny(Reason.STOPPED_BY_OPERATOR, type(error).__name__)
        loops = {stop.target: stop.id for stop in standing if stop.kind is StopKind.CALL}
        for stop in standing:
            if covers(stop, action, principal):
                return Deny(Reason.STOPPED_BY_OPERATOR, stop.id)
        if loops and isinstance(action, ToolCall):
            digest = call_digest(action, principal)  # once: it costs as much as the call is long
            if digest in loops:
                return Deny(Reason.DENIED_REPEATEDLY, loops[digest])
        return None

    def file_stands(self) -> bool:
        """Whether the file is there, or nobody can tell."""
        try:
            os.lstat(self.file)
        except FileNotFoundError:
            return not _is_folder(os.path.dirname(self.file))
        except OSError:
            return True
        return True

    async def denied(self, call: ToolCall, principal: Principal, reason: Reason) -> None:
        """Count a denial; the same call denied MAX_DENIALS times is stopped. Raises OSError."""
        if reason in _PASSING:
            return
        digest, now = call_digest(call, principal), self.clock()
        count, since = self._denials.pop(digest, (0, now))
        if now - since > WITHIN_SECONDS:
            count, since = 0, now
        self._denials[digest] = (count + 1, since)
        if len(self._denials) > _MOST_REMEMBERED:
            self._denials.popitem(last=False)
        if count + 1 >= MAX_DENIALS:
            del self._denials[digest]
            if self._may_stop(who(principal), now):
                await self.stops.add(_loop(digest, call, principal, reason, now), now)

    def _may_stop(self, name: str, now: float) -> bool:
        """Whether there is room for one more stop of this one's calls; others need it, too."""
        standing = [until for until in self._loops.pop(name, []) if until > now]
        free = len(standing) < _MOST_LOOPS
        self._loops[name] = [*standing, now + LOOP_SECONDS] if free else standing
        if len(self._loops) > _MOST_REMEMBERED:
            self._loops.popitem(last=False)
        return free


def covers(stop: Stop, action: Action, principal: Principal) -> bool:
    """Whether an operator's stop holds for an action."""
    match stop.kind:
        case StopKind.ALL:
            return True
        case StopKind.PRINCIPAL:
            names = (principal.id, who(principal), principal.id.removeprefix("principal:"))
            return stop.target in names
        case StopKind.TOOL:
            called = (action.tool, *action.inner) if isinstance(action, ToolCall) else ()
            return any(patterns.covers(stop.target, tool) for tool in called)
        case StopKind.CALL:
            return False  # of a call that was denied nothing runs


def _loop(digest: str, call: ToolCall, principal: Principal, reason: Reason, now: float) -> Stop:
    why = f"{who(principal)} was denied {call.tool[:64]} {MAX_DENIALS} times: {reason.code}"
    expires = now + LOOP_SECONDS
    return Stop(f"s_{secrets.token_hex(6)}", StopKind.CALL, digest, why, "sidegate", now, expires)


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except OSError:
        return False
