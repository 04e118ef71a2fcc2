"""What clients of sessions tell servers: notifications, and answers to what they were asked."""

import asyncio
from collections.abc import Sequence
from typing import TypeGuard

from proxy.isolation.mcp.asking import tell
from proxy.isolation.mcp.carrier import Carrier
from proxy.isolation.mcp.turn import Party, legacy_headers
from proxy.jsonrpc import Id, Notification, Response
from proxy.mcp import McpTalk, Session
from proxy.protocols.mcp.methods import SAID_UP
from proxy.values import Json

_TO_ALL = frozenset(
    {
        *("notifications/initialized", "notifications/cancelled"),
        "notifications/roots/list_changed",
    }
)
"""What may be said to several servers at once; anything else is for one."""


class Saying:
    """`carrier`: knows who waits for what."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier

    async def say(
        self, talk: McpTalk, message: Notification | Response, parties: Sequence[Party]
    ) -> None:
        """Pass it on to those whom it is for. Modern clients have nothing to say."""
        session = talk.said.client.session
        if session is None:
            return
        if isinstance(message, Response):
            await self._answer(talk.said.server, session, message, parties)
        else:
            await self._notify(session, message, parties)

    async def _answer(
        self, server: str, session: Session, message: Response, parties: Sequence[Party]
    ) -> None:
        if server and not self._carrier.questions.answer(session.id, server, message):
            await asyncio.gather(*(_passed(each, message) for each in parties))

    async def _notify(self, session: Session, said: Notification, parties: Sequence[Party]) -> None:
        cancelled = said.params.get("requestId")
        if said.method == "notifications/cancelled" and _is_id(cancelled):
            self._carrier.running.cancel((session.id, cancelled))
        if said.method not in SAID_UP or not (said.method in _TO_ALL or len(parties) == 1):
            return
        group = SAID_UP[said.method]
        heard = [each for each in parties if group is None or group in each.allow]
        await asyncio.gather(*(_passed(each, said) for each in heard))


def _is_id(value: Json) -> TypeGuard[Id]:
    return isinstance(value, str | int) and not isinstance(value, bool)


async def _passed(party: Party, message: Notification | Response) -> None:
    if party.opened is not None:
        revision, session = party.opened
        await tell(party, message, session, legacy_headers(revision))
