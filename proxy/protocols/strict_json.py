"""JSON read so that every other reader of the same bytes finds the same value, or not at all.

RFC 8259 leaves duplicate keys, NaN, encodings and depth to implementations, and where two of them
differ an attacker shows each its own document. What could be read in two ways is refused.
"""

import itertools
import json
import math
import re
from collections.abc import Mapping
from typing import Any, cast

from proxy.decision import Malformed
from proxy.reasons import Reason
from proxy.values import Json

MAX_DEPTH = 64
# In another character set the same bytes are another text.
UTF8 = r"[ \t]*(?:;[ \t]*(?:charset=\"?utf-8\"?[ \t]*)?)?"
# One that has no end reaches to the end: else each quote in it would be tried in turn.
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^][{}]+")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
JSON_TYPE = re.compile(rf"application/json{UTF8}")
"""The media types, in lower case, of what is read here."""


def loads(data: bytes) -> Json:
    """The one value that `data` means; raises Malformed(BODY_MALFORMED)."""
    try:
        text = data.decode("utf-8")
        _check_depth(text)
        value = _DECODER.decode(text)
        if (
            "\\ud" in text.lower()
        ):  # a lone surrogate is a string to one reader, an error to another
            json.dumps(value, ensure_ascii=False).encode()
        return cast("Json", value)
    except (ValueError, RecursionError) as error:
        raise Malformed(Reason.BODY_MALFORMED, type(error).__name__) from error


def loads_object(data: bytes) -> Mapping[str, Json]:
    """The one object that `data` means; raises Malformed(BODY_MALFORMED)."""
    value = loads(data)
    if not isinstance(value, Mapping):
        raise Malformed(Reason.BODY_MALFORMED, "not an object")
    return value


def dumps(value: Json) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _check_depth(text: str) -> None:
    """Count brackets outside strings, before a recursive parser meets them."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    brackets = _NO_BRACKETS.sub("", _STRINGS.sub("", text))
    if max(itertools.accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_DEPTH:
        raise ValueError("too deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    return value


def _constant(name: str) -> float:
    raise ValueError(name)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("number out of range")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float)
