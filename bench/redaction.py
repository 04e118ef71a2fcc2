"""Redaction: text and JSON through layer 5, streamed or whole, with all rules that are shipped.

The peers read the same bytes in the same run: the bare automaton of the same rules, which judges
nothing and cannot take a text in pieces, and a loop over them with the standard library's `re`.
"""

import asyncio
import json
import re
import statistics
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import re2

from bench import corpus
from bench.measure import Ratio, for_a_while
from bench.report import Goal, Measure, Report, Row
from proxy.actions import Operate
from proxy.decision import Allow
from proxy.exchange import Content, Document, Frame, Grant, Principal, Raw, Role, Stream
from proxy.protection.expression import unnamed
from proxy.protection.redactor import Redactor, shipped_rules
from proxy.values import Headers, Json

ROUNDS = 5
SIZE, PIECE = 4 << 20, 16384
BARE, LOOP = "bare RE2", "loop over `re`"
_HELD = ("bench-held-credential-0001", "bench-held-credential-0002")
_BARE = (
    1 << 19
)  # of a text: until the bare automaton has seen it, it takes half a minute a megabyte
_LOOPED = 1 << 16  # which a loop over `re` takes long for
_ANSWER = 10_000
_HOLD_BACK = 2056  # two matches of 1,024 bytes, and what may stand after a secret
_MEMORY = 1 << 30

Texts = dict[str, bytes]
Call = Callable[[bytes], object]


async def measure() -> Report:
    """The figures; raises OSError where what is found is not what is there."""
    rules = len(shipped_rules().rules)
    about = f"{rules} rules, {SIZE >> 20} MB in pieces of {PIECE >> 10} kB"
    return Report("Redaction", about, await rows())


async def rows() -> list[Row]:
    """All figures of layer 5."""
    redactor = Redactor(_HELD)
    texts = {
        "without secrets": corpus.clean(SIZE),
        "a secret every 4 kB": corpus.leaky(SIZE),
        "near misses everywhere": corpus.hostile(SIZE >> 4),
    }
    return [
        *await _speed(redactor, texts),
        *await _walked(redactor),
        await _answer(redactor, texts["without secrets"][:_ANSWER]),
        *await _memory(redactor, texts["a secret every 4 kB"]),
        *[await _stall(redactor, name, text) for name, text in texts.items()],
    ]


# Speed


async def _speed(redactor: Redactor, texts: Texts) -> list[Row]:
    found = []
    clean, leaky, _ = texts
    bare, loop = _bare(), _loop()
    goals = {clean: Goal(0.5, 0.8, at_most=False), leaky: Goal(0.25, 0.5, at_most=False)}
    for name, data in texts.items():
        bare(data[:_BARE])
        ours, peer = [], []
        for _ in range(ROUNDS):
            ours.append(await _streamed(redactor, data, expected=name == leaky))
            peer.append(_rate(bare, data[:_BARE]))
        ratio, figure = Ratio.of_rounds(ours, peer), f"streamed, {name}"
        found.append(Row(figure, _rates(ours), BARE, _rates(peer), ratio, goals.get(name)))
        if name in goals:
            looped = [_rate(loop, data[:_LOOPED])]
            ratio = Ratio.of(statistics.median(ours) / looped[0])
            goal = Goal(100, 400, at_most=False)
            found.append(Row(figure, _rates(ours), LOOP, _rates(looped), ratio, goal))
    return found


