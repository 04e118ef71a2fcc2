"""The very values that Sidegate holds, wherever they stand and however they are written.

Each is known as it is, backwards, and as JSON, HTML, percent, hexadecimal, UTF-16 and Base64 write
it (the latter at each of its three offsets), with or without gaps between any two characters: white
space, NUL, and what colours a terminal (ECMA-48, CSI). Encodings of encodings are not looked for.
"""

import base64
import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

from proxy.protection.expression import NOTHING, Alternation, Span

MIN_HELD = 8
"""Values of fewer characters occur by chance."""

REACH = 1024
"""How far from its beginning a form may end, white space included."""

_PREFIX, _HEX_PREFIX = 5, 8  # enough to be rare, and few enough for an automaton
_GLANCE = 32
_PIECE = 256  # of a long line, each of which is looked for on its own
_GAP = r"(?:[ \t\r\n\v\f\x00]|\\[nrt]|(?:\x1b|\\u001[bB])\[[0-?]*[@-~])*"
_GAPS = re.compile(_GAP[:-1].encode() + b"+")
_OPEN = r"(?:\x1b(?:\[[0-?]*)?|\\(?:u(?:0(?:0(?:1(?:[bB](?:\[[0-?]*)?)?)?)?)?)?)?"
_CUT = re.compile(rb"\\*(?:" + _OPEN.encode() + rb")\Z")  # the beginning of a gap, or of an escape


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing a value, without what may be a gap in it. `hex`: in any case."""

    data: bytes
    hex: bool = False

    def alike(self, text: bytes) -> bool:
        """Whether it and a text are the same as far as both go."""
        there = text[: len(self.data)]
        return self.data.startswith(there.lower() if self.hex else there)

    @property
    def prefix(self) -> "Form":
        """What it is looked for by."""
        return self.part(_HEX_PREFIX if self.hex else _PREFIX)

    def part(self, size: int) -> "Form":
        """So much of its beginning."""
        return Form(self.data[:size], self.hex)

    def begins(self, text: bytes) -> bool:
        """Whether a text begins with it."""
        return len(text) >= len(self.data) and self.alike(text)


class Held:
    """Values that must never be seen, in all their forms."""

    def __init__(self, values: Iterable[str]) -> None:
        self._forms = defaultdict[Form, list[Form]](list)
        for form in {form for value in values for form in forms(value)}:
            self._forms[form.prefix].append(form)
        self._begun = Alternation([_tree(map(_characters, self._forms)) or NOTHING])
        self._parts = {
            prefix.part(size) for prefix in self._forms for size in range(1, len(prefix.data))
        }
        self._open = Alternation([*_endings(self._parts)] or [NOTHING])

    def __bool__(self) -> bool:
        return bool(self._forms)

    def search(self, text: bytes, at: int, limit: int | None = None) -> Span | None:
        """The first value that stands there whole, at or after `at` and near `limit` at last."""
        until = None if limit is None else limit + REACH
        while self._forms and (at := self._begun.start(text, at, until)) >= 0:
            end, _ = self._extent(text, at)
            if end > at:
                return at, self._overlapped(text, at, end)
            at += 1
        return None

    def _overlapped(self, text: bytes, at: int, end: int) -> int:
        """Where what is held ends that begins in a value from `at` to `end`."""
        last = end
        while 0 <= (at := self._begun.start(text, at + 1, end + REACH)) < end:
            last = max(last, self._extent(text, at)[0])
        return last

    def opened(self, text: bytes) -> int:
        """Where a value begins that a longer text could complete; the text's length without one."""
        at = max(0, len(text) - REACH)
        if not self._forms:
            return len(text)
        partly = self._partly(text, at)
        while (at := self._begun.start(text, at)) >= 0:
            if self._extent(text, at)[1]:
                return at if partly < 0 else min(at, partly)
            at += 1
        return len(text) if partly < 0 else partly

    def _partly(self, text: bytes, at: int) -> int:
        """Where a prefix begins that the end of the text cuts off, at or after `at`; or -1."""
        while (at := self._open.start(text, at)) >= 0:
            begun = _CUT.sub(b"", _GAPS.sub(b"", text[at:]))
            if not begun or {Form(begun), Form(begun.lower(), hex=True)} & self._parts:
                return at
            at += 1
        return -1

    def _extent(self, text: bytes, at: int) -> tuple[int, bool]:
        """Where the longest form ends that begins at `at`, and whether one is cut off by the end.

        The former is `at` itself where none is whole.
        """
        likely = self._likely(text, at)
        if not likely:
            return at, False
        piece, folded = _folded(text, at, max(len(form.data) for form in likely))
        begun = _CUT.sub(b"", folded)
        size = max((len(form.data) for form in likely if form.begins(folded)), default=0)
        cut = len(text) < at + REACH and any(
            form.alike(begun) and len(begun) < max(len(form.data), size) for form in likely
        )
        return at + (_end(piece, size) if size else 0), cut

    def _likely(self, text: bytes, at: int) -> list[Form]:
        """The forms that go on as the text does, as far as one sees at a glance."""
        _, folded = _folded(text, at, _GLANCE)
        begun = _CUT.sub(b"", folded[:_GLANCE])
        exact, loose = Form(folded).prefix, Form(folded.lower(), hex=True).prefix
        near = (*self._forms.get(exact, ()), *self._forms.get(loose, ()))
        return [form for form in near if form.alike(begun)]


