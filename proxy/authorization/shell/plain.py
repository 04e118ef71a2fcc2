"""Split the lines that need no grammar: one call of literal words, which every shell reads alike.

Only characters that mean nothing to any shell stand outside of quotes here, and only quotes in
which nothing means anything. The counterpart is `commands`, which reads every other line.
"""

import re

from proxy.authorization.shell.builtins import has_own_rules

MAX_WORDS = 8192

# A tilde stands inside a word only, and an equals sign never in the first.
_BARE = r"[A-Za-z0-9_./:@%+,=^-](?:[A-Za-z0-9_./:@%+,^-]|(?<![=:])~|=)*+"
_PIECE = re.compile(rf"""({_BARE})|'([^']*+)'|"([^"$`\\!]*+)\"""")
_WORD = rf"""(?>{_BARE}|'[^']*+'|"[^"$`\\!]*+\")++"""
_LINE = re.compile(rf"[ \t\n]*+{_WORD}(?:[ \t]++{_WORD})*+[ \t\n]*+")
_WORDS = re.compile(_WORD)
_PROGRAM = re.compile(r"[A-Za-z0-9_./+-]+")


def split(line: str) -> tuple[str, ...] | None:
    """The words of `line`; None where it takes a grammar to tell."""
    if _LINE.fullmatch(line) is None:
        return None
    found = _WORDS.findall(line)
    if len(found) > MAX_WORDS or not _PROGRAM.fullmatch(found[0]) or has_own_rules(found[0]):
        return None
    return tuple(_value(word) for word in found)


def _value(word: str) -> str:
    return "".join("".join(groups) for groups in _PIECE.findall(word))
