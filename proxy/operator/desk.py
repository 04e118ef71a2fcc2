"""The operator's desk: what waits for a decision, what was granted, and what is stopped."""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.actions import Operate
from proxy.authorization.approvals import Approvals
from proxy.authorization.stops import Stops
from proxy.decision import Decision
from proxy.exchange import Content
from proxy.operator.feed import Feed
from proxy.operator.halts import Halts
from proxy.operator.names import Names
from proxy.operator.rulings import Rulings, Verb
from proxy.operator.views import Views, stop_rows
from proxy.protocols.visible import Find
from proxy.running import Running
from proxy.state.approvals import Standing
from proxy.values import Json


@dataclass(frozen=True)
class Desk:
    """All that the operator does about calls of others."""

    rulings: Rulings
    halts: Halts
    feed: Feed

    @classmethod
    def of(
        cls,
        approvals: Approvals,
        stops: Stops,
        running: Running,
        find: Find,
        names: Names,
    ) -> "Desk":
        """The desk over the queue and the stops that layer 3 asks."""
        views = Views(approvals, find, names)
        feed = Feed(approvals, stops, views)
        return cls(
            Rulings(approvals, stops, views, feed.wake),
            Halts(stops, running, names, feed.wake),
            feed,
        )

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """What can be done at it."""
        return {**self.rulings.verbs, **self.halts.verbs, "approvals.events": self._events}

    async def summary(self) -> Mapping[str, Json]:
        """How many calls wait, and what is stopped; raises OSError."""
        approvals = self.rulings.approvals
        progress = await approvals.asks.progress(approvals.clock())
        return {
            "waiting": sum(each.standing is Standing.PENDING for each in progress.values()),
            "stops": stop_rows(await self.halts.standing()),
            "file": self.halts.stops.file_stands(),
        }

    async def _events(self, _: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        return await self.feed.open()
