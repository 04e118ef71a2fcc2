"""Modern clients that can show their user a link, while a call waits for the operator.

Such a client is not kept waiting: it is told at once where the operator decides, and comes back
with the call when its user has been there. The counterpart is `elsewhere`, which words it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from proxy.actions import ToolCall
from proxy.decision import Denied
from proxy.jsonrpc import Message, Request
from proxy.mcp import Client
from proxy.protocols.mcp.asked import Asked
from proxy.protocols.mcp.calls import PATIENCE
from proxy.protocols.mcp.elsewhere import approval_of, elsewhere, takes_links
from proxy.protocols.mcp.sealed import States
from proxy.reasons import Reason
from proxy.values import Json

AT_ONCE = 1.0
"""Seconds in which an operator who is watching may decide before anybody is sent to look."""
_METHODS = frozenset({"tools/call", "prompts/get", "resources/read"})
_STATE, _RESPONSES = "requestState", "inputResponses"


@dataclass(frozen=True, slots=True)
class Waiting:
    """`url`: where the operator decides, "" where nowhere that a link could lead to."""

    states: States
    url: Callable[[], str]

    def returning(self, message: Message) -> Message:
        """A message without the state that was given it here: no server is to see that."""
        if not isinstance(message, Request) or not self._is_ours(message):
            return message
        ours = {_STATE, _RESPONSES}
        params = {name: value for name, value in message.params.items() if name not in ours}
        return replace(message, params=params)

    def shows(self, message: Message, client: Client) -> bool:
        """Whether the client of a request is told where to go, should it have to wait.

        One that brings the state of a server keeps that: there is room for one.
        """
        asks = isinstance(message, Request) and message.method in _METHODS
        held = isinstance(message, Request) and _STATE in message.params
        ours = isinstance(message, Request) and self._is_ours(message)
        return asks and takes_links(client) and (ours or not held) and bool(self.url())

    def patient(self, call: ToolCall, message: Message) -> ToolCall:
        """The call of a client that is shown where to go: who has been there waits a little."""
        back = isinstance(message, Request) and self._is_ours(message)
        return replace(call, patience=PATIENCE if back else AT_ONCE)

    def result(self, asked: Asked, denied: Denied) -> Mapping[str, Json] | None:
        """The result of a call that waits, None where it is refused like any other."""
        approval, url = denied.facts.get("approval"), self.url()
        if not asked.links or denied.reason is not Reason.APPROVAL_PENDING or not approval:
            return None
        return elsewhere(approval, url, self.states) if url else None

    def _is_ours(self, request: Request) -> bool:
        return approval_of(request.params.get(_STATE), self.states) is not None
