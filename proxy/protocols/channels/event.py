"""An event: what one post of a channel says, as the layers see it.

The counterparts are the readers beside this file, which make events of what `post` takes apart, and
`authentication.allowlist`, which judges their senders. Its laws:

    Who sends is read from the very bytes that are delivered.
    Every message has a sender. One of whom nothing certain is known has no ids, and only a list
    that admits everybody admits it.
    What is not understood is nobody's; a post with two readings has none.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from proxy.decision import Malformed
from proxy.reasons import Reason
from proxy.values import Headers, Json

_ID = re.compile(r"[A-Za-z0-9._@+-]{1,128}")
_NUMBER = re.compile(r"[+-]?[0-9]+")
_KEY = re.compile(r"[!-~]{1,255}")

OK: Json = {"status": "ok"}
"""The answer to a post that waits for one and is for no agent."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a message: the id that lasts, then names that may change. Without ids: unknown."""

    ids: tuple[str, ...] = ()


Admits = Callable[[Sender], bool]


@dataclass(frozen=True, slots=True)
class Event:
    """One post. `key` is the provider's own name for it, the same when it is sent again.

    `challenge` is what has to be answered at once; there is nothing to deliver then. `trim` cuts a
    post of several messages down to those of admitted senders; a post without it is delivered
    whole, where each of its senders is admitted, or not at all.
    """

    key: str
    senders: tuple[Sender, ...]
    data: bytes = field(repr=False)
    challenge: Json = None
    trim: Callable[[Admits], bytes] | None = field(default=None, repr=False, compare=False)

    def kept(self, admits: Admits) -> bytes | None:
        """The body with the messages of admitted senders only; None where there are none.

        Where all are admitted, it is the very bytes that came.
        """
        verdicts = [admits(sender) for sender in self.senders]
        if True not in verdicts:
            return None
        if self.trim is not None:
            return self.trim(admits)
        return self.data if all(verdicts) else None


class Reader(Protocol):
    """The reader of one channel."""

    def __call__(self, data: bytes, headers: Headers, *, team_id: str | None = None) -> Event:
        """The event in a post; raises Malformed. `team_id`: Slack's one workspace to listen to."""
        ...


def person(lasting: Json, name: Json = None) -> Sender:
    """A sender by the id that lasts and a name that may change.

    A name of digits alone is left out: whoever took it would pass for the one who has that id.
    """
    first, second = identity(lasting), identity(name)
    if not first:
        return Sender()
    return Sender((first,) if not second or _NUMBER.fullmatch(second) else (first, second))


def identity(value: Json) -> str:
    """`value` as an id; nothing where it is none."""
    text = _text(value)
    return text if _ID.fullmatch(text) else ""


def key_of(value: Json, data: bytes) -> str:
    """`value` as the key of an event; without one, a digest of its data. Raises Malformed."""
    if value is None:
        return digest(data)
    text = _text(value)
    if not _KEY.fullmatch(text):
        raise Malformed(Reason.BODY_MALFORMED, "no id of the event")
    return text


def digest(data: bytes) -> str:
    """The key of an event whose provider gives it none."""
    return hashlib.sha256(data).hexdigest()


def _text(value: Json) -> str:
    return str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
