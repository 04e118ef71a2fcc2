"""The body of a private key: what follows its first line (RFC 7468; PuTTY's files have it too).

With an end line near by, all before it is the key, whatever it is. Without one, as when a file was
cut off, it is what looks like Base64, line by line. Lines may be those of a text, or escaped in a
string.
"""

from proxy.protection.expression import Expression

LOOK_AHEAD = 4096
"""How far the end line is looked for at first, in bytes."""

_LONGEST = 65536
_LINE_BYTES = 512
_BREAK = r"(?:\r?\n|\r|(?:\\{1,4}r)?\\{1,4}n|\\{1,4}r)"
_END = Expression(r"(?s:.*?)-----END")
_HEADER = r"[A-Za-z][A-Za-z-]{0,30}: [^\r\n\\\"]{0,200}"
_LINE = Expression(rf"[ \t>+|#*-]{{0,40}}(?:{_HEADER}|[A-Za-z0-9+/=]{{0,400}})[ \t]{{0,8}}{_BREAK}")
_REST = Expression(r"[ \t]{0,40}[A-Za-z0-9+/=]{16,400}")


class KeyBody:
    """One body, passed over as it comes."""

    def __init__(self) -> None:
        self._passed = 0
        self._ends: bool | None = None  # whether its end line was in sight

    def swallow(self, text: bytes, at: int, *, final: bool) -> tuple[int, bool]:
        """Up to where it goes in the text, and whether that is all of it."""
        if self._ends is None:
            seen = text[at : at + LOOK_AHEAD]
            end = _END.match_end(seen, 0)
            if not end and len(seen) < LOOK_AHEAD and not final:
                return at, False
            self._ends = bool(end)
        if self._ends:
            return _END.match_end(text, at) - len(b"-----END"), True
        return self._by_lines(text, at, final=final)

    def _by_lines(self, text: bytes, at: int, *, final: bool) -> tuple[int, bool]:
        while self._passed < _LONGEST:
            if len(text) - at < _LINE_BYTES and not final:
                return at, False
            end = _LINE.match_end(text, at)
            if end == at:
                return _REST.match_end(text, at), True
            self._passed += end - at
            at = end
        return at, True
