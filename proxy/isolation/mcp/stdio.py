"""A server that is a program in a sandbox, and speaks by its standard streams.

Each session is a process of its own, so that no two principals share one. It ends with the session,
when nobody has used it for a while, and with Sidegate. These servers are spoken to in the legacy
era (2025-11-25, basic/transports): a program that could do without sessions has one all the same.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from proxy.decision import Deny, told
from proxy.isolation.mcp.link import Event, Link, Replies, Sent, only
from proxy.isolation.mcp.speaker import Speaker
from proxy.isolation.run import Talk
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import Verb
from proxy.reasons import Reason

log = structlog.get_logger()

_START_SECONDS = 20.0
_IDLE_SECONDS = 1800.0
_SPARED_SECONDS = 60.0
_LOOK_SECONDS = 60.0
_LAST_SECONDS = 10.0
_NO_SUCH_METHOD = Failure(-32601, "Method not found")


class StdioLink:
    """`Link` to a program.

    `start` makes a process of it that is not yet started; `lacking` says what one would lack.
    `most`: processes at one time, each of which is a session. `spared`: seconds for which an idle
    one is left alone that another could have the place of.
    """

    def __init__(
        self,
        name: str,
        start: Callable[[], Talk],
        lacking: Callable[[], Awaitable[str | None]],
        most: int = 16,
        spared: float = _SPARED_SECONDS,
    ) -> None:
        self._name = name
        self._start = start
        self._lacking = lacking
        self._most = most
        self._spared = spared
        self._speakers: dict[str, Speaker] = {}
        self._opening = 0
        self._ending: set[asyncio.Task[None]] = set()
        self._looking: asyncio.TimerHandle | None = None

    async def send(self, sent: Sent) -> Replies | Deny:
        """Say it to the process of the session; what opens a session starts a process."""
        if sent.message is Verb.END:
            self._end(sent.session)
            return Replies(200, only())
        if not sent.session:
            return await self._opened(sent)
        speaker = self._speakers.get(sent.session)
        if speaker is None or speaker.gone:
            self._end(sent.session)
            return Replies(404, only())
        if sent.before is not None:
            await sent.before()
        return await speaker.send(sent.message)

    async def _opened(self, sent: Sent) -> Replies | Deny:
        message = sent.message
        if not isinstance(message, Request):
            return Deny(Reason.SESSION_MISSING)
        if message.method != "initialize":
            return Replies(200, only(Event(Response(message.id, _NO_SUCH_METHOD))))
        if not self._has_room():
            return Deny(Reason.MCP_UNAVAILABLE, "as many processes as there may be")
        self._opening += 1
        try:
            return await self._begun(message)
        finally:
            self._opening -= 1

    async def _begun(self, initialize: Request) -> Replies | Deny:
        """A process that has answered its first request."""
        session = secrets.token_urlsafe(16)
        speaker: Speaker | None = None
        replies: Replies | Deny | None = None
        try:
            speaker = self._speaker(session)
            async with asyncio.timeout(_START_SECONDS):
                await speaker.start()
                replies = await speaker.send(initialize)
        except OSError as error:
            return Deny(Reason.MCP_UNAVAILABLE, told(error))
        finally:
            if speaker is not None:
                self._settle(session, speaker, fit=isinstance(replies, Replies))
        if isinstance(replies, Deny):
            return replies
        return Replies(200, replies.events, replies.streamed, session, replies.release)

    def _settle(self, session: str, speaker: Speaker, *, fit: bool) -> None:
        """Keep a process that is fit for it, and end any other."""
        if not fit or speaker.gone:
            self._discard(speaker)
            return
        self._speakers[session] = speaker
        if self._looking is None:
            self._look_later()

    def _speaker(self, session: str) -> Speaker:
        clock = asyncio.get_running_loop().time
        return Speaker(self._name, self._start(), clock, partial(self._end, session))

    def _has_room(self) -> bool:
        """Whether there may be one more, if need be in the place of the one idle for longest.

        Clients come and go without a word: theirs would leave no room for anybody.
        """
        if len(self._ending) >= self._most:
            return False
        if len(self._speakers) + self._opening < self._most:
            return True
        idle = {key: each.idle for key, each in self._speakers.items()}
        longest = max(idle, key=idle.__getitem__, default="")
        if idle.get(longest, 0.0) < self._spared:
            return False
        self._end(longest)
        return True

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._looking = loop.call_later(_LOOK_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        late = [key for key, each in self._speakers.items() if each.idle > _IDLE_SECONDS]
        for session in late:
            self._end(session)
        self._looking = None
        if self._speakers:
            self._look_later()

    def _end(self, session: str) -> None:
        speaker = self._speakers.pop(session, None)
        if speaker is not None:
            self._discard(speaker)

    def _discard(self, speaker: Speaker) -> None:
        """End a process in a task of its own, which nobody cancels with a request."""
        task = asyncio.create_task(speaker.end())
        self._ending.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._ending.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("mcp server not removed", server=self._name, error=told(error))

    async def missing(self) -> str | None:
        """What a process would lack."""
        lacks = await self._lacking()
        return None if lacks is None else f"the MCP server {self._name}: {lacks}"

    async def aclose(self) -> None:
        """End every process."""
        if self._looking is not None:
            self._looking.cancel()
        for session in list(self._speakers):
            self._end(session)
        if self._ending:
            await asyncio.wait(self._ending, timeout=_LAST_SECONDS)


_: type[Link] = StdioLink
