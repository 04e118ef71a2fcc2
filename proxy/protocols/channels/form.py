"""Forms, `a=1&b=2`, read so that every other reader finds the same fields, or not at all.

A sibling of `strict_json`, for query strings and for bodies that are forms. Readers differ over
separators, over a name that comes twice and over bytes that should have been encoded (WHATWG URL,
section 5.1, repairs them); what they could differ over is refused.
"""

import re
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from proxy.decision import Malformed
from proxy.reasons import Reason

_MAX_FIELDS = 100
# What some encoder or other leaves as it is; ';' separates fields to old readers (CVE-2021-23336).
_TEXT = r"(?:[A-Za-z0-9!'()*._~+-]|%[0-9A-Fa-f]{2})*"
_FIELD = re.compile(rf"([A-Za-z0-9._-]{{1,64}})=({_TEXT})")


def fields(data: bytes) -> Mapping[str, str]:
    """The fields of a form; raises Malformed."""
    found: dict[str, str] = {}
    parts = data.decode("latin-1").split("&", _MAX_FIELDS - 1)
    for part in parts:
        field = _FIELD.fullmatch(part)
        if field is None or field[1] in found:
            raise Malformed(Reason.BODY_MALFORMED, "not a form")
        found[field[1]] = _decoded(field[2])
    return found


def _decoded(text: str) -> str:
    try:
        value = unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed(Reason.BODY_MALFORMED, "a field is not text") from error
    if "\0" in value:
        raise Malformed(Reason.BODY_MALFORMED, "a field holds NUL")
    return value
