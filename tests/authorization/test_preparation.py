"""What happens between reading and judgement: by default nothing."""

from dataclasses import dataclass, field

import pytest
from consenting import authorizer
from doubles import CLIENT, inbound
from placing import TOOLS, call
from policies import ADD, policy

from proxy.actions import Action, Invoke, Known, Plan, ToolCall
from proxy.authorization.preparation import AsItCame
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Inbound, Principal
from proxy.reasons import Reason


async def test_by_default_everything_is_judged_as_it_came() -> None:
    wish = call(ADD.name, a=1)

    assert await AsItCame().prepared(wish, CLIENT) == Allow(wish)
    assert AsItCame().misplaced(wish, CLIENT, Known({})) is None


@dataclass
class Doubling:
    """`Preparation` that judges another call, or refuses it, or its plan."""

    refused: Deny | None = None
    elsewhere: Deny | None = None
    facts: Facts = field(default_factory=Facts)
    planned: list[Plan] = field(default_factory=list)

    async def prepared(self, action: Action, principal: Principal) -> Decision[Action]:
        assert principal == CLIENT
        assert isinstance(action, ToolCall)
        return self.refused or Allow(ToolCall(ADD.name, {"a": 2}), self.facts)

    def misplaced(self, call: ToolCall, principal: Principal, plan: Plan) -> Deny | None:
        assert (call, principal) == (ToolCall(ADD.name, {"a": 2}), CLIENT)
        self.planned.append(plan)
        return self.elsewhere


def asked() -> Inbound:
    headers = {"Content-Type": "application/json"}
    body = b'{"arguments": {"a": 1}}'
    return inbound(TOOLS, method="POST", capture=ADD.name, headers=headers, body=body)


async def test_what_is_prepared_is_what_is_decided_and_done() -> None:
    doubling = Doubling()
    granted = await authorizer(policy(None), preparation=doubling).authorize(asked(), CLIENT)

    assert isinstance(granted, Allow)
    assert granted.value.action == ToolCall(ADD.name, {"a": 2})
    assert granted.value.plan == Invoke(ADD.path, {"a": 2}, ADD.seconds)
    assert doubling.planned == [granted.value.plan]


@pytest.mark.parametrize(
    "doubling",
    [
        Doubling(refused=Deny(Reason.SECRET_IN_REQUEST)),
        Doubling(elsewhere=Deny(Reason.PLACEHOLDER_UNKNOWN)),
    ],
)
async def test_what_is_refused_then_is_refused(doubling: Doubling) -> None:
    refused = await authorizer(policy(None), preparation=doubling).authorize(asked(), CLIENT)

    assert refused == (doubling.refused or doubling.elsewhere)


@pytest.mark.parametrize("elsewhere", [None, Deny(Reason.PLACEHOLDER_UNKNOWN)])
async def test_what_was_masked_is_told_whatever_is_decided(elsewhere: Deny | None) -> None:
    doubling = Doubling(elsewhere=elsewhere, facts=Facts(masked={"token": 1}))
    decided = await authorizer(policy(None), preparation=doubling).authorize(asked(), CLIENT)

    assert isinstance(decided, Deny if elsewhere else Allow)
    assert decided.facts["masked"] == {"token": 1}
