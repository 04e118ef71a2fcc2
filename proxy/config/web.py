"""HTTP as configuration keys hold it: the upstream's URL, raw paths, headers. A sibling of `text`.

A path here is raw and in the one normal form that layer 1 admits, so that what is configured, what
is matched and what goes up are the same bytes.
"""

import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, SecretStr

from proxy.config.address import host
from proxy.config.deferred import Checked
from proxy.config.text import Form

_SEGMENT = r"[A-Za-z0-9._~!$&'()+,=:@-]+"
_NO_DOTS = r"(?!.*/\.\.?(?:/|$))"
_RAW = "a plain absolute path: no '..', '//', '%', ';', '?', '#' or '*'"

_OWN = frozenset({"/health", "/livez", "/readyz", "/pair", "/webhook", "/whatsapp", "/tools"})

# Framing, coding and the connection itself are Sidegate's own (RFC 9110 section 7.6.1); another
# request id would break the trail from the upstream's log to the audit log.
_RESERVED = frozenset(
    {
        *("host", "content-length", "content-type", "content-encoding", "accept-encoding"),
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "expect", "proxy-authenticate", "proxy-authorization", "x-request-id"),
    }
)


def _not_own(path: str) -> str:
    if path.removesuffix("*").rstrip("/") in _OWN or path.startswith(("/tools/", "/webhook/")):
        raise ValueError("must not be one of Sidegate's own paths")
    return path


def _url(text: str) -> str:
    """The URL without a slash at its end, so that `{url}/tools/…` is a path."""
    try:
        rebuilt = _rebuilt(urlsplit(text))
    except ValueError:
        raise ValueError("must be an http or https URL such as http://agent:8080") from None
    # Compared, so that nothing which urlsplit drops or repairs goes unnoticed.
    if "@" in text:
        raise ValueError("must hold no user or password; use upstream.headers")
    if rebuilt.lower() != text.rstrip("/").lower():
        raise ValueError("must be a plain URL, without query or fragment")
    return rebuilt


def _rebuilt(parts: SplitResult) -> str:
    name = host(parts.hostname or "")
    if parts.scheme not in ("http", "https") or parts.port == 0:
        raise ValueError("scheme or port")
    path = Form(rf"{_NO_DOTS}(?:/{_SEGMENT})*", "plain").check(parts.path.rstrip("/"))
    address = f"[{name}]" if ":" in name else name
    port = "" if parts.port is None else f":{parts.port}"
    return f"{parts.scheme}://{address}{port}{path}"


def _settable(name: str) -> str:
    if name.lower() in _RESERVED:
        raise ValueError("this header is set by Sidegate itself")
    return name


def _header_value(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value.get_secret_value()):
        raise ValueError("must be printable ASCII, not empty, without spaces around it")
    return value


HttpUrl = Annotated[str, AfterValidator(_url), Field(json_schema_extra={"format": "uri"})]
UpstreamPath = Annotated[str, Form(rf"{_NO_DOTS}/(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?", _RAW)]
ScopePath = Annotated[
    str,
    Form(
        rf"{_NO_DOTS}/(?:{_SEGMENT}(?:/{_SEGMENT})*(?:/\*?)?|\*)?",
        f"{_RAW}, but for a last '/*'",
    ),
]
RoutePath = Annotated[
    str,
    Form(
        rf"{_NO_DOTS}/(?:{_SEGMENT}(?:/{_SEGMENT})*(?:/\*?)?)?",
        f"{_RAW}, but for a last '/*' below the first segment",
    ),
    AfterValidator(_not_own),
]
# `_` is left out of a token (RFC 9110 section 5.6.2): CGI-like servers read it as '-', and layer 1
# refuses it. It leaves NAME_file free for secrets that live in a file.
HeaderName = Annotated[
    str,
    Form(r"[!#$%&'*+.^`|~0-9A-Za-z-]+", "a header name, without '_'"),
    AfterValidator(_settable),
]
HeaderValue = Annotated[SecretStr, Checked(_header_value)]