def _folded(text: bytes, at: int, size: int) -> tuple[bytes, bytes]:
    """What begins at `at`, and the same without gaps: so many bytes of it, or all in reach."""
    for reach in (2 * size, REACH):
        piece = text[at : at + min(reach, REACH)]
        folded = _GAPS.sub(b"", piece)
        if len(_CUT.sub(b"", folded)) > size:
            break
    return piece, folded


def _end(piece: bytes, size: int) -> int:
    """Where so many bytes of a piece end that are in no gap."""
    at = 0
    for gap in _GAPS.finditer(piece):
        if at + size <= gap.start():
            break
        size -= gap.start() - at
        at = gap.end()
    return at + size


def forms(value: str) -> Iterator[Form]:
    """All the ways in which a value is known."""
    for line in value.splitlines():
        for at in range(0, len(line), _PIECE):
            piece = line[max(0, min(at, len(line) - MIN_HELD)) : at + _PIECE]
            if len(piece) >= MIN_HELD:
                written = (*map(Form, _written(piece)), *_in_digits(piece))
                bare = (Form(_GAPS.sub(b"", form.data), form.hex) for form in written)
                yield from (form for form in bare if len(form.data) >= MIN_HELD)


def _written(piece: str) -> Iterator[bytes]:
    data = piece.encode("utf-8", "surrogatepass")
    texts = [piece, piece[::-1], html.escape(piece), html.escape(piece, quote=False)]
    texts += [quote(piece, safe="", errors="replace"), quote_plus(piece, errors="replace")]
    texts += [quote(piece, errors="replace")]
    for plain in (True, False):
        escaped = json.dumps(piece, ensure_ascii=plain)[1:-1]
        texts += [escaped, escaped.replace("/", r"\/")]
    yield from (text.encode("utf-8", "surrogatepass") for text in texts)
    yield from (piece.encode(name, "surrogatepass") for name in ("utf-16-le", "utf-16-be"))
    for offset in range(3):
        yield from _base64(data, offset)


def _in_digits(piece: str) -> Iterator[Form]:
    """What is written in hexadecimal digits throughout."""
    pairs = [f"{byte:02x}" for byte in piece.encode("utf-8", "surrogatepass")]
    texts = [mark.join(["", *pairs]) for mark in ("", "%", r"\x")]
    texts += [mark.join(pairs) for mark in (":", "-")]
    texts += ["".join(rf"\u{ord(char):04x}" for char in piece)]
    yield from (Form(text.encode(), hex=True) for text in texts)


def _base64(data: bytes, offset: int) -> Iterator[bytes]:
    """What is sure of a value's Base64 behind `offset` bytes of its group of three."""
    first = (0, 2, 3)[offset]
    last = (offset + len(data)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(b"\0" * offset + data)[first:last]


def _characters(prefix: Form) -> list[str]:
    if not prefix.hex:
        return [rf"\x{byte:02x}" for byte in prefix.data]
    signs = (bytes((byte,)) for byte in prefix.data)
    return [rf"[\x{sign.hex()}\x{sign.upper().hex()}]" for sign in signs]


def _tree(words: Iterable[list[str]]) -> str:
    """Any of some words with gaps in them, in an expression that has what they share once."""
    groups = defaultdict[str, list[list[str]]](list)
    for first, *rest in words:
        groups[first].append(rest)
    return "|".join(
        f"{first}{_GAP}(?:{_tree(rests)})" if all(rests) else first
        for first, rests in groups.items()
    )


def _endings(begun: Iterable[Form]) -> Iterator[str]:
    """What a text ends with that may be the beginning of a prefix: its first two characters are."""
    followed = defaultdict[str, set[str]](set)
    for part in begun:
        first, *rest = _characters(part)
        followed[first].update(rest[:1])
    more = rf"(?:{_GAP}[^ \t\r\n\v\f\x00]){{0,{_HEX_PREFIX - 3}}}"
    for first, seconds in followed.items():
        second = "|".join(sorted(seconds))
        yield rf"{first}(?:{_GAP}(?:{second}){more})?{_GAP}{_OPEN}\z"
