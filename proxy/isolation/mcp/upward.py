"""From a modern client to a legacy server: one request that stands for itself, in a session.

The session is Sidegate's own, for this owner alone. What the server asks on the way becomes a
result that asks for it, and the server's stream waits until the client comes back with the answer.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from proxy.decision import Deny
from proxy.isolation.mcp.asking import REJECTED, ask, refusal
from proxy.isolation.mcp.bound import RETRIED, fingerprint
from proxy.isolation.mcp.conversation import Conversation
from proxy.isolation.mcp.errands import Errands
from proxy.isolation.mcp.hearing import send
from proxy.isolation.mcp.link import Event, Replies, Sent
from proxy.isolation.mcp.lowering import Lowering
from proxy.isolation.mcp.parked import SECONDS, Parked
from proxy.isolation.mcp.turn import LEVELS, LOG_LEVEL, RESERVED, Turn, legacy_headers, meta_of
from proxy.isolation.mcp.upstreams import OwnSession
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Group
from proxy.protocols.mcp.sealed import States
from proxy.reasons import Reason
from proxy.values import Json

_PURPOSE = "parked"
_GONE = 404
_CACHEABLE = frozenset(
    {
        *("tools/list", "prompts/list", "resources/list", "resources/templates/list"),
        "resources/read",
    }
)


@dataclass
class _Visit:
    """A request of the client's about a conversation, which it may leave open to come back."""

    turn: Turn
    talk: Conversation
    parked: bool = False

    def end(self) -> None:
        if not self.parked:
            self.talk.leave()


