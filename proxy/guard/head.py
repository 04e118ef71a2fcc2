"""The head of one request, read so that it can mean one thing only.

RFC 9112 lets a reader be generous: lone line feeds, folded lines, blanks before a colon, lengths
that are told twice. Where two readers are generous in different ways, one request hides in another.
Nothing is forgiven here, and the head is not passed on: the counterpart `calls` writes a new one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.guard.refusal import MALFORMED, TOO_LARGE, Refusal
from proxy.protocols.strict_json import JSON_TYPE

MAX_HEAD = 8192
MAX_BODY = 4 << 20  # a command line of 2 MiB is the most that Linux takes, and JSON escapes cost

_END = b"\r\n\r\n"
_LINE = re.compile(rb"(GET|POST|DELETE) (/[!-~]*) HTTP/1\.1")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([ -~]*)")
_UNFIT = re.compile(rb"[^\r\n -~\t]|\r[^\n]|(?<!\r)\n")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,9}")
_NEVER = ("transfer-encoding", "expect", "te", "trailer", "http2-settings", "content-encoding")
_CONNECTIONS = (None, "close", "keep-alive", "upgrade")


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body, of which there are `length` bytes.

    `upgrade`: it asks for the connection itself. `json`: its body is of that type.
    """

    method: str
    path: str
    query: str
    length: int = 0
    upgrade: bool = False
    json: bool = False


def cut_head(data: bytes) -> tuple[bytes, bytes] | Refusal | None:
    """The head, without its end, and what follows it; None while more of it is to come."""
    end = data.find(_END)
    if end > MAX_HEAD or (end < 0 and len(data) > MAX_HEAD):
        return TOO_LARGE
    head = data if end < 0 else data[:end]
    if _UNFIT.search(head):  # at once: such a head might never end
        return MALFORMED
    return None if end < 0 else (head, data[end + len(_END) :])


def parse_head(data: bytes) -> Head | Refusal:
    """What a head without its end means."""
    first, *lines = data.split(b"\r\n")
    line = _LINE.fullmatch(first)
    fields = _fields(lines)
    if line is None or fields is None or "host" not in fields:
        return MALFORMED
    length, upgrade = fields.get("content-length", "0"), _upgrade(fields)
    if not _LENGTH.fullmatch(length) or upgrade is None or any(map(fields.__contains__, _NEVER)):
        return MALFORMED
    method, target = line[1].decode(), line[2].decode()
    path, mark, query = target.partition("?")
    if "%" in path or (mark and not query) or (method == "GET" and "content-length" in fields):
        return MALFORMED
    if int(length) > MAX_BODY:
        return TOO_LARGE
    json = JSON_TYPE.fullmatch(fields.get("content-type", "").lower()) is not None
    return Head(method, path, query, int(length), upgrade, json)


def _fields(lines: list[bytes]) -> Mapping[str, str] | None:
    """By lower-case names; None where one is told twice, which readers settle differently."""
    found: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            return None
        name = match[1].decode().lower()
        if name in found:
            return None
        found[name] = match[2].decode().rstrip()
    return found


def _upgrade(fields: Mapping[str, str]) -> bool | None:
    """Whether the connection is asked for; None where that is half said, or for another use."""
    connection = fields.get("connection")
    connection = connection.lower() if connection is not None else None
    wanted = fields.get("upgrade")
    if connection not in _CONNECTIONS or wanted not in (None, "tcp"):
        return None
    return wanted is not None if (connection == "upgrade") == (wanted is not None) else None
