"""What a codec remembers of a request, for its answer."""

from dataclasses import dataclass
from enum import StrEnum

from proxy.exchange import Inbound
from proxy.jsonrpc import Id, Message, Notification, Request
from proxy.mcp import Era
from proxy.values import Json

_NOTE = "mcp"


class Kind(StrEnum):
    """What a request of HTTP carried. Only `REQUEST` is answered under an id."""

    UNREAD = "unread"
    REQUEST = "request"
    NOTIFICATION = "notification"
    RESPONSE = "response"
    VERB = "verb"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as it was read. `revision`: what it says that it speaks.

    `events`: whether it may be answered in events. `token`: by which it wants to hear of progress.
    `links`: whether its user can be shown where the operator decides.
    """

    era: Era
    revision: str = ""
    kind: Kind = Kind.UNREAD
    id: Id | None = None
    method: str = ""
    events: bool = False
    token: Id | None = None
    links: bool = False


def of_message(message: Message, era: Era, *, events: bool) -> Asked:
    """What there is to remember of a message."""
    match message:
        case Request(id=id_, method=method):
            token = _token(message)
            return Asked(era, "", Kind.REQUEST, id_, method, events, token)
        case Notification(method=method):
            return Asked(era, "", Kind.NOTIFICATION, None, method, events)
        case _:
            return Asked(era, "", Kind.RESPONSE, events=events)


def remember(inbound: Inbound, asked: Asked) -> None:
    """Keep it with the request."""
    inbound.notes[_NOTE] = asked


def recall(inbound: Inbound) -> Asked | None:
    """What was kept, None before anything was."""
    asked = inbound.notes.get(_NOTE)
    return asked if isinstance(asked, Asked) else None


def _token(request: Request) -> Id | None:
    match request.params.get("_meta"):
        case {"progressToken": str() | int() as token} if not isinstance(token, bool):
            return token
    return None


def meta(message: Message) -> Json:
    """What a message says beside its parameters, None where it says nothing."""
    return message.params.get("_meta") if isinstance(message, Request | Notification) else None
