"""Between a client and a server of the same era: what they say passes on, where it may.

In the legacy era the session at the server is the client's own, and so are the ids of its requests;
in the modern one every request stands for itself. The counterparts across eras are `upward` and
`downward`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.asking import answer, refusal
from proxy.isolation.mcp.hearing import Patience, heard, send, unreadable
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.turn import CAPABILITIES, Party, Turn, legacy_headers, meta_of
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import MODERN
from proxy.protocols.mcp.methods import offered
from proxy.protocols.mcp.mirrored import made
from proxy.reasons import Layer, Reason
from proxy.values import Json

_GONE = 404
_MAX_INPUTS = 16


class Relay:
    """`lowering`: how what a server says is shown."""

    def __init__(self, lowering: Lowering) -> None:
        self._lowering = lowering

    async def legacy(self, turn: Turn) -> Replies | Deny:
        """A request in the client's session, and what the client is answered."""
        party = turn.party
        if party.opened is None:
            return Deny(Reason.SESSION_UNKNOWN, "not opened at this server")
        revision, session = party.opened
        sent = Sent(turn.request, session, legacy_headers(revision), turn.before)
        replies = await send(party.server, sent, turn.seconds)
        if isinstance(replies, Deny):
            return replies
        if replies.status == _GONE and session:
            replies.release()
            return Deny(Reason.SESSION_UNKNOWN, "ended by the server")
        events = heard(replies, turn.request.id, patience := Patience(turn.seconds))
        return replace(replies, events=self.passed(party, events, patience), session="")

    async def passed(
        self, party: Party, events: AsyncIterator[Event], patience: Patience
    ) -> AsyncIterator[Event]:
        """What is said in a legacy session, less what may not be, which is answered here."""
        async for event in events:
            shown = event
            if isinstance(event.message, Request):
                shown = await self._asked(party, event, event.message, patience)
            if (down := self._lowering.event(party, shown)) is not None:
                yield down

    async def _asked(self, party: Party, event: Event, asked: Request, patience: Patience) -> Event:
        """A question that may be put to the client; otherwise only where it stood."""
        failure = await self._refused(party, asked)
        if failure is None:
            patience.ask()
            return event
        revision, session = party.opened or ("", "")
        await answer(party, asked.id, failure, session, legacy_headers(revision))
        return replace(event, message=None)

    async def _refused(self, party: Party, asked: Request) -> Failure | None:
        if asked.method == "ping":
            return None
        return await refusal(party, asked.method, asked.params)

    async def modern(self, turn: Turn) -> Replies | Deny:
        """A request that stands for itself, and what the client is answered."""
        party = turn.party
        request = replace(turn.request, params=_narrowed(party, turn.request.params))
        headers = made(request, MODERN[0], turn.schema)
        sent = Sent(request, headers=headers, before=turn.before)
        replies = await send(party.server, sent, turn.seconds)
        if isinstance(replies, Deny):
            return replies
        events = heard(replies, request.id, Patience(turn.seconds))
        return replace(replies, events=self._modern(party, events), session="")

    async def _modern(self, party: Party, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
        async for event in events:
            match event.message:
                case Request():
                    raise unreadable()  # a modern server asks by its result
                case Response(result=result) if not isinstance(result, Failure):
                    await judge_inputs(party, result)
            if (down := self._lowering.event(party, event)) is not None:
                yield down


async def judge_inputs(party: Party, result: Mapping[str, Json]) -> dict[str, Request]:
    """What a result asks for before it is one, all of which may be asked; raises Denied."""
    if result.get("resultType") != "input_required":
        return {}
    wanted = result.get("inputRequests", {})
    if not isinstance(wanted, Mapping) or len(wanted) > _MAX_INPUTS:
        raise unreadable()
    found = {key: _input(key, each) for key, each in wanted.items()}
    for each in found.values():
        if await refusal(party, each.method, each.params) is not None:
            raise Denied(Layer.ISOLATION, Reason.MCP_REFUSED)
    return found


def _input(key: str, wanted: Json) -> Request:
    match wanted:
        case {"method": str(method), **rest} if rest.keys() <= {"params"}:
            params = rest.get("params", {})
            if isinstance(params, Mapping):
                return Request(key, method, params)
    raise unreadable()


def _narrowed(party: Party, params: Mapping[str, Json]) -> Mapping[str, Json]:
    """The parameters, with what the client can only as far as the server may use it."""
    meta = meta_of(params)
    able = meta.get(CAPABILITIES)
    kept = offered(able if isinstance(able, Mapping) else {}, party.allow)
    return {**params, "_meta": {**meta, CAPABILITIES: kept}}
