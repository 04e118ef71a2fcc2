"""The key by which a client says that two requests are one, in the header fields that carry it.

`Idempotency-Key` is a string in quotes by its specification (draft-ietf-httpapi-idempotency-key-
header-07, RFC 8941 section 3.3.3), and bare in the hands of most; clients of ZeroClaw call it
`X-Idempotency-Key`. All four spellings of one key are that key. `authorization.keys` makes of it
what is remembered.
"""

import re

from proxy.decision import Malformed
from proxy.reasons import Reason
from proxy.values import Headers

_NAME = "Idempotency-Key"
_NAMES = (_NAME.lower(), "x-idempotency-key")
_SPACE = " \t"  # what HTTP allows around a value, and no more
_MAX = 255
_BARE = re.compile(r"[!#-~][!-~]*")
_QUOTED = re.compile(r'"((?:[!#-\[\]-~]|\\["\\])+)"')


def given_key(headers: Headers) -> str | None:
    """The key, None where none is given or it is blank; raises Malformed."""
    given = {_key(value) for name in _NAMES for value in headers.all(name) if value.strip(_SPACE)}
    if len(given) > 1:
        raise Malformed(Reason.IDEMPOTENCY_MALFORMED, "two keys")
    return next(iter(given), None)


def keyed(headers: Headers) -> bool:
    """Whether there is a key, or something in the place of one."""
    return any(_is_key(name) and value.strip(_SPACE) for name, value in headers)


def with_key(headers: Headers, key: str) -> Headers:
    """The fields with `key` among them, unless the sender gave one of its own."""
    fields = tuple(each for each in headers if not _is_key(each[0]) or each[1].strip(_SPACE))
    given = any(_is_key(name) for name, _ in fields)
    return Headers(fields if given else (*fields, (_NAME, key)))


def _is_key(name: str) -> bool:
    return name.lower() in _NAMES


def _key(value: str) -> str:
    text = value.strip(_SPACE)
    quoted = _QUOTED.fullmatch(text)
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text
    if len(key) > _MAX or not (quoted or _BARE.fullmatch(text)):
        raise Malformed(Reason.IDEMPOTENCY_MALFORMED, "no key")
    return key
