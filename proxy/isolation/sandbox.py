"""Run commands: so many at one time, each in a place of its own of which nothing is left behind.

A place is removed by a task of its own: whatever becomes of the call (an answer, a time-out, a
client that left, a cancellation at any point), it ends with the place gone, and only then is there
room for another.
"""

import asyncio
from collections.abc import AsyncIterator

import structlog

from proxy.actions import Command, ToolCall
from proxy.decision import Allow, Decision, Denied, Deny, Facts, told
from proxy.exchange import Content, Document, Frame, Grant, Stream
from proxy.isolation.executor import Backend
from proxy.isolation.room import Room
from proxy.isolation.run import START_SECONDS, STDERR, STDOUT, Ended, Run, Runtime, Talk
from proxy.isolation.watched import WatchedTalk
from proxy.protocols.events import RESULT
from proxy.protocols.strict_json import dumps
from proxy.reasons import Layer, Reason
from proxy.values import Headers, Json

_CHANNELS = {STDOUT: "stdout", STDERR: "stderr"}
_LAST_SECONDS = 3.0  # whoever stops a service gives it ten, of which draining may take five

log = structlog.get_logger()  # for removals, which outlive the request that could answer


class Sandbox:
    """`Backend` for commands. `active` counts those under way and those not yet cleared away."""

    def __init__(self, runtime: Runtime, most: int, room: Room | None = None) -> None:
        self._runtime = runtime
        self._room = room or Room()
        self._most = most
        self._slots = asyncio.Semaphore(most)
        self._waiting = 0
        self._followed: set[asyncio.Task[Ended]] = set()
        self._removals: set[asyncio.Task[None]] = set()
        self.active = 0
        self.kind = runtime.name
        self.missing, self.sweep = runtime.missing, runtime.sweep

    def talk(self, plan: Command, tool: str, request_id: str) -> Talk:
        """A job for a program that is spoken with, outside of the slots; raises OSError.

        Whoever speaks with it bounds how many there are.
        """
        if not plan.writes:
            return self._runtime.talk(plan, tool, request_id)
        if self._room.refused():
            raise OSError("the workspace's disk is nearly full")
        return WatchedTalk(self._runtime.talk(plan, tool, request_id), self._room)

    async def run(self, plan: Command, grant: Grant) -> Decision[Content]:
        """Run the command. Whatever its end, it is an answer; Deny says that there is none."""
        call = grant.action
        assert isinstance(call, ToolCall)  # nothing else is planned as a command
        if plan.writes and (full := self._room.refused()):
            return full
        if self._slots.locked() and self._waiting >= self._most:
            return Deny(Reason.SANDBOX_BUSY, facts=Facts(retry_after=1.0))
        if not await self._has_slot():
            return Deny(Reason.SANDBOX_UNAVAILABLE, "earlier sandboxes are not removed")
        run = self._enter(plan, call.tool, grant.request_id)
        try:
            await run.start()
        except OSError as error:
            self._leave(run)
            return self._refused(run, error)
        except BaseException:
            self._note_cancelled(run, grant.late)
            self._leave(run)
            raise
        if call.stream and grant.once is None:
            return self._stream(run, grant.late)
        return await self._document(run, grant.late)

    async def _document(self, run: Run, late: Facts) -> Decision[Content]:
        try:
            ended = await run.follow()
        except OSError as error:
            return self._refused(run, error)
        except asyncio.CancelledError:
            self._note_cancelled(run, late)
            raise
        finally:
            self._leave(run)
        value = {
            "exit_code": ended.code,
            "stdout": run.written(STDOUT).decode("utf-8", "replace"),
            "stderr": run.written(STDERR).decode("utf-8", "replace"),
            **_summary(run, ended),
        }
        return Allow(Document(value), Facts(runtime=self._runtime.name, result=ended.result))

    def _note_cancelled(self, run: Run, late: Facts) -> None:
        """For the record, where nobody waits for its answer any more."""
        if run.job.begun:
            late.update(Facts(runtime=self._runtime.name, result="cancelled"))

    def _stream(self, run: Run, late: Facts) -> Decision[Content]:
        """What it writes as it comes. It is followed to its end, and removed, whoever reads."""
        self._note_cancelled(run, late)  # until it is known to have ended otherwise
        following = asyncio.create_task(self._follow(run, late))
        self._followed.add(following)

        def ended(_: "asyncio.Task[Ended]") -> None:
            self._followed.discard(following)
            self._leave(run)
            if not following.cancelled():
                following.exception()  # seen, though nobody may read so far
            run.news.set()

        def release() -> None:
            following.cancel()

        following.add_done_callback(ended)
        frames = _frames(run, following)
        return Allow(Stream(200, Headers(), frames, release=release))

    async def _follow(self, run: Run, late: Facts) -> Ended:
        """Follow it, and say how it ended, which is known before the last frame is read."""
        try:
            ended = await run.follow()
        except OSError:
            late["result"] = "lost"
            raise
        late["result"] = ended.result
        return ended

    def _refused(self, run: Run, error: OSError) -> Deny:
        if not run.job.begun:
            return Deny(Reason.SANDBOX_UNAVAILABLE, told(error))
        facts = Facts(runtime=self._runtime.name, result="lost")
        return Deny(Reason.SANDBOX_LOST, told(error), facts)

    async def _has_slot(self) -> bool:
        """Wait for a slot while commands run; False where all are long gone and none is cleared."""
        self._waiting += 1
        try:
            while True:
                try:
                    async with asyncio.timeout(START_SECONDS):
                        await self._slots.acquire()
                except TimeoutError:
                    if len(self._removals) >= self._most:
                        return False
                else:
                    return True
        finally:
            self._waiting -= 1

    def _enter(self, plan: Command, tool: str, request_id: str) -> Run:
        """A run in the slot that was got, which is given back by `_leave`."""
        try:
            run = Run(self._runtime.job(plan, tool, request_id), plan.seconds)
        except BaseException:
            self._slots.release()
            raise
        self.active += 1
        if plan.writes:
            self._room.enter(run)
        return run

    def _leave(self, run: Run) -> None:
        """Begin to clear away, in a task that nobody cancels with the request."""
        self._room.leave(run)
        removal = asyncio.create_task(run.job.discard())
        self._removals.add(removal)
        removal.add_done_callback(self._removed)

    def _removed(self, removal: "asyncio.Task[None]") -> None:
        self._removals.discard(removal)
        self.active -= 1
        self._slots.release()
        if not removal.cancelled() and (error := removal.exception()):
            log.error("a sandbox was not removed", exc_info=error)

    async def aclose(self) -> None:
        """End what is followed, wait for the removals under way, and give the runtime back."""
        for following in self._followed:
            following.cancel()
        await asyncio.gather(*self._followed, return_exceptions=True)
        await self._room.aclose()
        if self._removals:
            _, late = await asyncio.wait(set(self._removals), timeout=_LAST_SECONDS)
            for removal in late:
                removal.cancel()
        await self._runtime.aclose()


async def _frames(run: Run, following: "asyncio.Task[Ended]") -> AsyncIterator[Frame]:
    """What a command writes, and at last how it ended; raises Denied where nobody can tell."""
    sent = dict.fromkeys(_CHANNELS, 0)
    over = False
    while not over:
        await run.news.wait()
        run.news.clear()
        over = following.done()
        for stream, channel in _CHANNELS.items():
            if data := run.written(stream, sent[stream]):
                sent[stream] += len(data)
                yield Frame(channel, data)
    try:
        ended = following.result()
    except OSError as error:
        log.warning("a sandbox was lost", error=told(error))
        raise Denied(Layer.ISOLATION, Reason.SANDBOX_LOST) from error
    for channel in _CHANNELS.values():
        yield Frame(channel, b"", final=True)
    yield Frame(RESULT, dumps({"exit_code": ended.code, **_summary(run, ended)}), final=True)


def _summary(run: Run, ended: Ended) -> dict[str, Json]:
    return {
        "truncated": run.truncated,
        "timed_out": ended.result == "timeout",
        "duration_ms": round(ended.seconds * 1000),
    }


_: type[Backend[Command]] = Sandbox
