"""Do what nobody waits for: calls that were to be answered later, once they may be done.

Each passes layers 3, 4 and 5 like any request, as the principal that it is of now: by the
credential that came with it, which may have been revoked. Layer 3 takes the ask just before it is
done, so that a Sidegate that dies in between never does it twice; whoever asks is then told that
nobody knows.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from proxy.actions import ToolCall
from proxy.authorization.approvals import Approvals, Stored
from proxy.decision import Denied, told
from proxy.exchange import (
    Document,
    Inbound,
    Principal,
)
from proxy.isolation.answers import KEPT_SECONDS, sealed_answer, sealed_refusal
from proxy.reasons import Reason
from proxy.resumption import Origin, Resume, resumed
from proxy.running import Running
from proxy.state.approvals import Ask, Standing
from proxy.trace import Observer, Trace

log = structlog.get_logger()

ROUTE = "requests"
_LOOK_SECONDS = 1.0
_AT_ONCE = 8
_EACH = 3  # of one principal: nobody's wait for another's
_AGAIN_SECONDS = 5.0
_LAST_SECONDS = 2.0
# What may be over in a moment: the call waits, until its own time is over.
_LATER = frozenset(
    {
        *(Reason.STOPPED_BY_OPERATOR, Reason.STATE_UNAVAILABLE, Reason.AUDIT_UNAVAILABLE),
        *(Reason.TOOL_RATE_LIMITED, Reason.ACTIONS_EXHAUSTED),
    }
)

Recall = Callable[[Stored], Awaitable[Principal | None]]
"""Who made a stored call, if that is still somebody; raises OSError."""


@dataclass
class Detached:
    """The worker."""

    approvals: Approvals
    recall: Recall
    resume: Resume
    observers: tuple[Observer, ...]
    running: Running
    _tasks: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)
    _whose: dict[str, str] = field(default_factory=dict)
    _pauses: dict[str, float] = field(default_factory=dict)
    _away: bool = False

    async def run(self) -> None:
        """Do what is ready until cancelled; what is under way is then cut off."""
        begun = False
        try:
            while True:
                try:
                    begun = begun or await self._begin()
                    await self._look()
                    self._away = False
                except OSError as error:
                    self._missed(error)
                except Exception:  # whatever it is, other calls must not wait for the next start
                    log.exception("detached calls failed")
                await self.approvals.ready(_LOOK_SECONDS)
        finally:
            await self._wind_up()

    async def _begin(self) -> bool:
        """What an earlier run of this Sidegate took is lost, and what was granted for it void."""
        lost = await self.approvals.asks.bury(
            self.approvals.holder, self.approvals.clock() + KEPT_SECONDS
        )
        if lost:
            log.warning("calls cut off", count=lost, why=Reason.REQUEST_LOST.detail)
        await self.approvals.void()
        return True

    async def _look(self) -> None:
        now = self.approvals.clock()
        progress = await self.approvals.asks.progress(now)
        self._pauses = {key: until for key, until in self._pauses.items() if key in progress}
        for ask_id, each in progress.items():
            late = each.standing is Standing.PENDING and each.expires - now <= 2 * _LOOK_SECONDS
            ready = each.standing is Standing.APPROVED and self._may_begin(ask_id, now)
            if not (each.detached and (late or ready)):
                continue
            ask = await self.approvals.asks.get(ask_id, now)
            if ask is None or ask.standing is not each.standing:
                continue
            if late:
                await self._refuse(ask, Reason.APPROVAL_TIMED_OUT)
            elif list(self._whose.values()).count(ask.principal) < _EACH:
                self._start(ask)

    def _start(self, ask: Ask) -> None:
        task = asyncio.create_task(self._do(ask))
        self._tasks[ask.id] = task
        self._whose[ask.id] = ask.principal
        task.add_done_callback(partial(self._ended, ask.id))

    def _may_begin(self, ask_id: str, now: float) -> bool:
        free = ask_id not in self._tasks and len(self._tasks) < _AT_ONCE
        return free and self._pauses.get(ask_id, 0.0) <= now

    def _ended(self, ask_id: str, task: "asyncio.Task[None]") -> None:
        del self._tasks[ask_id], self._whose[ask_id]
        if not task.cancelled() and (error := task.exception()):
            log.warning("detached call broken off", error=type(error).__name__)

    async def _do(self, ask: Ask) -> None:
        try:
            stored = self.approvals.opened(ask)
            principal = await self.recall(stored)
        except ValueError:
            await self._refuse(ask, Reason.APPROVAL_VOID)
            return
        if principal is None:
            await self._refuse(ask, Reason.APPROVAL_VOID)
            return
        await self._answer(ask, _inbound(ask, stored), principal)

    async def _answer(self, ask: Ask, inbound: Inbound, principal: Principal) -> None:
        trace = Trace(inbound, self.observers, principal=principal)
        status, cancelled = 0, ""
        with self.running.entered(trace) as entry:
            try:
                clean = await self.resume(inbound, principal, trace)
                assert isinstance(clean.content, Document), "a tool's answer is known as a whole"
                status = clean.content.status
                answer = sealed_answer(self.approvals.seal, ask, clean.content)
                await self._finish(ask, answer)
            except Denied as denied:
                status = denied.reason.status
                await self._denied(ask, denied)
            except asyncio.CancelledError:
                cancelled = entry.ended.value
                with contextlib.suppress(OSError):
                    await asyncio.shield(self._end(ask, Reason.REQUEST_LOST))
                raise
            finally:
                await trace.close(status, cancelled)

    async def _denied(self, ask: Ask, denied: Denied) -> None:
        if denied.reason in _LATER:
            await self._end(ask, denied.reason)
            self._pauses[ask.id] = self.approvals.clock() + _AGAIN_SECONDS
            return
        await self._refuse(ask, denied.reason)

    async def _refuse(self, ask: Ask, reason: Reason) -> None:
        """It will not be done, or it was begun and failed: which of the two, the state knows."""
        answer = sealed_refusal(self.approvals.seal, ask, reason)
        await self.approvals.asks.refuse(ask.id, answer, self._forgotten())
        await self._end(ask, reason)

    async def _end(self, ask: Ask, reason: Reason) -> None:
        """What was begun has no answer but this; what was not begun is left as it is."""
        answer = sealed_refusal(self.approvals.seal, ask, reason)
        await self._finish(ask, answer)

    async def _finish(self, ask: Ask, answer: bytes) -> None:
        # In the name of this Sidegate: another that shares the state may be doing it.
        holder = self.approvals.holder
        await self.approvals.asks.finish(ask.id, holder, answer, self._forgotten())

    def _forgotten(self) -> float:
        return self.approvals.clock() + KEPT_SECONDS

    def _missed(self, error: OSError) -> None:
        """Say once that the state is away."""
        if not self._away:
            log.error("approvals unavailable", error=told(error))
        self._away = True

    async def _wind_up(self) -> None:
        """Wait a little for what is under way, then cut it off."""
        if tasks := set(self._tasks.values()):
            _, late = await asyncio.wait(tasks, timeout=_LAST_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_LAST_SECONDS)


def _inbound(ask: Ask, stored: Stored) -> Inbound:
    """The request that the call was."""
    call = ToolCall(stored.tool, stored.arguments, ask=ask.id)
    return resumed(ask.id, call, Origin(ROUTE, "POST", stored.path, "tools"))
