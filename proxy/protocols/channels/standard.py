"""Standard Webhooks: any body at all, from the one who has the secret.

What a body says is between its sender and the agent: nothing in it is decided on, or read.
"""

from proxy.protocols.channels.event import Event, Sender, key_of
from proxy.protocols.channels.post import check_unencoded, header
from proxy.values import Headers

SENDER = Sender(("standard",))
"""The one sender there is: the signature is the whole proof."""


def read(data: bytes, headers: Headers, *, team_id: str | None = None) -> Event:  # noqa: ARG001
    """The event in a webhook."""
    check_unencoded(headers)
    return Event(key_of(header(headers, "webhook-id"), data), (SENDER,), data)
