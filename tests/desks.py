"""An operator's desk over a real state."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from doubles import AGENT, CLIENT, OPERATOR, Clock, grant, inbound
from state.backends import SEAL

from proxy.actions import Action, Detail, Operate, ToolCall
from proxy.authorization.approvals import Approvals, Asking, Wish
from proxy.authorization.stops import Stops
from proxy.decision import Allow, Decision
from proxy.exchange import Content, Document, Frame, Principal, Role, Stream
from proxy.isolation.answers import sealed_refusal
from proxy.operator.desk import Desk
from proxy.operator.names import Names
from proxy.protection.redactor import Redactor
from proxy.reasons import Reason
from proxy.running import Ended, Running
from proxy.state.approvals import Ask
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import TokenRecord
from proxy.trace import Trace
from proxy.values import Json

HELD = "correct-horse-battery-staple-2026"


class Bench:
    """The desk, and what is on it."""

    def __init__(self, folder: Path, boot: str = "boot-1") -> None:
        self.file = folder / "STOP"
        self.clock = Clock()
        self.store = SqliteStore(str(folder / "sidegate.db"), SEAL)
        self.approvals = Approvals(
            self.store.asks, self.store.grants, SEAL, self.clock, "holder-1", boot
        )
        self.stops = Stops(self.store.stops, self.clock, str(self.file))
        self.running = Running()
        self.redactor = Redactor((HELD,))
        self.names = Names(
            self.store.tokens, self.clock, frozenset({"shell", "file_*"}), frozenset({AGENT.id})
        )
        self.desk = Desk.of(
            self.approvals, self.stops, self.running, self.redactor.find, self.names
        )
        self.ends: dict[str, Ended] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(
        self,
        tool: str = "shell",
        arguments: Mapping[str, Json] | None = None,
        *,
        principal: Principal = CLIENT,
        always: bool = False,
        seconds: float = 300.0,
        note: str = "",
    ) -> Ask:
        """A call that waits."""
        call = ToolCall(tool, {"command": "ls"} if arguments is None else arguments)
        asking = Asking("rules-1", needed=True, seconds=seconds, always=always, note=note)
        parked = await self.approvals.park(Wish(call, inbound(), principal), asking)
        assert isinstance(parked, Allow)
        return parked.value

    async def label(self, principal: Principal, label: str) -> None:
        """Give the principal a token of this label."""
        record = TokenRecord(principal.id, b"digest", Role.CLIENT, label, self.clock())
        await self.store.tokens.add(record)

    async def late(self) -> Ask:
        """A call that nobody decided in time, as the worker leaves it."""
        ask = await self.ask("file_list", {"path": "."})
        answer = sealed_refusal(SEAL, ask, Reason.APPROVAL_TIMED_OUT)
        await self.store.asks.refuse(ask.id, answer, self.clock() + 3600)
        return ask

    async def held(self, seconds: float = 300.0) -> Ask:
        """A call that waits, and whose caller has left meanwhile."""
        wish = Wish(ToolCall("shell", {"command": "id"}), inbound(), CLIENT)
        asking = Asking("rules-1", needed=True, seconds=seconds)
        task = asyncio.create_task(self.approvals.hold(wish, asking))
        await asyncio.wait({task}, timeout=0.1)
        task.cancel()
        (ask,) = [ask for ask in await self.store.asks.list(self.clock()) if not ask.detached]
        return ask

    async def do(self, verb: str, subject: str = "", detail: Detail | None = None) -> Any:
        """The value of what was done, or the reason why it was not."""
        done = await self.decision(verb, subject, detail)
        if not isinstance(done, Allow):
            return done.reason
        assert isinstance(done.value, Document)
        return json.loads(json.dumps(done.value.value))

    async def decision(
        self, verb: str, subject: str = "", detail: Detail | None = None
    ) -> Decision[Content]:
        return await self.desk.verbs[verb](Operate(verb, subject, detail), OPERATOR.id)

    async def call(self, name: str, principal: Principal, action: Action | None) -> None:
        """A request under way for as long as nobody ends it; without an action, not granted yet."""

        async def run() -> None:
            trace = Trace(inbound(), (), principal=principal)
            if action is not None:
                trace.grant = replace(grant(principal=principal), action=action)
            with self.running.entered(trace) as entry:
                try:
                    await asyncio.Event().wait()
                finally:
                    self.ends[name] = entry.ended

        self.tasks.append(asyncio.create_task(run()))
        await asyncio.sleep(0)

    async def aclose(self) -> None:
        await self.running.drain(0)
        await self.store.aclose()


class Reader:
    """Whoever reads a stream of events."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.frames: list[Frame] = []

    async def next(self) -> tuple[str, Any]:
        """The name and the data of the next event; a comment has no name."""
        async with asyncio.timeout(10):
            frame = await anext(self.stream.frames)
        self.frames.append(frame)
        assert frame.data.endswith(b"\n\n")
        lines = frame.data.decode()[:-2].split("\n")
        if lines[0].startswith(":"):
            return "", lines[0]
        name, data = lines
        return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))
