"""What of an upstream's answer may be passed on, and how it is read.

A broken answer stays a broken answer: whatever ends before its end raises. Where only the end of
the connection is the end (RFC 9112 section 6.3), a connection that is closed in order ends it.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
from aiohttp import HttpVersion10, HttpVersion11

from proxy.decision import Malformed
from proxy.exchange import Frame
from proxy.protocols.strict_json import loads
from proxy.values import Json

_MAX_RESULT = 4 << 20
_CHUNK = 65536
# No header holds a control (RFC 9110 5.5), and what is no UTF-8 cannot be passed on in it.
_UNFIT = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
# Asked after a minute of silence, four times.
_ALIVE = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
_READABLE = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin1"})


def fit(response: aiohttp.ClientResponse) -> bool:
    """Whether its header can be passed on."""
    return not any(_UNFIT.search(value) for value in response.headers.values())


def inspectable(response: aiohttp.ClientResponse) -> bool:
    """Whether the redactor would read in the answer what the client will.

    So it is whole, unencoded, in a known character set, and says each of these things once.
    """
    headers = response.headers
    types = headers.getall("Content-Type", [])
    return (
        response.version in (HttpVersion10, HttpVersion11)
        and fit(response)
        and 200 <= response.status < 600
        and response.status != HTTPStatus.PARTIAL_CONTENT
        and _lowered(headers.getall("Content-Encoding", ["identity"])) == ["identity"]
        and _lowered(headers.getall("Transfer-Encoding", ["chunked"])) == ["chunked"]
        and len(types) <= 1
        and (response.charset or "").lower() in _READABLE
    )


def _lowered(values: list[str]) -> list[str]:
    return [value.lower() for value in values]


async def bounded(response: aiohttp.ClientResponse) -> bytes | None:
    """The whole body; None where it is larger than a result may be."""
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > _MAX_RESULT:
            return None
    return bytes(data)


def result(data: bytes, content_type: str) -> Json:
    """What a tool answered: its JSON, and anything else as a text."""
    if content_type == "application/json":
        try:
            return loads(data)
        except Malformed:
            pass
    return {"text": data.decode("utf-8", "replace")}


def watched(response: aiohttp.ClientResponse) -> bool:
    """Let the kernel ask, of an upstream that may be silent for hours, whether it is there at all.

    False where nobody can: the answer is there whole, or the connection gone. One that is lost is
    then found to be so within some two minutes (tcp(7)).
    """
    transport = response.connection.transport if response.connection is not None else None
    ends = transport.get_extra_info("socket") if transport is not None else None
    if ends is None:
        return False
    ends.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _ALIVE:
        ends.setsockopt(socket.IPPROTO_TCP, option, value)
    return True


async def frames(
    response: aiohttp.ClientResponse, idle: float | None, deadline: float | None
) -> AsyncIterator[Frame]:
    """The body as it comes, with `idle` seconds to each piece, until `deadline` of the loop.

    Raises TimeoutError past either; the time that the reader takes for a piece is not counted as
    idle.
    """
    while True:
        async with asyncio.timeout_at(deadline), asyncio.timeout(idle):
            piece = await response.content.readany()
        if not piece:
            return
        yield Frame("body", piece)
