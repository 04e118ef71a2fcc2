"""The header fields of 2026-07-28 that repeat the body, for who routes without reading it.

Whoever decides by the fields and whoever acts by the body must see one thing, so a field that is
missing, doubled or different refuses the request (2026-07-28, Streamable HTTP, Standard Headers).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from proxy.decision import Malformed
from proxy.jsonrpc import Notification, Request
from proxy.protocols.mcp.annotated import Annotation, annotations, at
from proxy.protocols.mcp.methods import METHODS
from proxy.reasons import Reason
from proxy.values import Headers, Json

REVISION = "MCP-Protocol-Version"
METHOD = "Mcp-Method"
NAME = "Mcp-Name"
PARAM = "Mcp-Param-"
_CODED = re.compile(r"=\?base64\?(.*)\?=", re.ASCII | re.DOTALL)
_PLAIN = re.compile(r"[ -~]*", re.ASCII)
_DECIMAL = re.compile(r"(-?[0-9]{1,40})(?:\.0{1,40})?", re.ASCII)


def check(headers: Headers, message: Request | Notification, revision_in_body: Json) -> None:
    """Refuse fields that say something else than the body; raises Malformed(HEADER_MISMATCH).

    A notification need not repeat anything beside the revision, but nothing may be said wrong.
    """
    check_single(headers)
    must = isinstance(message, Request)
    stated = revision_in_body if must or revision_in_body is not None else headers.get(REVISION)
    _agree(headers.get(REVISION), stated, REVISION, must=True)
    _agree(headers.get(METHOD), message.method, METHOD, must=must)
    mirrored = METHODS[message.method].mirrored if message.method in METHODS else None
    value = message.params.get(mirrored) if mirrored is not None else None
    if value is not None:
        said = headers.get(NAME)
        _agree(None if said is None else decoded(said), value, NAME, must=True)


def check_single(headers: Headers) -> None:
    """Refuse a field that is there twice, since two readers would take another of them each."""
    for name in (REVISION, METHOD, NAME):
        if len(headers.all(name)) > 1:
            raise Malformed(Reason.HEADER_MISMATCH, f"{name} twice")


def parameters(headers: Headers, schema: Mapping[str, Json], arguments: Mapping[str, Json]) -> bool:
    """Whether the fields of parameters agree with the arguments of a tool of this schema.

    A schema whose annotations are not valid is one that no client may follow: it checks nothing.
    """
    found = annotations(schema)
    return found is None or all(_agrees(headers, each, arguments) for each in found)


def made(request: Request, revision: str, schema: Mapping[str, Json] | None) -> Headers:
    """The fields that go with a request to a server. `schema`: that of the tool it calls."""
    method = METHODS.get(request.method)
    name = request.params.get(method.mirrored) if method and method.mirrored else None
    named = ((NAME, encoded(name)),) if isinstance(name, str) else ()
    arguments = request.params.get("arguments")
    called = arguments if isinstance(arguments, Mapping) else {}
    repeated = tuple(_repeated(schema or {}, called)) if request.method == "tools/call" else ()
    return Headers(((REVISION, revision), (METHOD, request.method), *named, *repeated))


def encoded(text: str) -> str:
    """`text` as the value of a field: as it is where that is safe, else in base64."""
    if _PLAIN.fullmatch(text) and text == text.strip() and not _CODED.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def decoded(value: str) -> str | None:
    """The text that the value of a field stands for, None where it stands for none.

    Only the one way in which `encoded` writes a text in base64 is read.
    """
    coded = _CODED.fullmatch(value)
    if coded is None:
        return value
    try:
        text = base64.b64decode(coded[1], validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return text if base64.b64encode(text.encode()).decode() == coded[1] else None


def _agree(said: str | None, meant: Json, name: str, *, must: bool) -> None:
    wrong = must if said is None else said != meant
    if wrong:
        raise Malformed(Reason.HEADER_MISMATCH, name)


def _repeated(
    schema: Mapping[str, Json], arguments: Mapping[str, Json]
) -> Iterator[tuple[str, str]]:
    for each in annotations(schema) or ():
        text = _written(at(arguments, each.path))
        if text is not None:
            yield f"{PARAM}{each.header}", encoded(text)


def _agrees(headers: Headers, annotation: Annotation, arguments: Mapping[str, Json]) -> bool:
    said = headers.all(f"{PARAM}{annotation.header}")
    value = at(arguments, annotation.path)
    meant = _written(value)
    if meant is None or not said:
        return meant is None and not said
    text = decoded(said[0]) if len(said) == 1 else None
    return text is not None and _same(annotation.kind, value, meant, text)


def _same(kind: str, value: Json, meant: str, text: str) -> bool:
    """Whether a field says the value: as it is written, or for integers the same number."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    number = _DECIMAL.fullmatch(text)
    if kind != "integer" or isinstance(value, bool) or not whole or number is None:
        return text == meant
    assert isinstance(value, int | float)
    return int(number[1]) == int(value)


def _written(value: Json) -> str | None:
    """A value as a field repeats it; None for what is not repeated."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
