"""`/mcp`: Streamable HTTP of both eras, from the wire to actions and back."""

import re
from dataclasses import dataclass, replace

from proxy.actions import Action, Operate, ToolCall
from proxy.decision import Denied, Malformed
from proxy.duplex import Socket
from proxy.exchange import Answer, Clean, Document, Inbound
from proxy.holding import Held
from proxy.jsonrpc import Message
from proxy.mcp import Client, Era, Rpc, Verb
from proxy.protocols.events import FIELDS, kept_alive
from proxy.protocols.mcp import calls, holding, reading
from proxy.protocols.mcp.answering import refusal, response
from proxy.protocols.mcp.asked import Asked, Kind, recall, remember
from proxy.protocols.mcp.messages import read
from proxy.protocols.mcp.names import Names, untagged
from proxy.protocols.mcp.sealed import Sessions
from proxy.protocols.mcp.waiting import Waiting
from proxy.protocols.problem import problem
from proxy.protocols.rest import RestCodec
from proxy.reasons import Reason
from proxy.values import Headers

METADATA = "/.well-known/oauth-protected-resource"
"""Where it is said which credentials are taken (RFC 9728)."""
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}", re.ASCII)
_LAST_EVENT = "Last-Event-ID"


@dataclass(frozen=True)
class McpCodec:
    """`POST`, `GET` and `DELETE /mcp`. `waiting`: how links to the operator are shown."""

    names: Names
    sessions: Sessions
    waiting: Waiting | None = None

    async def parse(self, inbound: Inbound) -> Action:
        """What is said, as a tool call or as talk; raises Malformed."""
        era = reading.era_of(inbound.headers, None)
        if inbound.method != "POST":
            return self._verb(inbound, era)
        remember(inbound, Asked(era))
        message = read(await reading.json_of(inbound))
        client = reading.client_of(inbound, message, self.sessions)
        if self.waiting is None or not self.waiting.shows(message, client):
            return calls.action(self.names, message, client)
        return self._shown(inbound, message, client, self.waiting)

    def render(self, inbound: Inbound, clean: Clean) -> Answer:
        """The answer under the id of its request."""
        content, asked = clean.content, recall(inbound) or Asked(Era.LEGACY)
        if isinstance(content, Document):
            return response(asked, content)
        assert not isinstance(content, Socket)
        own = {name.lower() for name, _ in FIELDS}
        kept = (field for field in content.headers if field[0].lower() not in own)
        return Answer(content.status, Headers((*FIELDS, *kept)), kept_alive(content.frames))

    def refuse(self, inbound: Inbound, denied: Denied) -> Answer:
        """A refusal as its client can read it: in MCP, once it is known who asks."""
        asked = recall(inbound)
        if asked is None:
            return _unknown(inbound, denied)
        result = self.waiting.result(asked, denied) if self.waiting is not None else None
        if result is not None:
            return response(asked, Document({"result": result}, rpc=True))
        return refusal(asked, denied, inbound.request_id)

    def held(self, inbound: Inbound) -> Held | None:
        """How a client is kept waiting for the answer to a request, if it takes events."""
        asked = recall(inbound)
        if asked is None or asked.kind is not Kind.REQUEST or not asked.events:
            return None
        return holding.held(asked.token)

    def _shown(
        self, inbound: Inbound, message: Message, client: Client, waiting: Waiting
    ) -> ToolCall | Rpc:
        """What a client wants that is told where to go, should it have to wait."""
        asked = recall(inbound)
        assert asked is not None
        remember(inbound, replace(asked, links=True))
        action = calls.action(self.names, waiting.returning(message), client)
        return waiting.patient(action, message) if isinstance(action, ToolCall) else action

    def _verb(self, inbound: Inbound, era: Era) -> Rpc:
        """The wish to listen, or to end a session."""
        asked = Asked(era, kind=Kind.VERB, events=inbound.method == "GET")
        remember(inbound, asked)
        if era is Era.MODERN:
            raise Malformed(Reason.VERB_UNSUPPORTED)
        client = reading.in_session(inbound, asked, self.sessions)
        if inbound.method == "DELETE":
            return Rpc(Verb.END, client)
        server, resume = self._last_event(inbound.headers.all(_LAST_EVENT))
        return Rpc(Verb.LISTEN, client, server, resume)

    def _last_event(self, given: list[str]) -> tuple[str, str | None]:
        """The server and its own name of the event that was the last to be seen."""
        if given in ([], [""]):
            return "", None
        match untagged(given[0]) if len(given) == 1 else None:
            case (server, str(event)) if server in self.names.servers:
                return server, event
        raise Malformed(Reason.HEADER_MISMATCH, _LAST_EVENT)


class ResourceCodec(RestCodec):
    """`GET /.well-known/oauth-protected-resource`."""

    async def parse(self, inbound: Inbound) -> Action:  # noqa: ARG002
        """The wish for it."""
        return Operate("resource-metadata")


def _unknown(inbound: Inbound, denied: Denied) -> Answer:
    """The answer to who is not let in: where it is said how one is (RFC 9728 section 5.1)."""
    answer = problem(denied, inbound.request_id)
    host = inbound.headers.get("host") or ""
    if not _HOST.fullmatch(host):
        return answer
    metadata = f', resource_metadata="http://{host}{METADATA}"'
    fields = (
        (name, value + metadata if name == "WWW-Authenticate" else value)
        for name, value in answer.headers
    )
    return Answer(answer.status, Headers(tuple(fields)), answer.body)
