"""The texts that come in pieces over the events of a stream, each scrubbed as one.

What a text holds back goes out before its next piece; where it ends, in one more event, which is
like its last. So a receiver that puts the pieces together has the text as it was, but for secrets.
"""

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from proxy.decision import Denied
from proxy.protection.deltas import Delta, Ids, Path, deltas, ended, endings, is_fragment, lone
from proxy.protection.logprobs import without_logprobs
from proxy.protection.scrubber import Scrubber
from proxy.protection.structure import Cleaner as Walker
from proxy.protection.structure import json_text, parsed
from proxy.protection.unlisted import Unlisted
from proxy.reasons import Layer, Reason

MAX_CHANNELS = 256
"""Texts at a time. No model writes as many; one who does would fill the memory."""

MAX_KEPT = 1 << 16
"""Characters of what is remembered of a text's last event."""

_END = "[DONE]"
_DECODER = codecs.getincrementaldecoder("utf-8")


class Cleaner(Walker, Protocol):
    """What finds and masks the secrets of one answer, in texts that come in pieces too."""

    def scrubber(self) -> Scrubber:
        """For one such text."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """What an event says: its name, and its data with the line ends in it."""

    name: str
    data: str


def broken() -> Denied:
    """What a stream ends with that cannot be read to its end."""
    return Denied(Layer.ISOLATION, Reason.UPSTREAM_UNREADABLE)


class Channels:
    """The texts of one stream, as far as they have come."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._cleaner = cleaner
        self._channels: dict[tuple[object, ...], _Channel] = {}
        self._unlisted = Unlisted()

    def scrub(self, event: Event) -> Iterator[Event]:
        """An event without secrets, last, and before it what was held back of texts that it ends.

        Raises Denied where there are too many texts.
        """
        if event.data.strip() == _END:
            yield from self.end()
            yield event
            return
        value = _meant(event.data)
        if isinstance(value, dict | list | str):
            yield from self._structured(event, value)
        else:
            yield from self._text(event)

    def end(self, *by: Ids) -> Iterator[Event]:
        """What was held back of the texts that end by these: of all without any."""
        for name, channel in list(self._channels.items()):
            if not by or any(ended(channel.ids, each) for each in by):
                del self._channels[name]
                if rest := channel.feed("", final=True):
                    yield channel.event(rest, self._cleaner)

    def _structured(self, event: Event, value: object) -> Iterator[Event]:
        ends = {frozenset(by.items()): by for by in endings(value, event.name)}
        if len(ends) > MAX_CHANNELS:
            raise broken()
        pieces = list(deltas(event.data, value, event.name))
        if pieces and (data := without_logprobs(event.data)) != event.data:
            event, value = Event(event.name, data), parsed(data)
            pieces = list(deltas(data, value, event.name))
        listed = {delta.start for delta in pieces}
        pieces += self._unlisted.deltas(event.data, value, event.name, listed)
        last = {delta.name: delta for delta in pieces}
        for delta in last.values():
            self._channel(delta).keep(event, lone(value, delta.path, ""), delta.path)
        done = {delta.start: self._channel(delta).feed(delta.text) for delta in pieces}
        for name, delta in last.items():
            whole = not delta.path and not is_fragment(event.name)
            if whole or any(ended(delta.ids, by) for by in ends.values()):
                done[delta.start] += self._channels.pop(name).feed("", final=True)
        if ends:
            yield from self.end(*ends.values())
        yield Event(event.name, json_text(event.data, self._cleaner, done))

    def _text(self, event: Event) -> Iterator[Event]:
        """An event that is mere text, and perhaps the piece of one."""
        delta = Delta((event.name,), {}, (), 0, event.data)
        if is_fragment(event.name):
            channel = self._channel(delta)
            channel.keep(event, None, ())
            yield Event(event.name, channel.feed(event.data))
        elif delta.name in self._channels:
            channel = self._channels.pop(delta.name)
            yield Event(event.name, channel.feed(event.data, final=True))
        else:
            yield Event(event.name, self._cleaner.text(event.data))

    def _channel(self, delta: Delta) -> "_Channel":
        channel = self._channels.get(delta.name)
        if channel is None:
            if len(self._channels) >= MAX_CHANNELS:
                raise broken()
            channel = _Channel(self._cleaner.scrubber(), delta.ids)
            self._channels[delta.name] = channel
        return channel


def _meant(data: str) -> object:
    """What data means as JSON; None, too, where it is none."""
    try:
        return parsed(data)
    except ValueError:
        return None


class _Channel:
    """One text."""

    def __init__(self, scrubber: Scrubber, ids: Ids) -> None:
        self.ids = ids
        self._scrubber = scrubber
        self._decoder = _DECODER("replace")
        self._last = Event("", "")
        self._path: Path = ()

    def feed(self, text: str, *, final: bool = False) -> str:
        """What may be shown of the text so far."""
        data = text.encode("utf-8", "surrogatepass")
        return self._decoder.decode(self._scrubber.scrub(data, final=final), final)

    def keep(self, event: Event, lone: object, path: Path) -> None:
        """Remember the last event, None if mere text; raises Denied where that is too much."""
        self._last = Event(event.name, "" if lone is None else json.dumps(lone))
        # Every array has but the one item.
        self._path = tuple(0 if isinstance(step, int) else step for step in path)
        if len(self._last.name) + len(self._last.data) > MAX_KEPT:
            raise broken()

    def event(self, text: str, cleaner: Cleaner) -> Event:
        """One more piece of it, in an event like the last."""
        name, data = self._last.name, self._last.data
        if not data:
            return Event(name, text)
        last = json.loads(json_text(data, cleaner))
        return Event(name, json.dumps(lone(last, self._path, text)))
