"""What the operator decides on calls that wait, and what it grants for a time.

A decision is on the id of a call, never on what was shown of it: what is then done is what was
asked about, byte for byte. While everything is stopped nothing is decided. The counterpart is
`authorization.approvals`, where the calls wait.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from proxy.actions import Operate, Ruling, Selection
from proxy.authorization.approvals import DETACHED_SECONDS, Approvals
from proxy.authorization.stops import Stops
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document
from proxy.operator.views import Views
from proxy.protocols.ruling import MAX_GRANT
from proxy.reasons import Reason
from proxy.state.approvals import MAX_STANDING, Ask, Standing, StandingGrant, StopKind

Verb = Callable[[Operate, str], Awaitable[Decision[Content]]]
"""A verb of the operator's, and whose it is: the id of a principal."""


@dataclass(frozen=True)
class Rulings:
    """The operator's side of the approvals. `changed` is called after each change."""

    approvals: Approvals
    stops: Stops
    views: Views
    changed: Callable[[], None]

    @property
    def verbs(self) -> Mapping[str, Verb]:
        """What it does."""
        return {
            "approvals.list": self._list,
            "approvals.get": self._get,
            "approvals.decide": self._decide,
            "approvals.decide-all": self._decide,
            "grants.list": self._list_grants,
            "grants.revoke": self._revoke_grant,
        }

    async def _list(self, plan: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        """What waits, or on request all that there is."""
        asks = await self.approvals.asks.list(self.approvals.clock())
        if not (isinstance(plan.detail, Selection) and plan.detail.everything):
            asks = [ask for ask in asks if ask.standing is Standing.PENDING]
        return Allow(Document({"approvals": await self.views.asks(asks)}, masked=True))

    async def _get(self, plan: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        ask = await self.approvals.asks.get(plan.subject, self.approvals.clock())
        if ask is None:
            return Deny(Reason.OPERATION_UNKNOWN)
        (row,) = await self.views.asks([ask])
        return Allow(Document(row, masked=True))

    async def _decide(self, plan: Operate, by: str) -> Decision[Content]:
        """Decide on all of them or on none, and let those go on that wait."""
        ruling = plan.detail
        if not isinstance(ruling, Ruling) or not ruling.ids:
            return Deny(Reason.ARGUMENTS_INVALID)
        if await self._frozen():
            return Deny(Reason.STOPPED_BY_OPERATOR)
        now = self.approvals.clock()
        found = [await self.approvals.asks.get(ask_id, now) for ask_id in ruling.ids]
        refusal = await self._refusal(ruling, found)
        if refusal is not None:
            return Deny(refusal)
        asks = [ask for ask in found if ask is not None]
        lasting = {ask.id: now + _seconds(ask) for ask in asks}
        if not await self.approvals.asks.decide(lasting, approve=ruling.approve, by=by, now=now):
            return Deny(Reason.APPROVAL_STALE)
        granted = await self._grant(ruling, asks, by)
        self.approvals.wake()
        self.changed()
        word = "approve" if ruling.approve else "deny"
        return Allow(Document({"decided": ruling.ids, "decision": word, "grants": granted}))

    async def _frozen(self) -> bool:
        """Whether everything is stopped; raises OSError where nobody can tell."""
        if self.stops.file_stands():
            return True
        standing = await self.stops.stops.list(self.approvals.clock())
        return any(stop.kind is StopKind.ALL for stop in standing)

    async def _refusal(self, ruling: Ruling, asks: Sequence[Ask | None]) -> Reason | None:
        """Why this cannot be decided, before anything is."""
        known = [ask for ask in asks if ask is not None]
        if len(known) < len(asks):
            return Reason.OPERATION_UNKNOWN if len(asks) == 1 else Reason.APPROVAL_STALE
        if not ruling.approve:
            return None
        try:
            calls = [self.approvals.opened(ask) for ask in known]
        except ValueError:  # nobody can have seen what it is
            return Reason.APPROVAL_STALE
        if not _lasts(ruling):
            return None
        standing = await self.approvals.grants.list(self.approvals.clock())
        full = len(standing) + len(_subjects(known)) > MAX_STANDING
        homeless = ruling.session and not self.approvals.boot  # there is no session to end it
        anew = any(call.always for call in calls)
        return Reason.STANDING_GRANT_REFUSED if full or homeless or anew else None

    async def _grant(self, ruling: Ruling, asks: Iterable[Ask], by: str) -> list[str]:
        """The ids of the grants that were made beside a decision."""
        if not _lasts(ruling):
            return []
        now, made = self.approvals.clock(), []
        seconds = MAX_GRANT if ruling.seconds is None else min(ruling.seconds, MAX_GRANT)
        boot = self.approvals.boot if ruling.session else ""
        for principal, tool in _subjects(asks):
            grant_id = f"g_{secrets.token_hex(6)}"
            grant = StandingGrant(grant_id, principal, tool, by, now, now + seconds, boot)
            if await self.approvals.grants.add(grant, now):
                made.append(grant_id)
        return made

    async def _list_grants(self, _: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        grants = await self.approvals.grants.list(self.approvals.clock())
        alive = [each for each in grants if each.boot in ("", self.approvals.boot)]
        return Allow(Document({"grants": await self.views.grants(alive)}))

    async def _revoke_grant(self, plan: Operate, by: str) -> Decision[Content]:  # noqa: ARG002
        if not await self.approvals.grants.revoke(plan.subject):
            return Deny(Reason.OPERATION_UNKNOWN)
        return Allow(Document({"revoked": plan.subject}))


def _seconds(ask: Ask) -> float:
    """How long a decision lasts: for one who waits, no longer than there was to decide."""
    return DETACHED_SECONDS if ask.detached else ask.expires - ask.created


def _lasts(ruling: Ruling) -> bool:
    return ruling.session or ruling.seconds is not None


def _subjects(asks: Iterable[Ask]) -> list[tuple[str, str]]:
    """Whom and what the asks are about, each once."""
    return list(dict.fromkeys((ask.principal, ask.tool) for ask in asks))
