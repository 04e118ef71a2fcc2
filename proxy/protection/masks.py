"""What is shown in the place of a secret, in one of three styles.

With `prefix`, `ghp_*[REDACTED]`: its first four characters where they are published or say little,
and a mark. With `full`, `[REDACTED:github-pat]`: what it was. With `placeholder`, a stand-in that
the same caller may write back to where the secret came from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from proxy.config.protection import Style

MARK = b"*[REDACTED]"
HELD = "held"
"""What is known to be a secret because Sidegate holds it."""

_KEYS = "private-key"  # what begins the body of one says nothing of what it is
_PREFIX = 4
_PREFIX_FROM = 20  # of shorter values four characters would say too much


@dataclass(frozen=True, slots=True)
class Masks:
    """The styles, in general and by label. `placeholder`: the stand-in for a label and a secret.

    It answers None where nothing could be put back later; the style is then `full`.
    """

    style: Style = "prefix"
    styles: Mapping[str, Style] = field(default_factory=dict)
    placeholder: Callable[[str, str], str | None] = lambda _label, _secret: None

    def mask(self, label: str, secret: bytes, *, public: bool = False, whole: bool = True) -> bytes:
        """What is shown of a secret. `whole`: it is known to its end."""
        match self.styles.get(label, self.style):
            case "prefix":
                return _prefix(label, secret, public=public) + MARK
            case "placeholder" if whole:
                return self._stand_in(label, secret)
            case _:
                return _full(label)

    def _stand_in(self, label: str, secret: bytes) -> bytes:
        try:
            made = self.placeholder(label, secret.decode())
        except UnicodeDecodeError:
            made = None
        return _full(label) if made is None else made.encode()


def _full(label: str) -> bytes:
    return f"[REDACTED:{label}]".encode()


def _prefix(label: str, secret: bytes, *, public: bool) -> bytes:
    """The first characters, where they may be cut off without breaking an escape or a character."""
    first = secret[:_PREFIX]
    bare = label == HELD or label.startswith(_KEYS)
    keeps = not bare and (public or len(secret) >= _PREFIX_FROM)
    plain = all(byte < 0x80 and (chr(byte).isalnum() or byte in b"_-") for byte in first)
    return first if keeps and plain else b""
