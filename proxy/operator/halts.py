"""What the operator stops and lets go on, and the end of what runs meanwhile.

A stop holds for what is asked from then on, which is layer 3's to refuse, and for what runs, which
is ended here: at once where the stop is made, and within a second where another replica made it,
where it is the file, or where something was judged just before.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from proxy.actions import Action, Halt, Operate
from proxy.authorization.stops import Stops, covers
from proxy.decision import Allow, Decision, Deny, told
from proxy.exchange import Content, Document, Principal
from proxy.operator.names import Names
from proxy.operator.rulings import Verb
from proxy.operator.views import stop_rows
from proxy.reasons import Reason
from proxy.running import Ended, Running
from proxy.state.approvals import Stop, StopKind

log = structlog.get_logger()

_SECONDS = 1.0
_OPERATORS = (StopKind.ALL, StopKind.TOOL, StopKind.PRINCIPAL)


@dataclass(frozen=True)
class Halts:
    """The operator's side of the stops. `changed` is called after each change."""

    stops: Stops
    running: Running
    names: Names
    changed: Callable[[], None]

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """What it does."""
        return {
            "stops.list": self._list,
            "stops.add": self._add,
            "stops.lift": self._lift,
            "stops.resume": self._resume,
        }

    async def standing(self) -> list[Stop]:
        """What stands in the state; raises OSError."""
        return await self.stops.stops.list(self.stops.clock())

    async def enforce(self, seconds: float = _SECONDS) -> None:
        """End what runs although it is stopped, every so often until cancelled."""
        away = False
        while True:
            await asyncio.sleep(seconds)
            try:
                await self._sweep()
                away = False
            except Exception as error:  # noqa: BLE001 - whatever it is, the next time may be better
                if not away:
                    log.error("state unavailable", error=told(error))
                away = True

    async def _sweep(self) -> None:
        if self.stops.file_stands():
            self._end(_everything)
        for stop in await self.standing():
            self._end_under(stop)

    async def _list(self, _: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        rows = stop_rows(await self.standing())
        return Allow(Document({"stops": rows, "file": self.stops.file_stands()}))

    async def _add(self, plan: Operate, by: str) -> Decision[Content]:
        """Stop it. Where the state fails, what runs here is ended all the same."""
        halt = plan.detail if isinstance(plan.detail, Halt) else Halt()
        stop = _stop(halt, by, self.stops.clock())
        try:
            stop = await self._stand(stop)
        finally:
            self._end_under(stop)
            self.changed()
        row = {"stopped": stop.id, "kind": stop.kind.value, "target": stop.target}
        return Allow(Document({**row, "known": await self._known(stop)}))

    async def _known(self, stop: Stop) -> bool:
        """Whether there is what is stopped, as far as names tell; where not, it may come."""
        match stop.kind:
            case StopKind.TOOL:
                return self.names.tool(stop.target)
            case StopKind.PRINCIPAL:
                return await self.names.principal(stop.target)
            case _:
                return True

    async def _stand(self, stop: Stop) -> Stop:
        """The stop, or the one that stands for the same already."""
        for each in await self.standing():
            same = (each.kind, each.target) == (stop.kind, stop.target)
            if same and each.expires is None:
                return each
        if not await self.stops.stops.add(stop, self.stops.clock()):
            raise OSError("the state has no room for a stop")
        return stop

    async def _lift(self, plan: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        if not await self.stops.stops.lift(plan.subject):
            return Deny(Reason.OPERATION_UNKNOWN)
        return await self._lifted([plan.subject])

    async def _resume(self, _: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        """Lift what operators have stopped; a call that was denied again and again stays so."""
        stops = self.stops.stops
        ours = [stop.id for stop in await self.standing() if stop.kind in _OPERATORS]
        return await self._lifted([stop_id for stop_id in ours if await stops.lift(stop_id)])

    async def _lifted(self, ids: list[str]) -> Decision[Content]:
        """What was lifted, and whether the file still stops everything: only a hand removes it."""
        self.changed()
        return Allow(Document({"lifted": ids, "file": self.stops.file_stands()}))

    def _end_under(self, stop: Stop) -> None:
        self._end(lambda principal, action: covers(stop, action, principal))

    def _end(self, wanted: Callable[[Principal, Action], bool]) -> None:
        """What is not granted yet is judged when it is; what operators do goes on."""

        def stopped(principal: Principal, action: Action | None) -> bool:
            if action is None or isinstance(action, Operate):
                return False
            return wanted(principal, action)

        self.running.end(stopped, Ended.STOPPED)


def _stop(halt: Halt, by: str, now: float) -> Stop:
    kind = StopKind.ALL
    if halt.tool is not None:
        kind = StopKind.TOOL
    elif halt.principal is not None:
        kind = StopKind.PRINCIPAL
    target = halt.tool or halt.principal or ""
    return Stop(f"s_{secrets.token_hex(6)}", kind, target, halt.why, by, now)


def _everything(principal: Principal, action: Action) -> bool:  # noqa: ARG001
    return True
