"""What is wrong, in plain words: from pydantic's errors to lines for people.

The counterpart is `section`, whose validators raise what is translated here. A message names what
would be accepted, never what was given: `ErrorDetails["input"]` is looked at only to find a near
word among the accepted ones, and never for a secret.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from proxy.config import keys
from proxy.config.draft import KeyPath
from proxy.config.near import did_you_mean

_FIXED: Mapping[str, str] = {
    "missing": "required",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "mapping_type": "must be a mapping",
    "model_type": "must be a mapping",
}
_BOUNDS: Mapping[str, tuple[str, str]] = {
    "greater_than": ("must be more than", "gt"),
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
}


def key_of(error: ErrorDetails) -> KeyPath:
    """The key that `error` is about; pydantic marks an error of a key itself by a last `[key]`."""
    location = error["loc"]
    return location[:-1] if location[-1:] == ("[key]",) else location


def words(error: ErrorDetails) -> str:
    """What is wrong, as the end of a line that already names the key."""
    context: Mapping[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            key = error["loc"]
            return "unknown key" + did_you_mean(str(key[-1]), keys.names(key[:-1]))
        case "string_type":
            return _not_text(error["input"])
        case "enum" | "literal_error":
            return _not_among(error, str(context["expected"]))
        case "value_error":
            return str(context["error"])
        case kind if kind in _BOUNDS:
            phrase, bound = _BOUNDS[kind]
            return f"{phrase} {context[bound]}".removesuffix(".0")
        case kind:
            return _FIXED.get(kind, error["msg"])


def _not_text(value: object) -> str:
    quotable = isinstance(value, bool | int | float)
    return "must be text; quote it" if quotable else "must be text"


def _not_among(error: ErrorDetails, expected: str) -> str:
    """`expected` is pydantic's own list of the accepted words: 'a', 'b' or 'c'."""
    accepted = expected.split("'")[1::2]
    given = error["input"]
    near = isinstance(given, str) and not keys.is_secret(error["loc"])
    hint = did_you_mean(str(given), accepted) if near else ""
    one_of = "one of " if len(accepted) > 1 else ""
    return f"must be {one_of}{', '.join(accepted)}{hint}"
