"""Let nothing out that looks like a secret, or is one that Sidegate holds."""

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from proxy.decision import Allow, Decision
from proxy.duplex import Socket
from proxy.exchange import Clean, Content, Document, Raw, Role, Stream
from proxy.protection.apart import apart
from proxy.protection.cleaner import Cleaner
from proxy.protection.compiled import Rules
from proxy.protection.detector import Detector
from proxy.protection.finder import Finder, Secret
from proxy.protection.held import Held
from proxy.protection.keyed import LABELS
from proxy.protection.masks import HELD, Masks
from proxy.protection.placeholders import Placeholders
from proxy.protection.rule import shipped
from proxy.protection.streams import messages, scrubbed
from proxy.protection.structure import walk
from proxy.values import Headers, Json

OWN_RULE = "zeroclaw-token"
"""The rule for the tokens that Sidegate makes."""

_OWN = re.compile(r"z[co]_[0-9a-f]{64}")


@functools.cache
def shipped_rules() -> Rules:
    """Our own rules, compiled."""
    return Rules(shipped())


@functools.cache
def _own() -> Rules:
    """The one rule for the tokens that Sidegate makes, which no text may show."""
    return Rules(tuple(rule for rule in shipped(("providers",)) if rule.id == OWN_RULE))


class Redactor:
    """Layer 5. `held` are the values that must never be seen outside."""

    def __init__(
        self,
        held: Iterable[str],
        rules: Rules | None = None,
        masks: Masks | None = None,
    ) -> None:
        self._rules = rules or shipped_rules()
        self._masks = masks or Masks()
        self._placeholders: Placeholders | None = None
        self._sent: Callable[[Socket], Socket] = lambda socket: socket
        self.hold(held)

    def serve(self, placeholders: Placeholders | None, sent: Callable[[Socket], Socket]) -> None:
        """From now on, show these placeholders, and let `sent` look at what clients say."""
        self._placeholders, self._sent = placeholders, sent

    def hold(self, held: Iterable[str]) -> None:
        """From now on, these are the values that must never be seen."""
        self._values = tuple(held)
        self._finder = Finder(self._values)
        self._held_by = functools.lru_cache(maxsize=16)(self._held_with)

    @property
    def labels(self) -> tuple[str, ...]:
        """All that a finding may be called, `held` the last."""
        own = dict.fromkeys((*LABELS, *(rule.id for rule in self._rules.rules)))
        return (*(label for label in own if label != HELD), HELD)

    async def redact(self, raw: Raw) -> Decision[Clean]:
        """What may be sent of a raw answer."""
        cleaner = self._cleaner(raw)
        issued = raw.grant.principal.issued
        match raw.content:
            case Document() as document:
                issued = document.issued or issued
                shown, cleaner = await self._shown(raw, document.value, cleaner)
                content: Content = replace(document, value=shown, issued=None, masked=False)
            case Stream() as stream:
                frames = scrubbed(stream, cleaner, self._exact(raw, cleaner))
                headers = self._headers(raw, stream.headers, cleaner)
                content = Stream(stream.status, headers, frames, stream.release)
            case Socket(events=events) as socket:
                headers = self._headers(raw, socket.headers, cleaner)
                sent = self._sent(socket)
                content = replace(sent, headers=headers, events=messages(events, cleaner))
            case _ as unreachable:
                assert_never(unreachable)
        return Allow(Clean(content, issued, raw.replayed, cleaner.tally))

    def text(self, text: str) -> str:
        """A short text for the audit log, whole."""
        return self.cleaner().text(text)

    def walk(self, value: Json) -> tuple[Json, Mapping[str, int]]:
        """A JSON value without its secrets, and how many of which there were."""
        cleaner = self.cleaner()
        return walk(value, cleaner), cleaner.tally

    def cleaner(self) -> Cleaner:
        """What takes the secrets out of anything that is nobody's in particular."""
        return Cleaner(Detector(self._rules, self._held(None)), self._masks)

    def find(self, text: str, key: str = "") -> list[Secret]:
        """The secrets of a text that an operator decides on, and nothing else than secrets."""
        return self._finder.find(text, key)

    async def _shown(self, raw: Raw, value: Json, cleaner: Cleaner) -> tuple[Json, Cleaner]:
        """A document as it is shown, and what counted; without placeholders that would not do."""
        shown = await _walked(value, cleaner)
        if self._placeholders is None:
            return shown, cleaner
        settle = functools.partial(self._placeholders.settled, raw.grant, value, shown)
        settled = await apart(_weight(value), settle)
        if settled is not None:
            return settled.value, cleaner
        cleaner = self._cleaner(raw, stands_in=False)
        return await _walked(value, cleaner), cleaner

    def _cleaner(self, raw: Raw, *, stands_in: bool = True) -> Cleaner:
        """What takes the secrets out of an answer.

        Of what has been masked for an operator only what is held: rules would hide what is decided.
        """
        principal = raw.grant.principal
        decided = raw.content.masked and principal.role is Role.OPERATOR
        masks = self._masks
        if self._placeholders is not None and stands_in and isinstance(raw.content, Document):
            mask = functools.partial(self._placeholders.mask, raw.grant)
            masks = replace(masks, placeholder=mask)
        rules = _own() if decided else self._rules
        return Cleaner(Detector(rules, self._held(principal.presented)), masks)

    def _exact(self, raw: Raw, cleaner: Cleaner) -> Cleaner:
        """What takes out only what is held or made here, and counts it with the rest."""
        detector = Detector(_own(), self._held(raw.grant.principal.presented))
        return Cleaner(detector, self._masks, cleaner.tally)

    def _headers(self, raw: Raw, headers: Headers, cleaner: Cleaner) -> Headers:
        """The fields as they may be seen. A cookie that is set is the client's to have."""
        exact = self._exact(raw, cleaner)
        fields = (
            _field(name, value, exact if name.lower() == "set-cookie" else cleaner)
            for name, value in headers
        )
        return Headers(tuple(field for field in fields if field is not None))

    def _held(self, presented: str | None) -> Held:
        """What is held for one caller. The tokens that Sidegate makes have a rule already."""
        return self._held_by(None if presented and _OWN.fullmatch(presented) else presented)

    def _held_with(self, presented: str | None) -> Held:
        """What is held for one caller, whose own credential must not come back to anybody."""
        return Held((*self._values, *([presented] if presented else ())))


def _field(name: str, value: str, cleaner: Cleaner) -> tuple[str, str] | None:
    """A header field without secrets; None where its very name is one.

    The name may tell of a secret, as a member of an object or as a line of text.
    """
    masked = cleaner.member(name, value)
    line = cleaner.text(f"{name}: {value if masked is None else masked}")
    begins, _, shown = line.partition(": ")
    return (name, shown if masked is None else masked) if begins == name else None


async def _walked(value: Json, cleaner: Cleaner) -> Json:
    """A JSON value without its secrets."""
    return await apart(_weight(value), walk, value, cleaner)


def _weight(value: Json) -> int:
    """How much text there is in a value, roughly."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(len(key) + _weight(member) for key, member in value.items())
    return sum(map(_weight, value)) if isinstance(value, list | tuple) else 1
