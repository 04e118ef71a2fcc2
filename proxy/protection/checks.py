"""What makes a match of a rule a secret, beyond its form.

A check answers under which name a match is counted and shown, or None: it is no secret.
"""

import base64
import binascii
import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.protection.keyed import is_opaque, judge
from proxy.protection.likeness import (
    counted,
    is_filler,
    is_mask,
    is_reference,
    strange,
    unusual_rest,
)
from proxy.protection.rule import Rule
from proxy.protection.words import SESSIONS, Kind, split, told

_NAME = string.ascii_letters.encode() + string.digits.encode() + b"_.$-"
_FIRST_OF_TWO = re.compile(rb"(?i)(?:api|access|secret|private|auth|signing|client) \Z")
_GOES_ON = re.compile(rb"[A-Za-z0-9_-]")
_ELEMENT = re.compile(rb"<[A-Za-z0-9_.:-]*\Z")
_ACCOUNT = re.compile(rb"(?i)\b(?:user|role|login|grant)\b")
_HOST = re.compile(rb"(?:\A|[\s\"']|\\n)[A-Za-z0-9_.*-]{1,63}\Z")
_BYTE = re.compile(rb"[0-9A-Fa-fx]+")
_PREFIX = 4  # of a format; what follows it is compared
_CLOSING = b",:]})+; \t\r\n"  # what follows a quote that ends a string
_QUOTES = (b'"', b"'", b"`")
_CALLS = (b"(", b"[", b"{")
_DISTINCT_BYTES = 6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A match that may be a secret, and what stands around it.

    `key`: the group of that name, b"" without one. `secret`: at most 1024 bytes. `before`: up to
    64 bytes before the match. `between`: from the end of `key` to `secret`, with assignment and
    quotes. `after`: up to 8 bytes after the secret, cut right after the first white space.
    """

    rule: Rule
    key: bytes
    secret: bytes
    before: bytes
    between: bytes
    after: bytes

    @property
    def name(self) -> bytes:
        """The whole name that `key` ends, with what of it stands before the match."""
        two = _FIRST_OF_TWO.search(self.before)
        return (two[0].lower() if two else self.prefix) + self.key

    @property
    def prefix(self) -> bytes:
        """What of the name stands before the match."""
        return self.before[len(self.before.rstrip(_NAME)) :]


def _random(candidate: Candidate) -> str | None:
    """Known by its format: anything but an example of it."""
    secret = candidate.secret
    body = secret[_PREFIX:]
    commonest = max((body.count(each) for each in {*body}), default=0)
    if is_reference(secret) or 2 * commonest > len(body) or 2 * counted(secret) >= len(secret):
        return None
    return candidate.rule.id


def _whole(candidate: Candidate) -> str | None:
    """Known by its format, which has one length: not the beginning of something longer."""
    return None if _GOES_ON.match(candidate.after) else _random(candidate)


def _quoted(candidate: Candidate) -> str | None:
    """A value in quotes after a telling key; in a call or a list only what is random."""
    opening, closing = candidate.between[-1:], candidate.between.lstrip(b"\\")[:1]
    if opening != closing and candidate.secret[:1] in _CLOSING:
        return None
    listed = b"," in candidate.between
    if listed and closing not in _QUOTES:
        return None
    if (listed or b"(" in candidate.between) and not _is_unusual(candidate.secret):
        return None
    return judge(candidate.name, candidate.secret, quoted=True)


def _is_unusual(value: bytes) -> bool:
    return unusual_rest(value) >= 4 or is_opaque(value, 8)


def _bare(candidate: Candidate) -> str | None:
    """A value without quotes: no call, no index, and no name of a variable."""
    if candidate.after[:1] in _CALLS or candidate.after[:2] == b"::":
        return None
    return judge(candidate.name, candidate.secret, quoted=False) or _setting(candidate)


def _setting(candidate: Candidate) -> str | None:
    """A word in a file of settings: `DB_PASSWORD=swordfish`."""
    secret = candidate.secret
    if candidate.between != b"=" or not secret.isalnum() or not candidate.name.isupper():
        return None
    label = judge(candidate.name, secret, quoted=True)
    return label if label == Kind.PASSWORD.value else None


def _element(candidate: Candidate) -> str | None:
    """The text of an XML element with a telling name."""
    text = candidate.secret.strip()
    if not _ELEMENT.search(candidate.before) or any(sign in text for sign in (b" ", b'"')):
        return None
    return judge(candidate.name, text, quoted=True)


def _loose(candidate: Candidate) -> str | None:
    """A random value beside a telling word."""
    name = told(candidate.name)
    return name[0].value if name and is_opaque(candidate.secret) else None


def _near(candidate: Candidate) -> str | None:
    """A value of letters and digits beside a telling word."""
    secret = candidate.secret
    if len(secret) < 8 or candidate.after[:1] in _CALLS or 2 * strange(secret) < len(secret):
        return None
    return judge(candidate.name, secret, quoted=False)


def _bytes(candidate: Candidate) -> str | None:
    """A list of bytes that a key is made of."""
    name = told(candidate.name)
    different = len({*_BYTE.findall(candidate.secret)}) > _DISTINCT_BYTES
    return name[0].value if name and name[1] and different else None


def _option(candidate: Candidate) -> str | None:
    """The value of an option on a command line: `--api-key x`."""
    prefix = candidate.prefix
    if prefix and not prefix.startswith(b"-"):
        return None
    quoted = candidate.between[-1:] in _QUOTES
    return judge(candidate.key, candidate.secret, quoted=quoted)


def _opaque(candidate: Candidate) -> str | None:
    """A random value, whatever it is called."""
    return Kind.TOKEN.value if is_opaque(candidate.secret) else None


def _session(candidate: Candidate) -> str | None:
    """A random value that a session or a signature is."""
    known = not SESSIONS.isdisjoint(split(candidate.name))
    return Kind.CREDENTIAL.value if known and is_opaque(candidate.secret) else None


def _bearer(candidate: Candidate) -> str | None:
    """The credential after a scheme of authorization (RFC 6750): no word of prose."""
    secret = candidate.secret
    if is_reference(secret) or is_filler(secret) or unusual_rest(secret) < 4:
        return None
    return Kind.BEARER.value


def _basic(candidate: Candidate) -> str | None:
    """A user and a password in Base64 (RFC 7617)."""
    secret = candidate.secret.rstrip(b"=")
    try:
        plain = base64.b64decode(secret + b"=" * (-len(secret) % 4), validate=True)
    except (ValueError, binascii.Error):
        plain = b""
    pair = b":" in plain and plain.isascii()
    random = 2 * strange(secret) >= len(secret) and not is_filler(secret)
    return "basic" if pair or random else None


def _given(candidate: Candidate) -> str | None:
    """Known by what stands around it: anything but what stands for it."""
    secret = candidate.secret
    if is_reference(secret) or is_mask(secret) or secret[:1] in b"$%{<[":
        return None
    return candidate.rule.id


def _glued(candidate: Candidate) -> str | None:
    """Glued to an option of one letter: no longer option."""
    secret = candidate.secret
    longer = secret.startswith((b"ort", b"rotocol", b"lugin")) or b"=" in secret
    return None if longer else _given(candidate)


def _mixed(candidate: Candidate) -> str | None:
    """Known by what stands around it, which is less sure: letters and digits."""
    secret = candidate.secret
    if secret.isalpha() or secret.isdigit() or strange(secret) < 4:
        return None
    return _given(candidate)


def _pgpass(candidate: Candidate) -> str | None:
    """The last field of a line that begins with a host."""
    return _mixed(candidate) if _HOST.search(candidate.before) else None


def _userinfo(candidate: Candidate) -> str | None:
    """What follows a user and a colon: no module of a module."""
    return None if candidate.secret.startswith(b":") else _given(candidate)


def _netrc(candidate: Candidate) -> str | None:
    """The password of a line that names a login."""
    return _given(candidate) if b"login" in candidate.before else None


def _sql(candidate: Candidate) -> str | None:
    """The password of a statement that names a user."""
    return _given(candidate) if _ACCOUNT.search(candidate.before) else None


CHECKS: Mapping[str, Callable[[Candidate], str | None]] = {
    "random": _random,
    "keyed": _quoted,
    "keyed-bare": _bare,
    "keyed-element": _element,
    "keyed-loose": _loose,
    "keyed-near": _near,
    "keyed-bytes": _bytes,
    "keyed-option": _option,
    "opaque": _opaque,
    "session": _session,
    "bearer": _bearer,
    "basic": _basic,
    "given": _given,
    "glued": _glued,
    "whole": _whole,
    "mixed": _mixed,
    "netrc": _netrc,
    "pgpass": _pgpass,
    "userinfo": _userinfo,
    "sql": _sql,
}
"""The checks by the names that rules give."""
