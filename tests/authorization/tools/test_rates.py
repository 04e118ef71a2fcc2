"""How often each tool may be called."""

from functools import partial

from doubles import Clock
from policies import declared

from proxy.authorization.tools.rates import Rates
from proxy.decision import Quota
from proxy.limits import Limiter, per_minute

READ = {"effect": "read", "backend": "upstream"}
TOOLS = declared(
    {
        "a.*": {**READ, "rate_per_minute": 2},
        "a.free": {"rate_per_minute": None},
        "a.never": {"rate_per_minute": 0},
        "b.one": {**READ, "rate_per_minute": 1},
        "b.two": {**READ, "rate_per_minute": 1},
        "b.any": READ,
    }
)


def rates() -> Rates:
    clock = Clock()

    def limiter(rate: int) -> Limiter:
        return per_minute("tool", rate, clock=clock)

    return Rates(TOOLS, limiter)


def passed(quota: Quota | None) -> bool:
    return quota is None or quota.wait is None


async def uses(counted: Rates, tool: str, who: str = "x", most: int = 10) -> int:
    """How many calls go through at once."""
    return sum([passed(await counted.hit(tool, who)) for _ in range(most)])


async def test_a_rate_is_that_of_the_closest_entry() -> None:
    hit = partial(uses, rates())

    assert await hit("a.x") == 2
    assert await hit("a.never") == 0
    assert await hit("b.one") == 1
    for tool in ("a.free", "b.any", "none", "shell"):
        assert await hit(tool) == 10


async def test_tools_and_principals_are_counted_apart() -> None:
    counted = rates()

    assert [await uses(counted, tool) for tool in ("b.one", "b.two", "a.x", "a.y")] == [1, 1, 2, 2]
    assert await uses(counted, "b.one", "y") == 1
    assert counted.keys() == 5


async def test_several_are_counted_all_or_none() -> None:
    counted = rates()

    assert passed(await counted.hit_all(["a.x", "b.one", "b.any"], "x"))
    refused = await counted.hit_all(["a.x", "b.one"], "x")
    assert refused is not None
    assert (refused.limit, refused.wait) == (1, 60.0)
    assert await uses(counted, "a.x") == 1


async def test_several_stand_where_the_scarcest_does() -> None:
    quota = await rates().hit_all(["a.x", "b.one", "b.any"], "x")

    assert quota is not None
    assert (quota.limit, quota.remaining) == (1, 0)
    assert await rates().hit_all(["b.any"], "x") is None
    assert await rates().hit_all([], "x") is None


async def test_one_tool_may_be_called_several_times_in_one_call() -> None:
    counted = rates()

    assert passed(await counted.hit_all(["a.x", "a.x"], "x"))
    assert not passed(await counted.hit_all(["a.x"], "x"))
    assert not passed(await rates().hit_all(["a.x", "a.x", "a.x"], "x"))


async def test_a_call_that_was_not_done_is_taken_back() -> None:
    counted = rates()
    await counted.hit("b.one", "x")
    await counted.refund("b.one", "x")
    await counted.refund("b.any", "x")

    assert await uses(counted, "b.one") == 1
