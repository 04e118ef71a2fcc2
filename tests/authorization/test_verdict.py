from proxy.actions import Effect, Known
from proxy.authorization.tools.catalogue import Place, Tool
from proxy.authorization.verdict import Asked, Permit
from proxy.decision import Facts

TOOL = Tool("a.b", Effect.READ, Place.UPSTREAM)


def test_a_permit_acts_only_where_it_says_so() -> None:
    assert not Permit(Known(None)).acting
    assert Permit(Known(None), acting=True) != Permit(Known(None))


def test_two_permits_for_one_plan_are_one_whatever_is_counted_for_them() -> None:
    assert Permit(Known(None), tools=("a.b",)) == Permit(Known(None))


def test_being_asked_once_is_not_being_asked_each_time() -> None:
    facts = Facts(rule="autonomy.always_ask")

    assert Asked(TOOL, always=True, facts=facts) != Asked(TOOL, always=False, facts=facts)
