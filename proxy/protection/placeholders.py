"""Stand-ins for secrets, which the same caller may write back to where the secret came from.

    __sidegate-secret.github-pat.7f3a…__

A stand-in tells what kind of secret it stands for, and nothing else: its 128 bits are a MAC over
whose it is, where the secret came from, what it is called, and the secret. So nobody can guess one,
or see by it that two callers were shown the same secret; and what is read twice looks the same. It
is of letters, digits and `_-.` alone, which mean nothing to JSON, YAML, shells and URLs.

What one stands for is in memory only: after a restart the caller reads again, and finds the same.
"""

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from proxy.decision import Allow
from proxy.exchange import Clock, Grant, Principal
from proxy.values import Json

Mac = Callable[[str, bytes], bytes]
"""The MAC of some bytes for a purpose: 32 bytes."""

SHAPE = re.compile(
    # The `__` before the next one is not the end of this one.
    r"__sidegate-secret\.(?P<label>[a-z0-9-]{1,64})\.[0-9a-f]{32}__(?!sidegate-secret\.)"
)
# That every match begins with a dot makes it fast.
MARK = re.compile(r"\.(?:[0-9a-fA-F]{32}__|(?<=(?i:sidegate-secret)\.))")
"""What tells a stand-in even where it was cut or changed."""

_LABEL = re.compile(r"[a-z0-9-]{1,64}")
_QUOTE = re.compile(r"(\\*[\"']|)\Z")  # which a mask is given that stands for a mere number
_LITERAL = "literal"  # of what only looks like one, and so is given one itself
_SECONDS = 24 * 3600.0
_LONGEST = 16_384  # characters of one secret
_OVERHEAD = 512  # bytes that each costs beside its text
_EACH, _ALL = 4 << 20, 32 << 20  # bytes for one caller, and for all


@dataclass(frozen=True, slots=True)
class _Kept:
    source: str
    label: str
    text: str
    expires: float

    @property
    def weight(self) -> int:
        return _OVERHEAD + len(self.text)


@dataclass(slots=True)
class _Shelf:
    """What was shown to one caller, the latest last."""

    kept: OrderedDict[str, _Kept] = field(default_factory=OrderedDict)
    weight: int = 0

    def put(self, name: str, kept: _Kept) -> int:
        """Keep it; by how much more it weighs now."""
        before = self.weight
        self._drop(name)
        self.kept[name] = kept
        self.weight += kept.weight
        while self.weight > _EACH:
            self._drop(next(iter(self.kept)))
        return self.weight - before

    def _drop(self, name: str) -> None:
        gone = self.kept.pop(name, None)
        self.weight -= gone.weight if gone else 0


