"""A post taken apart: its headers, its type and the JSON in it.

The counterpart is `event`, which is made of the parts. As in `strict_json`, what could be read in
two ways is refused.
"""

import re
from collections.abc import Mapping

from proxy.decision import Malformed
from proxy.protocols.strict_json import JSON_TYPE, UTF8, loads_object
from proxy.reasons import Reason
from proxy.values import Headers, Json

_FORM_TYPE = re.compile(rf"application/x-www-form-urlencoded{UTF8}")


def header(headers: Headers, name: str) -> str:
    """The value of a header that came once; raises Malformed."""
    value = optional(headers, name)
    if value is None:
        raise Malformed(Reason.BODY_MALFORMED, f"no header {name}")
    return value


def optional(headers: Headers, name: str) -> str | None:
    """The value of a header that came at most once; raises Malformed."""
    values = headers.all(name)
    if len(values) > 1:
        raise Malformed(Reason.BODY_MALFORMED, f"{len(values)} headers {name}")
    return values[0] if values else None


def check_unencoded(headers: Headers) -> None:
    """Refuse a body that its reader would have to unpack first."""
    if any(encoding.lower() != "identity" for encoding in headers.all("content-encoding")):
        raise Malformed(Reason.BODY_UNTYPED)


def is_form(headers: Headers) -> bool:
    """Whether a post is a form and not JSON; raises Malformed where it is neither."""
    check_unencoded(headers)
    types = [content_type.lower() for content_type in headers.all("content-type")]
    if len(types) != 1:
        raise Malformed(Reason.BODY_UNTYPED)
    if _FORM_TYPE.fullmatch(types[0]):
        return True
    if not JSON_TYPE.fullmatch(types[0]):
        raise Malformed(Reason.BODY_UNTYPED)
    return False


def document(data: bytes, headers: Headers) -> Mapping[str, Json]:
    """The JSON object that a post is; raises Malformed."""
    if is_form(headers):
        raise Malformed(Reason.BODY_UNTYPED)
    return loads_object(data)


def inside(value: Json, *names: str) -> Json:
    """What stands in `value` under these names, one within the other; None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
