"""Carries a turn to its server and back, whatever eras the two speak."""

from collections.abc import Mapping
from dataclasses import replace

from proxy.decision import Deny
from proxy.isolation.mcp.asking import METHOD_NOT_FOUND
from proxy.isolation.mcp.bound import Bound
from proxy.isolation.mcp.downward import Downward
from proxy.isolation.mcp.ended import Ended
from proxy.isolation.mcp.errands import Errands
from proxy.isolation.mcp.link import Event, Replies, only
from proxy.isolation.mcp.lowering import Known, Lowering
from proxy.isolation.mcp.questions import Questions
from proxy.isolation.mcp.relay import Relay
from proxy.isolation.mcp.running import Running
from proxy.isolation.mcp.turn import Turn
from proxy.isolation.mcp.upward import Upward
from proxy.isolation.mcp.watching import Watches
from proxy.jsonrpc import Failure, Id, Response
from proxy.mcp import Era
from proxy.protocols.mcp.methods import METHODS
from proxy.protocols.mcp.names import Names
from proxy.protocols.mcp.sealed import States
from proxy.reasons import Reason
from proxy.values import Json

_NOT_FOUND = Failure(METHOD_NOT_FOUND, "Method not found")
_INVALID = Failure(-32602, "Invalid params")
_NO_STATE = Failure(-32602, "Invalid requestState: it is none that this call was given")
_FULL = Failure(-32603, "Too many subscriptions")


class Carrier:
    """And what is remembered between turns: sessions that ended, and what clients were asked."""

    def __init__(self, names: Names, states: States, known: Known) -> None:
        self.errands = Errands()
        self.questions = Questions()
        self.running = Running()
        self.watches = Watches()
        self.ended = Ended()
        self.lowering = Lowering(names, known)
        self.relay = Relay(self.lowering)
        self._upward = Upward(self.lowering, states, self.errands)
        self._downward = Downward(self.lowering, self.questions)
        self._bound = Bound(states)

    async def carry(self, turn: Turn) -> Replies | Deny:
        """Make the request; what the client is answered, in its own words."""
        party = turn.party
        if party.opened is not None:
            return await self.relay.legacy(turn)
        era = await party.server.era()
        if isinstance(era, Deny):
            return era
        if party.client.era is Era.LEGACY:
            # A server that was not there when the session was opened is found by opening another.
            legacy = era is Era.LEGACY
            return Deny(Reason.SESSION_UNKNOWN) if legacy else await self._down(turn)
        if era is Era.MODERN:
            return await self._modern(turn)
        method = METHODS.get(turn.request.method)
        known = method is not None and Era.LEGACY in method.eras
        return await self._upward.asked(turn) if known else said(turn.request.id, _NOT_FOUND)

    async def _modern(self, turn: Turn) -> Replies | Deny:
        """A modern request to a modern server, with the state that this call was given, if any."""
        params = self._bound.raised(turn, turn.request.params)
        if params is None:
            return said(turn.request.id, _NO_STATE)
        asked = replace(turn, request=replace(turn.request, params=params))
        replies = await self.relay.modern(asked)
        if isinstance(replies, Deny):
            return replies
        return replace(replies, events=self._bound.passed(turn, replies.events))

    async def aclose(self) -> None:
        """Give up all that waits."""
        self._upward.close()
        await self.errands.aclose()

    async def _down(self, turn: Turn) -> Replies | Deny:
        """A legacy request to a modern server, which does not know all of them."""
        session = turn.party.client.session
        key = (session.id if session is not None else "", turn.request.id)
        if turn.request.method in ("resources/subscribe", "resources/unsubscribe"):
            return said(turn.request.id, self._watch(turn, key[0]))
        method = METHODS.get(turn.request.method)
        if method is None or Era.MODERN not in method.eras:
            return said(turn.request.id, _NOT_FOUND)
        replies = await self._downward.asked(turn, self.watches.level(key[0]))
        if isinstance(replies, Deny):
            return replies
        return replace(replies, release=self.running.begin(key, replies.release))

    def _watch(self, turn: Turn, session: str) -> Mapping[str, Json] | Failure:
        """Resources are watched by the stream on which this client listens."""
        uri = turn.request.params.get("uri")
        if not isinstance(uri, str):
            return _INVALID
        watched = self.watches.of(session)
        if turn.request.method == "resources/unsubscribe":
            watched.unsubscribe(turn.party.server.name, uri)
            return {}
        return {} if watched.subscribe(turn.party.server.name, uri) else _FULL


def said(id_: Id, result: Mapping[str, Json] | Failure) -> Replies:
    """What Sidegate answers itself."""
    return Replies(200, only(Event(Response(id_, result))))
