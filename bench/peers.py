"""MCP: what a call of a tool takes through Sidegate, and through other gateways, more than without.

The server is a process of its own: one of the official SDK, and for the floor one of bare aiohttp.
Sidegate has every layer and its audit log; the client has paired. Other gateways are asked where
`deploy/peers bench` has installed them. All is in one run, and on loopback.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bench.gateways import GATEWAYS, Gateway, started
from bench.installed import SDK
from bench.mcp_client import LEGACY, MODERN, McpClient
from bench.measure import Arm, Call, Ratio, Times, in_turns
from bench.report import Goal, Measure, Report, Row
from bench.sidegate import Program, program, running, serving

CALLS, CALLS_OF_GATEWAYS = 500, 60
ADDED_MS = 1.2
"""What Sidegate may add at the median."""
SHARE = 1 / 50
"""What that may be of what another gateway adds."""

_URL = re.compile(r"(http://127\.0\.0\.1:\d+)")
_TOOLS = {"small.*": {"effect": "read", "approval": "auto"}}
_KINDS = {"of the official SDK": "sdk", "of bare aiohttp": "floor"}


@dataclass(frozen=True)
class Pair:
    """A client that asks a server directly, and one that asks it through Sidegate."""

    direct: McpClient
    through: McpClient

    def calls(self, revision: str) -> tuple[Call, Call]:
        """Theirs, of this revision."""
        if revision == MODERN:
            return self.direct.call_modern, self.through.call_modern
        return self.direct.call_legacy, self.through.call_legacy


async def measure() -> Report:
    """The figures; raises OSError where something does not answer as it should."""
    rows: list[Row] = []
    for name, kind in _KINDS.items():
        async with _server(kind) as url, _pair(url) as pair:
            for revision in (MODERN, LEGACY):
                rows += await _added(f"a server {name}, {revision}", pair, revision)
            if kind == "sdk":
                rows += await _compared(url, pair)
    return Report("MCP", f"{CALLS} calls of each in turns", rows)


@asynccontextmanager
async def _server(kind: str) -> AsyncIterator[str]:
    if kind == "floor":
        starting = running("-m", "bench.mcp_floor")
    else:
        starting = program(str(SDK), "bench/mcp_server.py")
    async with starting as server:
        yield f"{await _url(server)}/mcp"


async def _url(server: Program) -> str:
    return await server.wait_for(_URL)


@asynccontextmanager
async def _pair(url: str) -> AsyncIterator[Pair]:
    sections = {"mcp_servers": {"small": {"url": url}}, "tools": _TOOLS}
    async with serving(sections) as sidegate, aiohttp.ClientSession() as http:
        pair = Pair(McpClient(http, url), McpClient(sidegate.http, sidegate.url("/mcp")))
        await pair.direct.open()
        await pair.through.open()
        yield pair


async def _added(figure: str, pair: Pair, revision: str) -> Sequence[Row]:
    direct, through = pair.calls(revision)
    times = await in_turns([Arm("through", through), Arm("direct", direct)], CALLS)
    ours, theirs = times["through"], times["direct"]
    whole = Row(f"{figure}: a call", Measure.of(ours), "direct", Measure.of(theirs))
    extra = ours.p50 - theirs.p50
    goal = Goal(ADDED_MS)
    added = Measure(extra * 1e3, "ms")
    return [whole, Row(f"{figure}: added", added, ratio=Ratio.of(extra * 1e3), goal=goal)]


async def _compared(url: str, pair: Pair) -> Sequence[Row]:
    there = [gateway for gateway in GATEWAYS if gateway.program.exists()]
    return [await _beside(gateway, url, pair) for gateway in there]


async def _beside(gateway: Gateway, url: str, pair: Pair) -> Row:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(started(gateway, url))
        direct, through = pair.calls(LEGACY)
        arms = [Arm("direct", direct), Arm("ours", through), Arm("other", other.call_legacy)]
        times: Mapping[str, Times] = await in_turns(arms, CALLS_OF_GATEWAYS)
    ours, theirs = (times[name].p50 - times["direct"].p50 for name in ("ours", "other"))
    return Row(
        f"added, beside {gateway.name}",
        Measure(ours * 1e3, "ms"),
        gateway.name,
        Measure(theirs * 1e3, "ms"),
        Ratio.of(ours / theirs) if theirs > 0 else None,
        Goal(SHARE),
    )
