"""Commands: what a call costs cold and warm, and how many there is room for in a second.

Each figure stands beside that of the Docker client: same image, same command, same hardening, in
the same minutes. "Over HTTP" is all that a caller sees: five layers, the audit log's commit and the
sandbox; "layer 4 alone" is the sandbox. What is left after an answer (removal, and refilling the
pool) is outside of a call's time, and inside that of runs a second.
"""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack

import aiodocker

from bench.engine import Engine, host
from bench.measure import Ratio, Times, arriving, in_turns, so_many
from bench.places import Place, fresh_by_client, kept_by_client, layer_alone, over_http
from bench.report import Goal, Measure, Report, Row

POOL = 8
CALLS = 50
ARRIVALS, PER_SECOND = 225, 3.0
ROUNDS, BURST, AT_ONCE = 5, 32, 8

COLD_GOAL, WARM_GOAL = Goal(0.7, 0.56), Goal(0.10, 0.05)
TAIL_GOAL, RATE_GOAL = Goal(12), Goal(1.7, 2, at_most=False)

RUN, EXEC = "`docker run --rm`", "`docker exec`"
HTTP, LAYER = "over HTTP", "layer 4 alone"


async def measure() -> Report:
    """The figures; raises OSError without an engine, or where a container is left at the end."""
    async with aiodocker.Docker(url=host()) as docker:
        engine = Engine(docker)
        about = await engine.describe()
        rows = [
            *await _cold(engine),
            *await _warm(engine),
            await _refilled(engine),
            *await _many(engine),
        ]
        if left := await engine.left():
            raise OSError(f"containers are left: {left}")
        return Report("Commands", about, rows)


async def _cold(engine: Engine) -> Iterator[Row]:
    async with (
        fresh_by_client(engine) as peer,
        over_http(engine) as http,
        layer_alone(engine) as layer,
    ):
        arms = [peer.arm(RUN), http.arm(HTTP), layer.arm(LAYER)]
        return _compared("cold call", await in_turns(arms, CALLS), RUN, COLD_GOAL)


async def _warm(engine: Engine) -> Iterator[Row]:
    async with (
        kept_by_client(engine) as peer,
        over_http(engine, POOL) as http,
        layer_alone(engine, POOL) as layer,
    ):
        arms = [peer.arm(EXEC), http.arm(HTTP), layer.arm(LAYER)]
        return _compared("warm call", await in_turns(arms, CALLS), EXEC, WARM_GOAL)


def _compared(what: str, times: Mapping[str, Times], peer: str, goal: Goal) -> Iterator[Row]:
    theirs = times[peer]
    for name, ours in times.items():
        if name != peer:
            ratio = Ratio.of_medians(ours, theirs)
            figure = f"{what}, {name}"
            yield Row(figure, Measure.of(ours), peer, Measure.of(theirs), ratio, goal)


async def _refilled(engine: Engine) -> Row:
    """How late the latest are, while calls come and what they use is replaced."""
    async with over_http(engine, POOL) as http:
        times = await arriving(http.call, PER_SECOND, ARRIVALS)
    tail, median = Measure(times.p99 * 1e3, "ms"), Measure(times.p50 * 1e3, "ms")
    figure = f"warm call, p99 at {PER_SECOND:g} arrivals a second, {HTTP}"
    return Row(figure, tail, "its p50", median, Ratio.of(times.p99 / times.p50), TAIL_GOAL)


async def _many(engine: Engine) -> Iterator[Row]:
    """Runs a second: from the first call until what was used is gone, and replaced."""
    async with AsyncExitStack() as stack:
        places = {
            RUN: await stack.enter_async_context(fresh_by_client(engine)),
            "cold": await stack.enter_async_context(over_http(engine)),
            f"pool of {POOL}": await stack.enter_async_context(over_http(engine, POOL)),
        }
        rounds = [await _round(places) for _ in range(ROUNDS)]
    return _rates(rounds)


async def _round(places: Mapping[str, Place]) -> Mapping[str, float]:
    return {
        name: BURST / await so_many(place.call, BURST, AT_ONCE, place.settled)
        for name, place in places.items()
    }


def _rates(rounds: Sequence[Mapping[str, float]]) -> Iterator[Row]:
    theirs = [each[RUN] for each in rounds]
    for name in rounds[0]:
        if name != RUN:
            ours = [each[name] for each in rounds]
            figure = f"runs a second, {AT_ONCE} at a time, {name}, {HTTP}"
            ratio = Ratio.of_rounds(ours, theirs)
            yield Row(figure, _median(ours), RUN, _median(theirs), ratio, RATE_GOAL)


def _median(rates: Sequence[float]) -> Measure:
    return Measure(statistics.median(rates), "/s")