class Upward:
    """`states`: seals what clients are handed to come back with."""

    def __init__(self, lowering: Lowering, states: States, errands: Errands) -> None:
        self._lowering = lowering
        self._states = states
        self._errands = errands
        self._parked = Parked[Conversation]()
        self._levels: WeakKeyDictionary[OwnSession, str] = WeakKeyDictionary()

    async def asked(self, turn: Turn) -> Replies | Deny:
        """A request, or the answers to what came of it, and what the client is answered."""
        if "requestState" in turn.request.params:
            talk = await self._resumed(turn)
        else:
            talk = await self._begun(turn)
        if isinstance(talk, Deny):
            return talk
        visit = _Visit(turn, talk)
        return Replies(200, self._shown(visit), release=visit.end)

    def close(self) -> None:
        """Nobody comes back any more."""
        self._parked.close()

    async def _begun(self, turn: Turn) -> Conversation | Deny:
        """The request in a session, in a new one where the server has forgotten that."""
        for _ in range(2):
            session = await turn.party.server.session(turn.party.owner, turn.party.client)
            if isinstance(session, Deny):
                return session
            await self._set_level(turn, session)
            talk = await self._sent(turn, session)
            if talk is not None:
                return talk
            turn.party.server.forget(session)
        return Deny(Reason.MCP_UNREADABLE, "knows no session that it has opened")

    async def _sent(self, turn: Turn, session: OwnSession) -> Conversation | Deny | None:
        """None where the server does not know the session."""
        opened = session.opened
        request = _lowered(turn.request, session.next_id())
        talk = Conversation(turn.party, session, request.id, session.held(), self._errands)
        sent = Sent(request, opened.session, legacy_headers(opened.revision), turn.before)
        try:
            replies = await send(turn.party.server, sent, turn.seconds)
        except BaseException:
            talk.leave()
            raise
        if isinstance(replies, Deny):
            talk.leave()
            return replies
        if replies.status == _GONE and opened.session:
            talk.end()
            replies.release()
            return None
        talk.begin(replies, turn.seconds)
        return talk

    async def _set_level(self, turn: Turn, session: OwnSession) -> None:
        """Let the server log as much as this request wants to hear."""
        level = meta_of(turn.request.params).get(LOG_LEVEL)
        party = turn.party
        if Group.LOGGING not in party.allow or level not in LEVELS:
            return
        assert isinstance(level, str)
        if self._levels.get(session) != level:
            self._levels[session] = level
            said = Request(session.next_id(), "logging/setLevel", {"level": level})
            await ask(party, said, session.opened.session, legacy_headers(session.opened.revision))

    async def _resumed(self, turn: Turn) -> Conversation | Deny:
        """What waits for these answers, if these are the answers to it, and of the same call."""
        params = turn.request.params
        text, answers = params.get("requestState"), params.get("inputResponses")
        state = self._states.read(_PURPOSE, text, SECONDS) if isinstance(text, str) else None
        key = (state or {}).get("key")
        if not isinstance(key, str) or not isinstance(answers, Mapping):
            return Deny(Reason.PARAMETERS_INVALID, "no state that is known")
        talk = self._parked.take(turn.party.owner, fingerprint(turn), key)
        if talk is None or talk.asked is None:
            return Deny(Reason.PARAMETERS_INVALID, "nothing waits for this")
        talk.again()
        if not isinstance(given := answers.get(key), Mapping):
            return talk  # it is asked once more
        asked, talk.asked = talk.asked, None
        try:
            await talk.answer(asked.id, given)
        except BaseException:
            talk.leave()
            raise
        return talk

    async def _shown(self, visit: _Visit) -> AsyncIterator[Event]:
        turn, talk = visit.turn, visit.talk
        asked, talk.asked = talk.asked, None
        if asked is not None and (question := await self._asked(visit, asked)) is not None:
            yield Event(question)
            return
        while (event := await talk.next()) is not None:
            match event.message:
                case Response() as response:
                    yield Event(self._response(turn, response))
                case Notification() as said if (shown := self._said(turn, talk, said)) is not None:
                    yield Event(shown)
                case Request() as asked if question := await self._asked(visit, asked):
                    yield Event(question)
                    return

    def _response(self, turn: Turn, response: Response) -> Response:
        shown = self._lowering.response(turn.party, response)
        if isinstance(shown.result, Failure):
            return Response(turn.request.id, shown.result)
        return Response(turn.request.id, modernised(turn.request.method, shown.result))

    def _said(self, turn: Turn, talk: Conversation, said: Notification) -> Notification | None:
        """Of notifications, those that belong to a request: how it goes on, and its log."""
        shown = self._lowering.notification(turn.party, said)
        meta = meta_of(turn.request.params)
        if shown is None or shown.method == "notifications/message":
            return shown if LOG_LEVEL in meta else None
        token = meta.get("progressToken")
        known = shown.params.get("progressToken") == talk.id and token is not None
        if shown.method != "notifications/progress" or not known:
            return None
        return replace(shown, params={**shown.params, "progressToken": token})

    async def _asked(self, visit: _Visit, asked: Request) -> Response | None:
        """A question to the client, as a result; None where it was answered here."""
        turn, talk = visit.turn, visit.talk
        failure: Failure | None = None
        if asked.method != "ping":
            failure = await refusal(turn.party, asked.method, asked.params)
            if failure is None and self._parked.room(turn.party.owner):
                return self._question(visit, asked)
            failure = failure or Failure(REJECTED, "Too many questions are open")
        await talk.answer(asked.id, failure or {})
        return None

    def _question(self, visit: _Visit, asked: Request) -> Response:
        turn, visit.parked, visit.talk.asked = visit.turn, True, asked
        key = self._parked.put(turn.party.owner, fingerprint(turn), visit.talk)
        params = self._lowering.params(turn.party, asked.params)
        result: dict[str, Json] = {
            "resultType": "input_required",
            "inputRequests": {key: {"method": asked.method, "params": params}},
            "requestState": self._states.issue(_PURPOSE, {"key": key}),
        }
        return Response(turn.request.id, result)


def modernised(method: str, result: Mapping[str, Json]) -> Mapping[str, Json]:
    """A result as the modern era has it, to be kept by nobody."""
    cached: dict[str, Json] = {"ttlMs": 0, "cacheScope": "private"} if method in _CACHEABLE else {}
    return {**result, **cached, "resultType": "complete"}


def _lowered(request: Request, id_: int) -> Request:
    """The request in a session: its id is its token of progress, and no session needs the rest."""
    meta = {
        name: value
        for name, value in meta_of(request.params).items()
        if not name.startswith(RESERVED)
    }
    if "progressToken" in meta:
        meta["progressToken"] = id_
    left_out = ("_meta", *RETRIED)
    params = {name: value for name, value in request.params.items() if name not in left_out}
    return Request(id_, request.method, {**params, "_meta": meta} if meta else params)