def _bare() -> Call:
    """All rules as one automaton, as anybody would write it."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors, options.max_mem = False, _MEMORY
    joined = "|".join(f"(?:{unnamed(rule.regex)})" for rule in shipped_rules().rules)
    compiled = re2.compile(joined.encode(), options)
    return lambda data: compiled.sub(b"", data)


def _loop() -> Call:
    """One rule after another, in the syntax of the standard library, as far as it knows theirs."""
    compiled = []
    for rule in shipped_rules().rules:
        pattern = unnamed(rule.regex).replace(r"\z", r"\Z")
        try:
            compiled.append(re.compile(pattern.encode("latin-1")))
        except re.error:
            continue  # it does not know all of RE2's
    return lambda data: [each.sub(b"", data) for each in compiled]


def _rate(call: Call, data: bytes) -> float:
    """Megabytes in a second of the processor."""
    start = time.process_time()
    call(data)
    return len(data) / (time.process_time() - start) / 1e6


def _rates(rates: Sequence[float]) -> Measure:
    return Measure(statistics.median(rates), "MB/s")


async def _streamed(redactor: Redactor, data: bytes, *, expected: bool) -> float:
    start = time.process_time()
    found = await _redact(redactor, _stream(data))
    rate = len(data) / (time.process_time() - start) / 1e6
    if found is not expected:
        raise OSError(f"redaction: found {'something' if found else 'nothing'}, against all reason")
    return rate


async def _walked(redactor: Redactor) -> list[Row]:
    """A JSON value, where nothing is found and where something is."""
    size = SIZE >> 2
    return [
        _walk(redactor, "no telling word", corpus.nested(size, telling=False), 100),
        _walk(redactor, "telling words, no secret", corpus.nested(size), 3),
        _walk(redactor, "a secret every 4 kB", corpus.nested(size, secrets=True), 3, found=True),
    ]


def _walk(redactor: Redactor, name: str, data: bytes, goal: float, *, found: bool = False) -> Row:
    value: Json = json.loads(data)
    rates = []
    for _ in range(ROUNDS):
        start = time.process_time()
        same = redactor.walk(value)[0] is value
        rates.append(len(data) / (time.process_time() - start) / 1e6)
        if same is found:
            raise OSError(f"redaction of JSON, {name}: what was found is not what is there")
    return _alone(f"JSON walked, {name}", _rates(rates), Goal(goal, at_most=False))


async def _answer(redactor: Redactor, data: bytes) -> Row:
    """What a command's output waits for."""
    value: Json = {"stdout": data.decode(), "stderr": "", "exit_code": 0}

    async def call() -> None:
        await _redact(redactor, Document(value))

    measure = Measure.of(await for_a_while(call, 1.0))
    return _alone("an answer of 10 kB", measure, Goal(1.0, 0.1))


# What others notice


async def _memory(redactor: Redactor, data: bytes) -> list[Row]:
    """How much more memory is in use at one time, while a text is streamed, than before."""
    own = Path("/proc/self/status")

    def kilobytes(name: str) -> int:
        line = next(line for line in own.read_text().splitlines() if line.startswith(name))
        return int(line.split()[1])

    Path("/proc/self/clear_refs").write_text("5")  # proc(5): the peak begins anew
    resident = kilobytes("VmRSS:")
    await _redact(redactor, _stream(data))
    resident = max(0, kilobytes("VmHWM:") - resident)
    part = data[: len(data) >> 3]
    tracemalloc.start()
    await _redact(redactor, _stream(part))
    held = tracemalloc.get_traced_memory()[1] / 1024
    tracemalloc.stop()
    bound = 3 * (PIECE + _HOLD_BACK) / 1024
    peer, goal = "three pieces with what is held back", Goal(1.0)
    return [
        Row(figure, Measure(grown, "kB"), peer, Measure(bound, "kB"), Ratio.of(grown / bound), goal)
        for figure, grown in (("resident memory", resident), ("memory of objects", held))
    ]


async def _stall(redactor: Redactor, name: str, data: bytes) -> Row:
    """How long at most nobody else has a turn, while a text is streamed."""
    longest = []
    for _ in range(ROUNDS):
        gaps: list[float] = []
        ticking = asyncio.create_task(_tick(gaps))
        await _redact(redactor, _stream(data))
        ticking.cancel()
        longest.append(max(gaps))
    return _alone(f"stall, {name}", Measure(statistics.median(longest) * 1e3, "ms"), Goal(5.0))


async def _tick(gaps: list[float]) -> None:
    last = time.perf_counter()
    while True:
        await asyncio.sleep(0)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now


def _alone(figure: str, measure: Measure, goal: Goal) -> Row:
    """A figure whose goal is in its own unit."""
    return Row(figure, measure, None, None, Ratio.of(measure.value), goal)


async def _redact(redactor: Redactor, content: Content) -> bool:
    """Whether anything was found."""
    action = Operate("bench")
    grant = Grant("bench", "front", Principal("bench", Role.CLIENT), action, action, acting=False)
    decision = await redactor.redact(Raw(grant, content))
    assert isinstance(decision, Allow)
    if isinstance(decision.value.content, Stream):
        async for _ in decision.value.content.frames:
            pass
    return bool(decision.value.tally)


def _stream(data: bytes) -> Stream:
    return Stream(200, Headers((("content-type", "text/plain"),)), _frames(data))


async def _frames(data: bytes) -> AsyncIterator[Frame]:
    for at in range(0, len(data), PIECE):
        yield Frame("body", data[at : at + PIECE], final=at + PIECE >= len(data))
        if at % (4 * PIECE) == 0:
            await asyncio.sleep(0)  # as for a socket, whose buffer is empty now
