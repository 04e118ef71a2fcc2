"""One request from a client: whole, of bounded size, in a bounded time, and alone."""

import asyncio
from dataclasses import dataclass

from proxy.guard.engine import PIECE
from proxy.guard.head import Head, cut_head, parse_head
from proxy.guard.refusal import LATE, MALFORMED, Refusal

_LARGE = 65536
_LARGE_BODIES = 2  # at one time: each is kept whole, and more than once while it is judged


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks."""

    head: Head
    body: bytes


class Intake:
    """Takes requests in. `seconds`: for a head, and again for a body."""

    def __init__(self, seconds: float = 10.0) -> None:
        self._seconds = seconds
        self._large = asyncio.Semaphore(_LARGE_BODIES)

    async def take(self, reader: asyncio.StreamReader) -> Request | Refusal | None:
        """The one request of a connection; None where nothing came. Raises OSError.

        It is to be released once it is done with.
        """
        try:
            async with asyncio.timeout(self._seconds):
                found = await _head(reader)
            if not isinstance(found, tuple):
                return found
            head, rest = found
            if len(rest) > head.length:  # another request, or the input of a program too early
                return MALFORMED
            return await self._whole(reader, head, rest)
        except TimeoutError:
            return LATE
        except asyncio.IncompleteReadError:
            return MALFORMED

    def release(self, request: Request) -> None:
        """Have room for another one with a large body."""
        if request.head.length > _LARGE:
            self._large.release()

    async def _whole(self, reader: asyncio.StreamReader, head: Head, rest: bytes) -> Request:
        if head.length > _LARGE:
            await self._large.acquire()
        try:
            async with asyncio.timeout(self._seconds):
                return Request(head, rest + await reader.readexactly(head.length - len(rest)))
        except BaseException:
            if head.length > _LARGE:
                self._large.release()
            raise


async def _head(reader: asyncio.StreamReader) -> tuple[Head, bytes] | Refusal | None:
    """The head, and what came together with it."""
    data = b""
    while piece := await reader.read(PIECE):
        data += piece
        cut = cut_head(data)
        if isinstance(cut, Refusal):
            return cut
        if cut is not None:
            head = parse_head(cut[0])
            return head if isinstance(head, Refusal) else (head, cut[1])
    return MALFORMED if data else None
