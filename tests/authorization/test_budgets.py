"""What one principal may spend: all of it is counted for a call, or none."""

from doubles import AGENT, CLIENT, Clock
from policies import ADD

from proxy.actions import Effect, Invoke
from proxy.authorization.budgets import Budgets
from proxy.authorization.tools.catalogue import Catalogue, Place, Tool
from proxy.authorization.tools.rates import Rates
from proxy.authorization.verdict import Asked, Permit
from proxy.decision import Allow, Deny, Facts
from proxy.limits import HOUR, Gcra, Unlimited
from proxy.reasons import Reason

SLOW = Tool("agent.slow", Effect.EXECUTE, Place.UPSTREAM, path="/slow", rate=2)
PLAN = Invoke("/x", {}, 1.0)


def permit(*tools: Tool) -> Allow[Permit]:
    acting = any(tool.effect is not Effect.READ for tool in tools)
    return Allow(Permit(PLAN, acting, tuple(tool.name for tool in tools)))


def budgets(actions: int) -> Budgets:
    clock = Clock()
    rates = Rates(Catalogue((SLOW, ADD)), lambda rate: Gcra("tool", rate, 10, clock))
    return Budgets(Unlimited(), Gcra("actions", actions, 10, clock, window=HOUR), rates)


async def spent(of: Budgets, *tools: Tool) -> Reason | None:
    denied = await of.reserve(CLIENT, permit(*tools))
    return denied.reason if denied else None


async def test_actions_end_and_reading_goes_on() -> None:
    of = budgets(1)

    assert await spent(of, SLOW) is None
    assert await spent(of, SLOW) is Reason.ACTIONS_EXHAUSTED
    assert await spent(of, ADD) is None


async def test_a_call_that_cannot_be_paid_costs_nothing() -> None:
    """The tool's own rate is not used up by calls that the hour has no room for."""
    of = budgets(1)
    await of.reserve(CLIENT, permit(SLOW))
    for _ in range(3):
        assert await spent(of, SLOW) is Reason.ACTIONS_EXHAUSTED
    await of.refund(CLIENT, permit(SLOW))()

    assert await spent(of, SLOW) is None


async def test_the_rate_of_an_inner_tool_holds_for_the_outer() -> None:
    of = budgets(10)

    assert [await spent(of, ADD, SLOW) for _ in range(3)] == [
        *(None, None),
        Reason.TOOL_RATE_LIMITED,
    ]


async def test_what_is_asked_about_is_reserved_like_what_is_permitted() -> None:
    of = budgets(1)
    asked = Asked(SLOW, always=False, facts=Facts(), tools=(SLOW.name,))
    assert await of.reserve(CLIENT, asked) is None
    denied = await of.reserve(CLIENT, asked)

    assert denied == Deny(Reason.ACTIONS_EXHAUSTED)
    assert denied.facts["retry_after"] == 3600.0


async def test_one_principal_spends_nothing_of_another() -> None:
    of = budgets(1)
    await of.reserve(CLIENT, permit(SLOW))

    assert await of.reserve(AGENT, permit(SLOW)) is None
