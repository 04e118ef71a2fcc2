"""GitHub: one delivery of a webhook, its id and its kind in headers beside it.

GitHub signs neither header: the id keeps a retry from being done twice, not one who replays a body.
"""

from proxy.protocols.channels.event import OK, Event, key_of, person
from proxy.protocols.channels.post import document, inside, optional
from proxy.values import Headers


def read(data: bytes, headers: Headers, *, team_id: str | None = None) -> Event:  # noqa: ARG001
    """The event in a delivery; a ping has to be answered at once."""
    delivery = document(data, headers)
    key = key_of(optional(headers, "x-github-delivery"), data)
    if optional(headers, "x-github-event") == "ping":
        return Event(key, (), data, challenge=OK)
    sender = person(inside(delivery, "sender", "id"), inside(delivery, "sender", "login"))
    return Event(key, (sender,), data)
