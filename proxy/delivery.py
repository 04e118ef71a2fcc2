"""The other end of the inbox: bring each letter to the agent, at most once.

A letter passes layers 3, 4 and 5 like any request. When the agent is reached, and before the first
byte goes out, it is on record as SENDING: until then it may be tried again, from then on only where
the agent itself says that it did not take it. What is cut off in between is buried and left to the
operator, since nobody knows whether it arrived.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from proxy.actions import Message
from proxy.decision import Denied, told
from proxy.exchange import (
    Clean,
    Clock,
    Inbound,
    Principal,
    Stream,
)
from proxy.isolation.attempt import NOT_ALLOWED, UNKNOWN, UNREADABLE, Attempt, Ending, Verdict
from proxy.isolation.inbox import Posted, opened
from proxy.protocols.idempotency import with_key
from proxy.resumption import Origin, Resume, resumed
from proxy.running import Ended, Running
from proxy.seal import Seal
from proxy.state.letters import Inbox, Letter
from proxy.trace import Observer, Trace
from proxy.values import Headers

log = structlog.get_logger()

ROUTE = "inbox"

_REMEMBERED = 7 * 86400.0

Recall = Callable[[str, Headers, bytes], Principal | None]
"""Who sent a stored message, by its headers and its body; None: nobody who may."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many letters go out at one time, and times in seconds.

    A letter is claimed for as long as it takes to `reach` the agent: who dies before that does not
    hold it up. An `attempt` lasts longer than the agent may take for its answer, and a `lease`
    longer than an attempt, so that what still runs is never taken for dead. `tries` last a day.
    """

    at_once: int = 4
    look: float = 1.0
    reach: float = 15.0
    attempt: float = 330.0
    lease: float = 360.0
    first: float = 1.0
    longest: float = 600.0
    tries: int = 154
    away: float = 5.0
    last: float = 2.0

    def pause(self, letter: Letter) -> float:
        """The time to the next attempt, spread by the id: letters put together do not stay so."""
        spread = 1 + int(letter.id[:4], 16) / 0xFFFF / 10
        return spread * float(min(self.longest, self.first * 2 ** min(letter.attempts, 30)))


@dataclass
class Deliveries:
    """The worker. `woken` is set when a letter was put; `recall` names a sender that may send."""

    inbox: Inbox
    seal: Seal
    clock: Clock
    woken: asyncio.Event
    recall: Recall
    resume: Resume
    observers: tuple[Observer, ...]
    running: Running
    pace: Pace = Pace()
    _running: set["asyncio.Task[None]"] = field(default_factory=set)
    _away: bool = False

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then has a little time to end."""
        try:
            while True:
                self.woken.clear()
                pause = await self._round()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self.woken.wait()
        finally:
            await self._wind_up()

    async def _round(self) -> float:
        """Set out with every letter that is due; how long to wait for more."""
        try:
            if buried := await self.inbox.recover(UNKNOWN, self.clock()):
                log.warning("letters cut off", count=buried, why=UNKNOWN)
            while len(self._running) < self.pace.at_once:
                letter = await self._claim()
                if letter is None:
                    break
                task = asyncio.create_task(self._deliver(self._attempt(letter)))
                self._running.add(task)
                task.add_done_callback(self._ended)
        except OSError as error:
            self._missed(error)
            return self.pace.away
        except Exception:  # whatever it is, letters must not wait for the next start
            log.exception("inbox failed")
            return self.pace.away
        self._away = False
        return self.pace.look

    async def _claim(self) -> Letter | None:
        """The next letter. One that was claimed as we are stopped is given back."""
        now = self.clock()
        claim = asyncio.ensure_future(self.inbox.claim(now, now + self.pace.reach))
        try:
            return await asyncio.shield(claim)
        except asyncio.CancelledError:
            with contextlib.suppress(OSError):
                if letter := await claim:
                    await self.inbox.postpone(letter.id, letter.held, letter.due)
            raise

    def _attempt(self, letter: Letter) -> Attempt:
        return Attempt(letter, self.inbox, self.clock() + self.pace.lease)

    async def _deliver(self, attempt: Attempt) -> None:
        try:
            posted = opened(attempt.letter, self.seal)
        except ValueError:
            return await self._settle(attempt, Verdict(Ending.DEAD, UNREADABLE))
        relay = posted.relay
        principal = self.recall(posted.principal, relay.headers, relay.body)
        if principal is None:
            return await self._settle(attempt, Verdict(Ending.DEAD, NOT_ALLOWED))
        return await self._send(attempt, _inbound(posted, attempt), principal)

    async def _send(self, attempt: Attempt, inbound: Inbound, principal: Principal) -> None:
        """The way of a request from layer 3 on. What it answers nobody waits for."""
        trace = Trace(inbound, self.observers, principal=principal)
        with self.running.entered(trace):
            await self._bring(attempt, inbound, principal, trace)

    async def _bring(
        self, attempt: Attempt, inbound: Inbound, principal: Principal, trace: Trace
    ) -> None:
        status, cancelled = 0, Ended.BROKEN_OFF.value
        try:
            async with asyncio.timeout(self.pace.attempt):
                clean = await self.resume(inbound, principal, trace)
                status = clean.content.status
                verdict = attempt.answered(status)
                await self._settle(attempt, verdict)
                await _drained(clean, verdict)
            cancelled = ""
        except Denied as denied:
            status, cancelled = denied.reason.status, ""
            await self._settle(attempt, attempt.denied(denied))
        except asyncio.CancelledError:
            cancelled = Ended.STOPPED.value
            raise
        finally:
            await self._settle(attempt, attempt.cut_off())
            await trace.close(status, cancelled)

    async def _settle(self, attempt: Attempt, verdict: Verdict) -> None:
        """Put on record how it ended, once, as soon as the state can be reached."""
        recorded, attempt.settled = attempt.settled, True
        while not recorded:
            try:
                await self._record(attempt, verdict)
                recorded = True
            except OSError as error:
                self._missed(error)
                await asyncio.sleep(self.pace.away)

    async def _record(self, attempt: Attempt, verdict: Verdict) -> None:
        letter = attempt.letter
        ending, now = verdict.ending, self.clock()
        if ending is Ending.LATER and letter.attempts + 1 >= self.pace.tries:
            ending = Ending.DEAD
        match ending:
            case Ending.DELIVERED:
                await self.inbox.delivered(letter.id, now + _REMEMBERED)
            case Ending.LATER:
                for held in attempt.held:
                    await self.inbox.postpone(letter.id, held, now + self.pace.pause(letter))
            case Ending.DEAD:
                for held in attempt.held:
                    await self.inbox.bury(letter.id, held, verdict.why)
            case Ending.DROPPED:
                pass
        level = log.warning if ending is Ending.DEAD else log.info
        why = verdict.why if ending is Ending.DEAD else None
        level("letter", letter=letter.id, channel=letter.channel, ending=ending.value, why=why)

    def _missed(self, error: OSError) -> None:
        """Say once that the state is away."""
        if not self._away:
            log.error("inbox unavailable", error=told(error))
        self._away = True

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        self.woken.set()  # there is room for another
        if not task.cancelled() and (error := task.exception()):
            log.warning("delivery broken off", error=type(error).__name__)

    async def _wind_up(self) -> None:
        """Wait a little for what is under way, then cut it off."""
        for _ in range(2):
            if tasks := set(self._running):
                _, late = await asyncio.wait(tasks, timeout=self.pace.last)
                for task in late:
                    task.cancel()


def _inbound(posted: Posted, attempt: Attempt) -> Inbound:
    """The request that the letter was."""
    headers = with_key(posted.relay.headers, attempt.letter.id)
    relay = replace(posted.relay, headers=headers, before=attempt.before)
    origin = Origin(ROUTE, relay.method, posted.path, posted.door)
    return resumed(posted.request_id, Message(relay), origin)


async def _drained(clean: Clean, verdict: Verdict) -> None:
    """Hear the agent out, or it might stop in the middle of its work."""
    if isinstance(clean.content, Stream) and verdict.ending is Ending.DELIVERED:
        async for _ in clean.content.frames:
            pass
