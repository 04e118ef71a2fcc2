"""From a legacy client to a modern server: a request of a session, as one that stands for itself.

Where the server's result asks for more, the client is asked as servers of its era ask, and the
request is made again with its answers. The counterpart is `upward`.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.hearing import HUMAN_SECONDS, Patience, heard, late, send, unreadable
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.questions import Questions
from proxy.isolation.mcp.relay import judge_inputs
from proxy.isolation.mcp.turn import LOG_LEVEL, RESERVED, Turn, meta_of, modern_meta
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import MODERN
from proxy.protocols.mcp.methods import offered
from proxy.protocols.mcp.mirrored import made
from proxy.protocols.mcp.names import tagged
from proxy.reasons import Layer, Reason
from proxy.values import Json

_MAX_ROUNDS = 16
_BUSY_SECONDS = 0.5
_MODERN_ONLY = frozenset({"resultType", "ttlMs", "cacheScope"})


@dataclass
class _Round:
    """A request as it is made again and again, until its result is one."""

    turn: Turn
    patience: Patience
    replies: Replies | None = None
    more: dict[str, Json] = field(default_factory=dict)
    """The answers to what the last result asked for, and the state to bring back."""
    result: Mapping[str, Json] = field(default_factory=dict)
    """The last result that asks for more."""

    def release(self) -> None:
        if self.replies is not None:
            self.replies.release()


class Downward:
    """`questions`: where the answers of clients arrive."""

    def __init__(self, lowering: Lowering, questions: Questions) -> None:
        self._lowering = lowering
        self._questions = questions

    async def asked(self, turn: Turn, level: str | None = None) -> Replies | Deny:
        """A request, and what the client is answered. `level`: what it wants to hear of logs."""
        params = turn.request.params
        turn = replace(turn, request=replace(turn.request, params=_raised(turn, params, level)))
        at = _Round(turn, Patience(turn.seconds))
        denied = await self._send(at, turn)
        if denied is not None:
            return denied
        assert at.replies is not None
        return replace(at.replies, events=self._shown(at), streamed=False, release=at.release)

    async def _send(self, at: _Round, turn: Turn) -> Deny | None:
        request = replace(turn.request, params={**turn.request.params, **at.more})
        headers = made(request, MODERN[0], turn.schema)
        sent = Sent(request, headers=headers, before=turn.before)
        replies = await send(turn.party.server, sent, turn.seconds)
        if isinstance(replies, Deny):
            return replies
        at.replies = replies
        return None

    async def _shown(self, at: _Round) -> AsyncIterator[Event]:
        for number in range(_MAX_ROUNDS):
            if number:
                await self._again(at)
            at.result = {}
            async for event in self._heard(at):
                yield event
            if not at.result:
                return
            async for event in self._asked(at, number):
                yield event
        raise unreadable()

    async def _again(self, at: _Round) -> None:
        """Make the request once more, with all that was wanted."""
        at.release()
        denied = await self._send(at, replace(at.turn, before=None))
        if denied is not None:
            raise Denied(Layer.ISOLATION, denied.reason, denied.facts)
        at.patience.renew()

    async def _heard(self, at: _Round) -> AsyncIterator[Event]:
        """What the server says, but for a result that is none yet, which is kept."""
        assert at.replies is not None
        party = at.turn.party
        async for event in heard(at.replies, at.turn.request.id, at.patience):
            message = event.message
            match message:
                case Request():
                    raise unreadable()
                case Response(result=result) if not isinstance(result, Failure):
                    if result.get("resultType") == "input_required":
                        at.result = result
                        continue
                    message = Response(message.id, legacy_result(result))
            # The place in a modern stream is none that a client could come back to.
            down = self._lowering.event(party, Event(message))
            if down is not None:
                yield down

    async def _asked(self, at: _Round, number: int) -> AsyncIterator[Event]:
        """Ask the client all that is wanted, and wait for its answers."""
        party = at.turn.party
        wanted = await judge_inputs(party, at.result)
        state = at.result.get("requestState")
        at.more = {"requestState": state} if state is not None else {}
        if not wanted:
            await asyncio.sleep(_BUSY_SECONDS * number)
            return
        session = party.client.session.id if party.client.session else ""
        if not party.client.events or not self._questions.room(session, len(wanted)):
            raise Denied(Layer.ISOLATION, Reason.MCP_REFUSED)
        server = party.server.name
        ids = {key: f"ask-{secrets.token_hex(8)}" for key in wanted}
        answers = {key: self._questions.put(session, server, ids[key]) for key in wanted}
        try:
            for key, each in wanted.items():
                params = self._lowering.params(party, each.params)
                yield Event(Request(tagged(server, ids[key]), each.method, params))
            at.more["inputResponses"] = await _answered(answers, wanted)
        finally:
            for id_ in ids.values():
                self._questions.drop(session, server, id_)


async def _answered(
    answers: Mapping[str, asyncio.Future[Response]], wanted: Mapping[str, Request]
) -> dict[str, Json]:
    try:
        async with asyncio.timeout(HUMAN_SECONDS):
            return {key: _input(await answer, wanted[key]) for key, answer in answers.items()}
    except TimeoutError:
        raise late() from None


def _input(response: Response, asked: Request) -> Mapping[str, Json]:
    """An answer as the modern era has it, which knows no errors here but a person's no."""
    if not isinstance(response.result, Failure):
        return response.result
    if asked.method == "elicitation/create":
        return {"action": "cancel"}
    raise Denied(Layer.ISOLATION, Reason.MCP_REFUSED)


def legacy_result(result: Mapping[str, Json]) -> Mapping[str, Json]:
    """A result less what the modern era adds to it."""
    return {name: value for name, value in result.items() if name not in _MODERN_ONLY}


def _raised(turn: Turn, params: Mapping[str, Json], level: str | None) -> dict[str, Json]:
    """The parameters, with who asks and what they can, as far as the server may use it."""
    party = turn.party
    kept = {name: value for name, value in meta_of(params).items() if not name.startswith(RESERVED)}
    meta = modern_meta(kept, party.info, offered(party.capabilities, party.allow))
    return {**params, "_meta": {**meta, LOG_LEVEL: level} if level is not None else meta}
