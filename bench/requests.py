"""Requests: what Sidegate adds to those that it serves itself, and to those that it passes on.

The peers of what is passed on are the demo agent, asked directly, and a bare aiohttp proxy before
it, which is the price of any proxy in Python; all in processes of their own. Each round asks every
one of them for a moment, so that what disturbs the machine disturbs all.
"""

import re
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import aiohttp

from bench import decisions
from bench.measure import Call, Ratio, Times, for_a_while
from bench.report import Measure, Report, Row
from bench.sidegate import Program, running, serving

ROUNDS, SECONDS, AT_ONCE = 9, 0.25, 16

SIDEGATE, BARE, AGENT = "Sidegate", "bare aiohttp proxy", "the agent alone"
_URL = re.compile(r"(http://127\.0\.0\.1:\d+)")
_FILE = "hello.txt"
_TEXT = "A line of a file that a tool reads.\n" * 28  # 1 kB
_ASKED = {"stream": False, "messages": [{"role": "user", "content": "How is the weather? " * 12}]}


@dataclass(frozen=True)
class Server:
    """One of those that are asked: its process, and how it is reached."""

    program: Program
    http: aiohttp.ClientSession
    url: str


@dataclass(frozen=True)
class Request:
    """A request, and which servers know it."""

    figure: str
    method: str
    path: str
    body: Mapping[str, object] | None
    servers: tuple[str, ...]


REQUESTS = (
    Request("`GET /health`", "GET", "/health", None, (SIDEGATE, BARE)),
    Request("webhook", "POST", "/webhook", {"message": "hello " * 50}, (SIDEGATE, BARE, AGENT)),
    Request("route", "POST", "/v1/chat/completions", _ASKED, (SIDEGATE, BARE, AGENT)),
    Request("`file_read`", "POST", "/tools/file_read", {"arguments": {"path": _FILE}}, (SIDEGATE,)),
)


@dataclass(frozen=True)
class Moment:
    """What one server did in one round: one request at a time, then several.

    `rate`: requests a second; `cpu`: seconds of its processor for each, when there were several.
    """

    alone: Times
    rate: float
    cpu: float


async def measure() -> Report:
    """The figures; raises OSError where something does not answer as it should."""
    async with _servers() as servers:
        rows = [row for each in REQUESTS for row in _rows(each, await _rounds(each, servers))]
    about = f"{AT_ONCE} at a time where several"
    return Report("Requests", about, [*rows, *await decisions.rows()])


@asynccontextmanager
async def _servers() -> AsyncIterator[Mapping[str, Server]]:
    async with running("deploy/demo_agent.py") as agent:
        url = await agent.wait_for(_URL)
        sections = {
            "upstream": {"url": url, "routes": [{"path": REQUESTS[2].path, "methods": ["POST"]}]},
        }
        async with (
            running("-m", "bench.bare", url) as bare,
            serving(sections) as sidegate,
            aiohttp.ClientSession() as http,
        ):
            (sidegate.workspace / _FILE).write_text(_TEXT)
            yield {
                SIDEGATE: Server(sidegate.program, sidegate.http, sidegate.url("")),
                BARE: Server(bare, http, await bare.wait_for(_URL)),
                AGENT: Server(agent, http, url),
            }


async def _rounds(
    request: Request, servers: Mapping[str, Server]
) -> Mapping[str, Sequence[Moment]]:
    asked = {name: servers[name] for name in request.servers}
    for server in asked.values():
        await for_a_while(partial(_ask, server, request), SECONDS)
    moments: dict[str, list[Moment]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, server in asked.items():
            moments[name].append(await _moment(server, partial(_ask, server, request)))
    return moments


async def _moment(server: Server, call: Call) -> Moment:
    alone = await for_a_while(call, SECONDS)
    before, start = server.program.cpu_seconds, time.perf_counter()
    count = len((await for_a_while(call, SECONDS, AT_ONCE)).seconds)
    spent, passed = server.program.cpu_seconds - before, time.perf_counter() - start
    return Moment(alone, count / passed, spent / count)


async def _ask(server: Server, request: Request) -> None:
    url = server.url + request.path
    async with server.http.request(request.method, url, json=request.body) as answer:
        said = await answer.read()
        if answer.status != 200:
            raise OSError(f"{request.figure}: {answer.status} {said.decode(errors='replace')}")


def _rows(request: Request, moments: Mapping[str, Sequence[Moment]]) -> Iterator[Row]:
    ours, bare = moments[SIDEGATE], moments.get(BARE, ())
    figure = request.figure
    yield _row(f"{figure}, one at a time", "µs", _medians(ours), _medians(bare))
    if bare and AGENT in moments:
        agent = _medians(moments[AGENT])
        yield _added(f"{figure}, added to the agent's own time", agent, ours, bare)
    cpu = [[each.cpu * 1e6 for each in side] for side in (ours, bare)]
    yield _row(f"{figure}, processor time of each", "µs", *cpu)
    rates = [[each.rate for each in side] for side in (ours, bare)]
    yield _row(f"{figure}, {AT_ONCE} at a time", "/s", *rates)


def _medians(moments: Sequence[Moment]) -> list[float]:
    return [each.alone.p50 * 1e6 for each in moments]


def _added(
    figure: str, agent: Sequence[float], ours: Sequence[Moment], bare: Sequence[Moment]
) -> Row:
    """A small difference of large figures: that of each round would say nothing."""
    mine, theirs = (
        statistics.median(_medians(side)) - statistics.median(agent) for side in (ours, bare)
    )
    ratio = Ratio.of(mine / theirs) if theirs > 0 else None
    return Row(figure, Measure(mine, "µs"), BARE, Measure(theirs, "µs"), ratio)


def _row(figure: str, unit: str, ours: Sequence[float], bare: Sequence[float]) -> Row:
    mine = Measure(statistics.median(ours), unit)
    if not bare:
        return Row(figure, mine)
    theirs = Measure(statistics.median(bare), unit)
    return Row(figure, mine, BARE, theirs, Ratio.of_rounds(ours, bare))
