"""The state that a modern server gives its client to bring back: for that client and call alone.

All principals are one to a server, which could not tell whose state it gets. So the client holds it
sealed, and it goes up again only from the same owner, for the same server, method and parameters.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from proxy.isolation.mcp.hearing import unreadable
from proxy.isolation.mcp.link import Event
from proxy.isolation.mcp.turn import Turn
from proxy.jsonrpc import Failure, Response
from proxy.protocols.mcp.sealed import MAX_STATE, States
from proxy.values import Json

SECONDS = 3600.0
"""How long a client may take to come back."""
STATE = "requestState"
RETRIED = ("inputResponses", STATE)
"""What a request has more than the one that it repeats."""
_PURPOSE = "state of a modern server"


def fingerprint(turn: Turn) -> str:
    """What makes a request the same as the one that it repeats."""
    params = turn.request.params
    asked = {name: each for name, each in params.items() if name not in (*RETRIED, "_meta")}
    party = turn.party
    said = json.dumps([party.owner, party.server.name, turn.request.method, asked], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


class Bound:
    """Seals such states."""

    def __init__(self, states: States) -> None:
        self._states = states

    async def passed(self, turn: Turn, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        """What is answered, with its state as the client gets it; raises Denied."""
        async for event in events:
            message = event.message
            match message:
                case Response(result=result) if not isinstance(result, Failure):
                    message = Response(message.id, self._lowered(turn, result))
            yield replace(event, message=message)

    def _lowered(self, turn: Turn, result: Mapping[str, Json]) -> Mapping[str, Json]:
        if STATE not in result:
            return result
        state = result[STATE]
        if not isinstance(state, str):
            raise unreadable()
        sealed = self._states.issue(_PURPOSE, {"for": fingerprint(turn), "state": state})
        if len(sealed) > MAX_STATE:
            raise unreadable()
        return {**result, STATE: sealed}

    def raised(self, turn: Turn, params: Mapping[str, Json]) -> Mapping[str, Json] | None:
        """Parameters with the state as its server knows it; None where it is not this call's."""
        if STATE not in params:
            return params
        text = params[STATE]
        found = self._states.read(_PURPOSE, text, SECONDS) if isinstance(text, str) else None
        if found is None or found.get("for") != fingerprint(turn):
            return None
        return {**params, STATE: found["state"]}
