"""What takes the secrets out of one answer: texts, members of objects and streams alike."""

import re
from collections import Counter
from collections.abc import Callable

from proxy.protection.detector import Detector
from proxy.protection.masks import Masks
from proxy.protection.placeholders import SHAPE
from proxy.protection.scrubber import Scrubber

Spared = Callable[[str], bool]
"""Whether a stand-in is the caller's own, and so is no secret."""

_SHAPE = re.compile(SHAPE.pattern.encode())
# Characters that mean nothing to anybody, U+E000 to U+F8FF, in UTF-8.
_PRIVATE = re.compile(rb"\xee[\x80-\xbf]{2}|\xef[\x80-\xa3][\x80-\xbf]")
_HOLES = tuple(chr(each).encode() for each in range(0xE000, 0xF900))


class Cleaner:
    """One answer's. `tally` counts what is found in all of it, by label."""

    def __init__(
        self,
        detector: Detector,
        masks: Masks,
        tally: Counter[str] | None = None,
        spared: Spared | None = None,
    ) -> None:
        self._detector = detector
        self._masks = masks
        self.tally: Counter[str] = Counter() if tally is None else tally
        self._spared = spared

    def sparing(self, spared: Spared) -> "Cleaner":
        """The same, but for these stand-ins in what is known as a whole."""
        return Cleaner(self._detector, self._masks, self.tally, spared)

    def text(self, text: str) -> str:
        """A text that is known as a whole."""
        return self.data(text.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")

    def data(self, data: bytes) -> bytes:
        """The same of bytes."""
        scrubber = Scrubber(self._detector, self._masks, self.tally, whole=True)
        if self._spared is None:
            return scrubber.scrub(data, final=True)
        lifted, names = _lifted(data, self._spared)
        shown = scrubber.scrub(lifted, final=True)
        return _PRIVATE.sub(lambda hole: names.get(hole[0], hole[0]), shown) if names else shown

    def member(self, key: str, value: str) -> str | None:
        """The mask for the whole value of an object's member; None: its key tells of no secret."""
        label = self._detector.member(key, self._rest(value))
        if label is None:
            return None
        self.tally[label] += 1
        secret = value.encode("utf-8", "surrogatepass")
        return self._masks.mask(label, secret).decode("utf-8", "replace")

    def _rest(self, value: str) -> str:
        spared = self._spared
        if spared is None:
            return value
        return SHAPE.sub(lambda match: "" if spared(match[0]) else match[0], value)

    def scrubber(self) -> Scrubber:
        """For a text that comes in pieces."""
        return Scrubber(self._detector, self._masks, self.tally)

    def clean(self, data: bytes) -> bool:
        """Whether there is surely nothing to be found, which is quickly seen."""
        return self._detector.clean(data)


def _lifted(data: bytes, spared: Spared) -> tuple[bytes, dict[bytes, bytes]]:
    """A text with a character in the place of each stand-in that is spared, and what it is for."""
    used = frozenset(_PRIVATE.findall(data))
    free = (each for each in _HOLES if each not in used)
    holes: dict[bytes, bytes] = {}

    def lift(match: re.Match[bytes]) -> bytes:
        name = match[0]
        if name not in holes and spared(name.decode()):
            holes[name] = next(free, name)
        return holes.get(name, name)

    lifted = _SHAPE.sub(lift, data)
    return lifted, {hole: name for name, hole in holes.items()}
