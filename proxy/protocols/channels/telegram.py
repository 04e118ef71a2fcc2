"""Telegram: one update for a bot, as setWebhook has it sent (Bot API, Update)."""

from collections.abc import Mapping

from proxy.decision import Malformed
from proxy.protocols.channels.event import Event, Sender, key_of, person
from proxy.protocols.channels.post import document
from proxy.reasons import Reason
from proxy.values import Headers, Json

# One who writes as a chat, as anonymous administrators do, is that chat: `from` is then a stand-in
# that all of them share.
_WRITER = ("sender_chat", "from")
_ACTORS: Mapping[str, tuple[str, ...]] = {
    "message": _WRITER,
    "edited_message": _WRITER,
    "channel_post": ("sender_chat",),
    "edited_channel_post": ("sender_chat",),
    "business_message": _WRITER,
    "edited_business_message": _WRITER,
    "guest_message": _WRITER,
    "business_connection": ("user",),
    "message_reaction": ("actor_chat", "user"),
    "inline_query": ("from",),
    "chosen_inline_result": ("from",),
    "callback_query": ("from",),
    "shipping_query": ("from",),
    "pre_checkout_query": ("from",),
    "purchased_paid_media": ("from",),
    "poll_answer": ("voter_chat", "user"),
    "my_chat_member": ("from",),
    "chat_member": ("from",),
    "chat_join_request": ("from",),
}
"""Who acts, by kind of update: the first of these that is there. Other kinds have no sender."""


def read(data: bytes, headers: Headers, *, team_id: str | None = None) -> Event:  # noqa: ARG001
    """The event in an update."""
    update = document(data, headers)
    kinds = [name for name in update if name != "update_id"]
    if len(kinds) != 1:
        # "At most one" may be there: of two, the agent may act on the one not looked at here.
        raise Malformed(Reason.BODY_MALFORMED, "not one kind of update")
    key = key_of(update.get("update_id"), data)
    return Event(key, (_sender(kinds[0], update[kinds[0]]),), data)


def _sender(kind: str, content: Json) -> Sender:
    if not isinstance(content, Mapping):
        raise Malformed(Reason.BODY_MALFORMED, "the update is no object")
    for name in _ACTORS.get(kind, ()):
        actor = content.get(name)
        if isinstance(actor, Mapping):
            return person(actor.get("id"), actor.get("username"))
        if actor is not None:
            break
    return Sender()
