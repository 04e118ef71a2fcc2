"""Whether a value is a secret because of the name that it has.

A name tells of a secret (`words`); its value must not be made of words, nor stand for something
else, nor be a filler (`likeness`). How much that asks depends on the name: of a password almost
anything in quotes will do, of a bare `key` only what is long and random. Without quotes more is
asked, since that is how code assigns variables.
"""

import re

from proxy.protection.likeness import (
    META,
    is_filler,
    is_mask,
    is_reference,
    strange,
    unusual_rest,
)
from proxy.protection.words import Kind, told

LABELS = (*(kind.value for kind in Kind), "basic", "held")
"""What a secret is called that its name or scheme tells; else it is called as its rule."""

_LEAST = 6  # of a password
_LEAST_TOKEN = 8
_LEAST_OPAQUE = 16
_LEAST_DIGITS = 16  # of a token that has nothing else

_OPAQUE = re.compile(rb"[A-Za-z0-9+/_.=~:%!@$*^|#-]+")
_UUID = re.compile(rb"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ESCAPES = re.compile(rb"(?:\\{1,2}[a-z]?[0-9a-f]{2,4}[^\\]{0,8}){8}")
_SENTENCE = re.compile(
    rb"(?i)\b(?:is|are|must|should|be|can|cannot|not|your|the|please|enter|for|of|to|this|too|was|"
    rb"an?|you|if|no)\b"
)
_PATH = re.compile(rb"(?:\.{0,2}|~)/|[A-Za-z]:[/\\]")
_NUMBERS = re.compile(rb"[0-9.:=,x -]+")
_DIGIT = re.compile(rb"[0-9]")
_SYMBOL = re.compile(rb"[^A-Za-z0-9_.:/\\?\s,;()\[\]{}<>&|'\"`-]")
_LETTERS = re.compile(rb"[A-Za-z]+")
_CAMELS = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+")


def judge(key: bytes, value: bytes, *, quoted: bool) -> str | None:
    """What the value of a key is, one of LABELS; None: no secret.

    `quoted`: it stood in quotes, or is a member of a JSON object.
    """
    name = told(key)
    if name is None or is_reference(value) or _is_path(value):
        return None
    kind, exact = name
    match kind:
        case Kind.PASSWORD:
            secret = _quoted_password(value, exact=exact) if quoted else _bare_password(value)
        case Kind.KEY | Kind.CREDENTIAL:
            secret = _is_key(value)
        case _:
            secret = _is_token(value, quoted=quoted)
    return kind.value if secret else None


def is_opaque(value: bytes, least: int = _LEAST_OPAQUE) -> bool:
    """Whether a value is at least so long and random, whatever it is called."""
    return (
        len(value) >= least
        and bool(_OPAQUE.fullmatch(value))
        and not is_filler(value)
        and 5 * strange(value) >= 3 * len(value)
    )


def _is_key(value: bytes) -> bool:
    if _UUID.fullmatch(value) or value.isdigit():
        return False
    return is_opaque(value) or bool(_ESCAPES.search(value))


def _is_path(value: bytes) -> bool:
    return bool(_PATH.match(value)) and 2 * strange(value) < len(value)


def _is_token(value: bytes, *, quoted: bool) -> bool:
    size = len(value)
    if size < (_LEAST_DIGITS if value.isdigit() else _LEAST_TOKEN) or is_filler(value):
        return False
    if len(_SYMBOL.findall(value)) > 2 and _DIGIT.search(value) and b" " not in value:
        return True
    rest = unusual_rest(value)
    if b" " in value.strip() and (2 * rest < size or _SENTENCE.search(value)):
        return False
    return rest >= 5 and (3 * rest >= size if quoted else 5 * rest >= 2 * size)


def _quoted_password(value: bytes, *, exact: bool) -> bool:
    if len(value) < _LEAST or not re.search(rb"\w", value) or is_mask(value):
        return False
    if unusual_rest(value) >= 4:
        return True
    if META.search(value) or _SENTENCE.search(value):
        return _is_marked(value) or _is_phrase(value)
    parts = _LETTERS.findall(value)
    if _SYMBOL.search(value[:-1]) or _DIGIT.search(value):
        return True
    if b" " in value:
        return not value[:1].isupper() and len(parts) > 2
    return exact and (len(_CAMELS.findall(value)) == 1 or len(parts) >= 4)


def _bare_password(value: bytes) -> bool:
    if len(value) < _LEAST or is_mask(value):
        return False
    if _NUMBERS.fullmatch(value):
        return value.isdigit()
    rest = unusual_rest(value)
    if rest >= 4 and 10 * rest >= 3 * len(value):
        return True
    if META.search(value):
        return _is_marked(value)
    digit, symbol = _DIGIT.search(value), _SYMBOL.search(value[:-1])
    return bool(digit and symbol if re.search(rb"[./:]", value) else digit or symbol)


def _is_marked(value: bytes) -> bool:
    """Whether a value has a sign and a digit, as passwords have to and words never do."""
    return b" " not in value and bool(_SYMBOL.search(value) and _DIGIT.search(value))


def _is_phrase(value: bytes) -> bool:
    """Whether a value is a phrase of small words that is neither a message nor about itself."""
    words = value.split(b" ")
    if len(words) < 4 or not value.islower() or _SENTENCE.search(value):
        return False
    return not any(told(word) for word in words)
