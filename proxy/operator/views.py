"""What the operator is shown of calls, grants and stops: exactly what will run, and no secret.

Texts of callers are made visible, so that nothing in them is hidden from who decides on them.
"""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from proxy.authorization.approvals import Approvals
from proxy.isolation.answers import refusal_of
from proxy.operator.names import Names
from proxy.protocols.strict_json import dumps
from proxy.protocols.visible import MAX_SHOWN, Find, shown, visible
from proxy.reasons import Reason
from proxy.state.approvals import Ask, Standing, StandingGrant, Stop
from proxy.values import Json

_MAX_LIST = 4 << 20
"""Bytes of all calls of one list, roughly. Each has its share, and what smaller ones leave."""
_UNREADABLE: Mapping[str, Json] = {"arguments_sha256": None, "shown": None, "masked": 0}


@dataclass(frozen=True)
class Views:
    """Rows for lists. `find` tells where secrets are, before anything is cut or written."""

    approvals: Approvals
    find: Find
    names: Names

    async def asks(self, asks: Sequence[Ask]) -> list[Json]:
        """Calls as they are listed."""
        if not asks:
            return []
        # In a thread: there may be megabytes to unseal and to search.
        return await asyncio.to_thread(self._asks, asks, await self.names.labels())

    async def grants(self, grants: Iterable[StandingGrant]) -> list[Json]:
        """Grants as they are listed."""
        return grant_rows(grants, await self.names.labels())

    def standing(self, ask: Ask) -> str:
        """How far it has come; `expired` is what nobody decided while there was time to."""
        refused = ask.standing is Standing.REFUSED
        if refused and refusal_of(self.approvals.seal, ask) is Reason.APPROVAL_TIMED_OUT:
            return "expired"
        return str(ask.standing.value)

    def _asks(self, asks: Sequence[Ask], labels: Mapping[str, str]) -> list[Json]:
        """The smallest first, so that nobody's large calls leave nothing for another's."""
        rows: dict[int, Json] = {}
        left = _MAX_LIST
        for at in sorted(range(len(asks)), key=lambda at: len(asks[at].content)):
            share = left // (len(asks) - len(rows))
            rows[at] = self._ask(asks[at], labels, min(MAX_SHOWN, share))
            left = max(0, left - len(dumps(rows[at])))
        return [rows[at] for at in range(len(asks))]

    def _ask(self, ask: Ask, labels: Mapping[str, str], most: int) -> Json:
        row: dict[str, Json] = {
            "id": ask.id,
            "principal": visible(ask.principal),
            "label": labels.get(ask.principal, ""),
            "tool": visible(ask.tool),
            "created": ask.created,
            "expires": ask.expires,
            "standing": self.standing(ask),
            "detached": ask.detached,
            "decided_by": ask.decided_by,
        }
        try:
            call = self.approvals.opened(ask)
        except ValueError:
            return {**row, "always": True, "note": "", **_UNREADABLE}
        seen = shown(call.arguments, self.find, most)
        return {
            **row,
            "always": call.always,
            "note": visible(call.note),
            "arguments_sha256": hashlib.sha256(dumps(call.arguments)).hexdigest(),
            "shown": seen.value,
            "masked": seen.masked,
        }


def grant_rows(grants: Iterable[StandingGrant], labels: Mapping[str, str]) -> list[Json]:
    """Grants as they are listed. `labels`: those of tokens, by their ids."""
    return [
        {
            "id": each.id,
            "principal": visible(each.principal),
            "label": labels.get(each.principal, ""),
            "tool": visible(each.tool),
            "granted_by": each.granted_by,
            "created": each.created,
            "expires": each.expires,
            "session": bool(each.boot),
        }
        for each in grants
    ]


def stop_rows(stops: Iterable[Stop]) -> list[Json]:
    """Stops as they are listed."""
    return [
        {
            "id": each.id,
            "kind": each.kind.value,
            "target": visible(each.target),
            "why": visible(each.why),
            "stopped_by": each.stopped_by,
            "since": each.since,
            "expires": each.expires,
        }
        for each in stops
    ]
