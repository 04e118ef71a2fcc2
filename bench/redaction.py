"""Redaction: the text that layer 5 passes on in a second of a processor, streamed by an agent."""

import statistics
import time
from collections.abc import AsyncIterator

from bench.report import Measure, Row
from proxy.actions import Headers, Operate
from proxy.decision import Allow
from proxy.exchange import Frame, Grant, Principal, Raw, Role, Stream
from proxy.protection.redactor import Redactor

ROUNDS = 7
_PIECE = 16384
_SIZE = 4 << 20
_HELD = ("bench-held-credential-0001", "bench-held-credential-0002")
_LINES = b"".join(
    b'{"time":"2026-01-05T10:%02d:07Z","level":"info","event":"request","path":"/v1/items/%d",'
    b'"status":200,"seconds":0.0%d,"note":"nothing of note happened here, as on most days"}\n'
    % (number % 60, number * 7919, number % 97)
    for number in range(24)
)
_SECRET = b'{"user":"demo","api_key":"sk-demo-1234567890abcdefghij","ok":true}\n'


async def rows() -> list[Row]:
    """A text without secrets, and one with a secret in about every four kilobytes."""
    return [
        await _row("without secrets", _LINES, found=False),
        await _row("a secret every 4 kB", _LINES + _SECRET, found=True),
    ]


async def _row(figure: str, text: bytes, *, found: bool) -> Row:
    data = text * (_SIZE // len(text))
    redactor = Redactor(_HELD)
    rates = []
    for _ in range(ROUNDS):
        start = time.process_time()
        if await _redact(redactor, data) is not found:
            raise OSError(f"redaction, {figure}: what was found is not what is there")
        rates.append(len(data) / (time.process_time() - start) / 1e6)
    return Row(f"redaction, {figure}", Measure(statistics.median(rates), "MB/s"))


async def _redact(redactor: Redactor, data: bytes) -> bool:
    """Whether anything was found."""
    action = Operate("bench")
    grant = Grant("bench", "front", Principal("bench", Role.CLIENT), action, action, acting=False)
    headers = Headers((("content-type", "text/plain"),))
    decision = await redactor.redact(Raw(grant, Stream(200, headers, _frames(data))))
    assert isinstance(decision, Allow)
    assert isinstance(decision.value.content, Stream)
    async for _ in decision.value.content.frames:
        pass
    return bool(decision.value.tally)


async def _frames(data: bytes) -> AsyncIterator[Frame]:
    for at in range(0, len(data), _PIECE):
        yield Frame("body", data[at : at + _PIECE], final=at + _PIECE >= len(data))
