"""Discord: an interaction, as an application's Interactions Endpoint URL gets it.

Discord's Webhook Events are another thing, with a URL of their own, where type 1 is no ping.
"""

from collections.abc import Mapping

from proxy.decision import Malformed
from proxy.protocols.channels.event import Event, Sender, digest, key_of, person
from proxy.protocols.channels.post import document, inside
from proxy.reasons import Reason
from proxy.values import Headers, Json

_PING = 1
_PONG: Json = {"type": 1}


def read(data: bytes, headers: Headers, *, team_id: str | None = None) -> Event:  # noqa: ARG001
    """The event in an interaction; a ping has to be answered at once."""
    interaction = document(data, headers)
    kind = interaction.get("type")
    if type(kind) is not int or kind < _PING or "event" in interaction:
        raise Malformed(Reason.BODY_MALFORMED, "no interaction")
    if kind == _PING:
        return Event(digest(data), (), data, challenge=_PONG)
    return Event(key_of(interaction.get("id"), data), _senders(interaction), data)


def _senders(interaction: Mapping[str, Json]) -> tuple[Sender, ...]:
    """The member in a server, the user elsewhere; where both are named, both must be admitted."""
    users = (inside(interaction, "member", "user"), interaction.get("user"))
    named = tuple(person(inside(user, "id")) for user in users if user is not None)
    return named or (Sender(),)
