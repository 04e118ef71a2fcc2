"""Builders of what stands between a verdict and a grant."""

from collections.abc import Mapping
from pathlib import Path

from doubles import Clock

from proxy.authorization.approvals import Approvals
from proxy.authorization.authorizer import Authorizer
from proxy.authorization.budgets import Budgets
from proxy.authorization.consent import Consent
from proxy.authorization.policy import Policy
from proxy.authorization.preparation import Preparation
from proxy.authorization.stops import Stops
from proxy.authorization.tools.rates import Rates
from proxy.exchange import Clock as Time
from proxy.limits import Limiter, Unlimited, per_minute
from proxy.seal import Seal
from proxy.state.approvals import Ask, Asks, Progress, StandingGrant, Stop
from proxy.state.approvals import StandingGrants as Grants
from proxy.state.approvals import Stops as StoredStops

SEAL = Seal(bytes(range(32)))


class NoAsks:
    """`Asks` for whoever asks nobody."""

    async def put(self, ask: Ask, now: float) -> Ask | None:
        raise AssertionError("a human was asked")

    async def get(self, ask_id: str, now: float) -> Ask | None:
        return None

    async def list(self, now: float) -> list[Ask]:
        return []

    async def progress(self, now: float) -> dict[str, Progress]:
        return {}

    async def decide(
        self, lasting: Mapping[str, float], *, approve: bool, by: str, now: float
    ) -> bool:
        return False

    async def take(self, ask_id: str, binding: str, holder: str, now: float) -> bool:
        return False

    async def finish(self, ask_id: str, holder: str, answer: bytes, expires: float) -> None:
        raise AssertionError("nothing was asked")

    async def refuse(self, ask_id: str, answer: bytes, expires: float) -> None:
        raise AssertionError("nothing was asked")

    async def bury(self, holder: str, expires: float) -> int:
        return 0


class NoGrants:
    """`StandingGrants` without any."""

    async def add(self, grant: StandingGrant, now: float) -> bool:
        return False

    async def list(self, now: float) -> list[StandingGrant]:
        return []

    async def revoke(self, grant_id: str) -> bool:
        return False


class ListedStops:
    """`Stops` in a list."""

    def __init__(self, *stops: Stop) -> None:
        self.stops = list(stops)

    async def add(self, stop: Stop, now: float) -> bool:
        self.stops.append(stop)
        return True

    async def list(self, now: float) -> list[Stop]:
        return [stop for stop in self.stops if stop.expires is None or stop.expires > now]

    async def lift(self, stop_id: str) -> bool:
        before = len(self.stops)
        self.stops = [stop for stop in self.stops if stop.id != stop_id]
        return len(self.stops) < before


def approvals(
    asks: Asks | None = None,
    grants: Grants | None = None,
    *,
    clock: Time | None = None,
    boot: str = "boot-1",
) -> Approvals:
    """A queue, by default one in which nobody may be asked."""
    return Approvals(
        asks or NoAsks(), grants or NoGrants(), SEAL, clock or Clock(), "holder-1", boot
    )


def stops(
    stored: StoredStops | None = None, file: Path | None = None, clock: Time | None = None
) -> Stops:
    """Stops, by default none. Without a `file` it would stand in a folder that is there."""
    return Stops(stored or ListedStops(), clock or Clock(), str(file or "/STOP-nothing"))


def authorizer(
    policy: Policy,
    *,
    queue: Approvals | None = None,
    stopped: Stops | None = None,
    calls: Limiter | None = None,
    actions: Limiter | None = None,
    seconds: float = 0.0,
    preparation: Preparation | None = None,
) -> Authorizer:
    """Layer 3 over this policy; `seconds`: how long a human is waited for."""
    consent = Consent(queue or approvals(), policy, seconds)
    rates = Rates(policy.tool_rules.tools, lambda rate: per_minute("tool", rate))
    budgets = Budgets(calls or Unlimited(), actions or Unlimited(), rates)
    return Authorizer(policy, consent, stopped or stops(), budgets, preparation)
