"""The record of one request, and the one place where a layer's answer takes effect.

`step` times, counts and audits every decision and turns a refusal into `Denied`. It fails closed:
an exception in a layer is a denial, and what acts on the world does not happen before it is on
record.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import structlog

from proxy.decision import Allow, Decision, Denied, Deny, Facts, Malformed, Quota
from proxy.duplex import Socket
from proxy.exchange import Clean, Grant, Inbound, Peer, Principal, Raw, Stream
from proxy.reasons import Layer, Reason

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Step:
    """One layer's answer. `seconds` is the time until it was there, less what a human took."""

    layer: Layer
    decision: Decision[object]
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the request ended: the HTTP status sent (0: none), and why it ended early, if it did."""

    status: int
    seconds: float
    redactions: Counter[str]
    cancelled: str = ""
    facts: Facts = field(default_factory=Facts)
    """What became known after the answer was there, or without one."""


class Observer(Protocol):
    """Whoever keeps a record."""

    async def step(self, trace: "Trace", step: Step) -> None:
        """A layer answered. Raises OSError where this must be on record and cannot be."""
        ...

    async def close(self, trace: "Trace", outcome: Outcome) -> None:
        """The request is over."""
        ...


@dataclass
class Trace:
    """One request on its way through the layers. `observers` are asked in order.

    `quotas`: where the caller stands under each rate that was counted, allowed or refused.
    """

    inbound: Inbound
    observers: tuple[Observer, ...]
    peer: Peer | None = None
    principal: Principal | None = None
    grant: Grant | None = None
    denied: Denied | None = None
    quotas: list[Quota] = field(default_factory=list)
    _tally: Counter[str] = field(default_factory=Counter)
    _masked: Mapping[str, int] = field(default_factory=dict)
    _held: ExitStack = field(default_factory=ExitStack)
    _started: float = field(default_factory=time.perf_counter)

    async def step(self, layer: Layer, pending: Awaitable[Decision[T]]) -> T:
        """The value that the layer made; raises Denied where it refused or failed."""
        started = time.perf_counter()
        decision = await self._settle(layer, pending)
        if isinstance(decision, Allow):
            self._keep(decision.value)
        if "quota" in decision.facts:
            self.quotas.append(decision.facts["quota"])
        self._masked = decision.facts.get("masked", self._masked)
        waited = decision.facts.get("waited", 0.0)
        step = Step(layer, decision, max(0.0, time.perf_counter() - started - waited))
        for observer in self.observers:
            try:
                await observer.step(self, step)
            except OSError as error:
                # Later observers see what the caller gets.
                log.error("audit failed", request_id=self.inbound.request_id, error=str(error))
                decision = Deny(Reason.AUDIT_UNAVAILABLE)
                step = Step(layer, decision, step.seconds)
        if isinstance(decision, Deny):
            owner = decision.reason.layer or layer  # an answer kept may be a refusal of another
            self.denied = Denied(owner, decision.reason, decision.facts)
            raise self.denied
        return decision.value

    async def _settle(self, layer: Layer, pending: Awaitable[Decision[T]]) -> Decision[T]:
        try:
            return await pending
        except Malformed as malformed:
            return Deny(malformed.reason, malformed.evidence)
        except Exception as error:  # whatever it is, it is no permission
            log.exception("layer failed", layer=layer.value, request_id=self.inbound.request_id)
            return Deny(Reason.LAYER_FAILED, type(error).__name__)

    def _keep(self, value: object) -> None:
        """Remember what the record needs, and what must be given back at the end."""
        match value:
            case Peer():
                self.peer = value
            case Principal():
                self.principal = value
            case Grant():
                self.grant = value
                self._held.callback(value.close)
            case Raw(content=Stream() as stream):
                self._held.callback(stream.release)
            case Raw(content=Socket() as socket):
                self._held.callback(socket.release)
            case Clean():
                self._tally = value.tally

    async def close(self, status: int, cancelled: str = "") -> None:
        """Give back what the grant held and tell the observers, cancelled meanwhile or not."""
        self._held.close()
        seconds = time.perf_counter() - self._started
        late = self.grant.late if self.grant is not None else Facts()
        tally = self._tally + Counter(self._masked)
        await asyncio.shield(self._tell(Outcome(status, seconds, tally, cancelled, late)))

    async def _tell(self, outcome: Outcome) -> None:
        for observer in self.observers:
            try:
                await observer.close(self, outcome)
            except OSError as error:
                log.error("audit failed", request_id=self.inbound.request_id, error=str(error))
