"""What servers say, in the words of the client, less what it may not hear."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from proxy.isolation.mcp.link import Event
from proxy.isolation.mcp.lists import Learner, rewritten
from proxy.isolation.mcp.turn import Party
from proxy.jsonrpc import Failure, Notification, Request, Response
from proxy.mcp import Group
from proxy.protocols.mcp.methods import SAID_DOWN
from proxy.protocols.mcp.names import Names, tagged
from proxy.values import Json

_RELATED = "io.modelcontextprotocol/related-task"
_TASK = "taskId"


class Known(Learner, Protocol):
    """What is known of the tools of servers."""

    def stale(self, server: str) -> None:
        """The server says that its tools have changed."""
        ...


class Lowering:
    """For all servers. `names`: what clients call their things."""

    def __init__(self, names: Names, known: Known) -> None:
        self._names = names
        self._known = known

    def event(self, party: Party, event: Event) -> Event | None:
        """The event as the client may see it; None where nothing of it is left."""
        id_ = None if event.id is None else tagged(party.server.name, event.id)
        message = event.message
        match message:
            case Notification():
                message = self.notification(party, message)
            case Response():
                message = self.response(party, message)
            case Request():
                shown = self.params(party, message.params)
                message = Request(tagged(party.server.name, message.id), message.method, shown)
        if message is None and id_ is None and event.retry is None:
            return None
        return Event(message, id_, event.retry)

    def response(self, party: Party, response: Response) -> Response:
        """An answer, with what it names as the client names it."""
        if isinstance(response.result, Failure):
            return response
        return Response(response.id, self.params(party, response.result))

    def notification(self, party: Party, said: Notification) -> Notification | None:
        """A notification, None for one of no allowed group."""
        if said.method == "notifications/tools/list_changed":
            self._known.stale(party.server.name)
        group = SAID_DOWN.get(said.method)
        if said.method not in SAID_DOWN or (group is not None and group not in party.allow):
            return None
        return Notification(said.method, self.params(party, said.params))

    def params(self, party: Party, params: Mapping[str, Json]) -> Mapping[str, Json]:
        """Whatever a message holds, with what it names as the client names it."""
        shown = rewritten(params, self._names, party.server.name)
        return _tasks(shown, party.server.name) if Group.TASKS in party.allow else shown


def _tasks(params: Mapping[str, Json], server: str) -> Mapping[str, Json]:
    """The same with the ids of tasks as clients bring them back."""
    return {name: _task(name, value, server) for name, value in params.items()}


def _task(name: str, value: Json, server: str) -> Json:
    if name == _TASK and isinstance(value, str):
        return tagged(server, value)
    if name in ("task", "_meta", _RELATED) and isinstance(value, Mapping):
        return _tasks(value, server)
    if name == "tasks" and isinstance(value, Sequence) and not isinstance(value, str):
        return [_tasks(each, server) if isinstance(each, Mapping) else each for each in value]
    return value