class Placeholders:
    """All stand-ins that were shown. `source`: the one place that a grant's answer comes from.

    It is asked from threads, too.
    """

    def __init__(self, mac: Mac, source: Callable[[Grant], str | None], clock: Clock) -> None:
        self._mac = mac
        self._source = source
        self._clock = clock
        self._shelves: OrderedDict[str, _Shelf] = OrderedDict()
        self._weight = 0
        self._lock = threading.Lock()

    def mask(self, grant: Grant, label: str, secret: str) -> str | None:
        """The stand-in for a secret in the answer to `grant`; None: it could not be put back."""
        source = self._source(grant)
        if source is None or not _LABEL.fullmatch(label) or len(secret) > _LONGEST:
            return None
        return self._made(grant.principal, source, label, secret)

    def settled(self, grant: Grant, raw: Json, shown: Json) -> Allow[Json] | None:
        """A masked answer in which every stand-in puts back, to the letter, what stood there.

        `raw` is what it was. A secret may have been written with escapes, or have been given the
        quotes that it had not; and a text of the form of a stand-in may have stood there itself.
        None: it cannot be so, and the answer must be masked without stand-ins.
        """
        source = self._source(grant)
        return Allow(shown) if source is None else self._whole(grant.principal, source, raw, shown)

    def is_known(self, principal: Principal, name: str) -> bool:
        """Whether this is a stand-in that this very caller was shown."""
        return self._get(principal, name) is not None

    def split(self, principal: Principal, source: str | None, text: str) -> list[str] | None:
        """A text in pieces: at odd places what stand-ins stand for, at even ones what is between.

        None: there is one, or what may have been one, that is not `principal`'s for `source`.
        """
        pieces, last = [], 0
        for match in SHAPE.finditer(text):
            kept = self._get(principal, match[0])
            if kept is None or kept.source != source:
                return None
            pieces += [text[last : match.start()], kept.text]
            last = match.end()
        pieces.append(text[last:])
        return None if any(map(MARK.search, pieces[::2])) else pieces

    def restored(self, principal: Principal, source: str, text: str) -> str | None:
        """A text with all that stand-ins stand for; None as in `split`."""
        pieces = self.split(principal, source, text)
        return None if pieces is None else "".join(pieces)

    def _whole(
        self, principal: Principal, source: str, raw: Json, shown: Json
    ) -> Allow[Json] | None:
        if isinstance(raw, str) and isinstance(shown, str):
            return self._text(principal, source, raw, shown)
        if isinstance(raw, Mapping) and isinstance(shown, Mapping):
            pairs = ((raw, shown), (list(raw.values()), list(shown.values())))
            names, values = (self._items(principal, source, list(a), list(b)) for a, b in pairs)
            if names is None or values is None:
                return None
            return Allow(dict(zip(map(str, names), values, strict=True)))
        if isinstance(raw, list | tuple) and isinstance(shown, list | tuple):
            items = self._items(principal, source, raw, shown)
            return None if items is None else Allow(items)
        return None if isinstance(shown, str) and SHAPE.search(shown) else Allow(shown)

    def _items(
        self, principal: Principal, source: str, raw: Sequence[Json], shown: Sequence[Json]
    ) -> list[Json] | None:
        if len(raw) != len(shown):
            return None
        items = [self._whole(principal, source, *pair) for pair in zip(raw, shown, strict=True)]
        return None if None in items else [item.value for item in items if item]

    def _text(self, principal: Principal, source: str, raw: str, shown: str) -> Allow[Json] | None:
        if not MARK.search(raw) and not SHAPE.search(shown):
            return Allow(shown)
        text = "".join(self._aligned(principal, source, raw, shown))
        return Allow(text) if self.restored(principal, source, text) == raw else None

    def _aligned(self, principal: Principal, source: str, raw: str, shown: str) -> Iterator[str]:
        """The pieces of `shown` anew, each secret as `raw` has it. Ends where they do not fit."""
        at = last = 0
        quote = ""
        for match in SHAPE.finditer(shown):
            ahead = shown[last : match.start()].removeprefix(quote)
            quote = "" if raw.startswith(ahead, at) else _QUOTE.findall(ahead)[0]
            ahead = ahead.removesuffix(quote)
            at += len(ahead)
            written = self._written(principal, match[0], raw, at)
            if written is None:
                return
            yield self._escaped(principal, source, ahead)
            yield self._made(principal, source, match["label"], written)
            at, last = at + len(written), match.end()
        yield self._escaped(principal, source, shown[last:].removeprefix(quote))

    def _written(self, principal: Principal, name: str, raw: str, at: int) -> str | None:
        """How `raw` has at this place what a stand-in stands for."""
        kept = self._get(principal, name)
        forms = [name]
        if kept is not None:
            escaped = (json.dumps(kept.text, ensure_ascii=each)[1:-1] for each in (True, False))
            forms = [kept.text, *escaped, name]
        return next((form for form in forms if raw.startswith(form, at)), None)

    def _escaped(self, principal: Principal, source: str, text: str) -> str:
        """A text in which nothing looks like a stand-in but those of what did."""
        return MARK.sub(lambda m: self._made(principal, source, _LITERAL, m[0]), text)

    def _made(self, principal: Principal, source: str, label: str, text: str) -> str:
        owner = _owner(principal)
        digest = self._mac("placeholder", _joined(owner, source, label, text))
        name = f"__sidegate-secret.{label}.{digest.hex()[:32]}__"
        kept = _Kept(source, label, text, self._clock() + _SECONDS)
        with self._lock:
            shelf = self._shelves.setdefault(owner, _Shelf())
            self._shelves.move_to_end(owner)
            self._weight += shelf.put(name, kept)
            while self._weight > _ALL:
                self._weight -= self._shelves.popitem(last=False)[1].weight
        return name

    def _get(self, principal: Principal, name: str) -> _Kept | None:
        with self._lock:
            shelf = self._shelves.get(_owner(principal))
            kept = shelf.kept.get(name) if shelf else None
        return kept if kept is not None and kept.expires > self._clock() else None


def _owner(principal: Principal) -> str:
    """Whose a stand-in is: of this credential, or of this address where there is none."""
    session = principal.presented or (principal.peer.key if principal.peer else "")
    return f"{principal.id}\0{session}"


def _joined(*parts: str) -> bytes:
    """Parts that cannot be shifted into each other."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(part).to_bytes(8, "big") + part for part in encoded)
