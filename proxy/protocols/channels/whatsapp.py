"""WhatsApp Cloud API: a post of messages, of any number of people at once.

Its law: what reaches the agent is the messages and contact cards of admitted senders, and the
fields of a closed list, in which nobody has words. All else is cut out of the post, what is not
known here included. A post without messages is answered, and reaches no agent.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from proxy.protocols.channels.event import OK, Admits, Event, Sender, digest
from proxy.protocols.channels.post import document, inside
from proxy.protocols.strict_json import dumps
from proxy.values import Headers, Json

# Meta, "Business-scoped user IDs", 2026: the phone number of one who hides it is left out.
_USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,120}")
_PHONE = re.compile(r"[0-9]{1,20}")

_IN_POST = frozenset({"object"})
_IN_ENTRY = frozenset({"id", "time"})
_IN_CHANGE = frozenset({"field"})
_IN_VALUE = frozenset({"messaging_product", "metadata", "statuses", "errors"})

_Object = Mapping[str, Json]


def read(data: bytes, headers: Headers, *, team_id: str | None = None) -> Event:  # noqa: ARG001
    """The event in a post."""
    post = document(data, headers)
    messages = list(_messages(post))
    if not messages:
        return Event(digest(data), (), data, challenge=OK)
    senders = tuple(_writer(message) for message in messages)

    def trim(admits: Admits) -> bytes:
        if all(map(admits, (Sender(), *senders))):
            return data
        kept = _Cut(admits).post(post)
        return data if kept == post else dumps(kept)

    # A message without an id is known by all that it says.
    key = digest(dumps([message.get("id") or message for message in messages]))
    return Event(key, senders, data, trim=trim)


def _messages(post: _Object) -> Iterator[_Object]:
    for entry in _objects(post.get("entry")):
        for change in _objects(entry.get("changes")):
            messages = _objects(inside(change, "value", "messages"))
            yield from (message for message in messages if _speaks(message))


def _objects(value: Json) -> list[_Object]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _speaks(message: _Object) -> bool:
    """A text without text is no message."""
    body = inside(message, "text", "body")
    return message.get("type") != "text" or (isinstance(body, str) and body != "")


def _writer(message: _Object) -> Sender:
    return _sender(*(message.get(name) for name in ("from_user_id", "from", "from_parent_user_id")))


def _owner(card: _Object) -> Sender:
    return _sender(*(card.get(name) for name in ("user_id", "wa_id", "parent_user_id")))


def _sender(user_id: Json, phone: Json, parent: Json) -> Sender:
    """The user id first: it comes with every message, the number does not."""
    forms = ((user_id, _USER_ID), (phone, _PHONE), (parent, _USER_ID))
    ids = [text for text, form in forms if isinstance(text, str) and form.fullmatch(text)]
    return Sender(tuple(ids))


@dataclass(frozen=True, slots=True)
class _Cut:
    """A post, and each part of it, less what is not of admitted senders; None: nothing is left."""

    admits: Admits

    def post(self, post: _Object) -> _Object:
        return _picked(post, _IN_POST) | _each(post, "entry", self._entry)

    def _entry(self, entry: _Object) -> _Object | None:
        kept = _each(entry, "changes", self._change)
        return _picked(entry, _IN_ENTRY) | kept if any(kept.values()) else None

    def _change(self, change: _Object) -> _Object | None:
        value = change.get("value")
        kept = self._value(value) if isinstance(value, Mapping) else None
        return _picked(change, _IN_CHANGE) | {"value": kept} if kept is not None else None

    def _value(self, value: _Object) -> _Object | None:
        kept = _each(value, "messages", self._message)
        people = {
            known for message in _objects(kept.get("messages")) for known in _writer(message).ids
        }

        def card(contact: _Object) -> _Object | None:
            owner = _owner(contact)
            return contact if people & {*owner.ids} or self.admits(owner) else None

        if "messages" in value and not kept["messages"]:
            return None
        return _picked(value, _IN_VALUE) | _each(value, "contacts", card) | kept

    def _message(self, message: _Object) -> _Object | None:
        return message if _speaks(message) and self.admits(_writer(message)) else None


def _picked(value: _Object, names: frozenset[str]) -> dict[str, Json]:
    return {name: content for name, content in value.items() if name in names}


def _each(value: _Object, name: str, kept: Callable[[_Object], _Object | None]) -> dict[str, Json]:
    """The list called `name`, where there is one, with what is kept of its objects."""
    if name not in value:
        return {}
    parts = map(kept, _objects(value[name]))
    return {name: [part for part in parts if part is not None]}
