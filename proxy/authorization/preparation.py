"""What happens to a request between its reading and its judgement, which another layer knows of."""

from typing import Protocol

from proxy.actions import Action, Plan, ToolCall
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Principal


class Preparation(Protocol):
    """Makes of what was asked what is judged."""

    async def prepared(self, action: Action, principal: Principal) -> Decision[Action]:
        """What is judged in the place of `action`; raises Malformed for a body that breaks off.

        The facts of an Allow tell what was masked in it.
        """
        ...

    def misplaced(self, call: ToolCall, principal: Principal, plan: Plan) -> Deny | None:
        """Why a prepared call may not be done by this plan; None where it may."""
        ...


class AsItCame:
    """`Preparation` that leaves everything as it came."""

    async def prepared(self, action: Action, principal: Principal) -> Decision[Action]:  # noqa: ARG002
        """The action itself."""
        return Allow(action)

    def misplaced(self, call: ToolCall, principal: Principal, plan: Plan) -> Deny | None:  # noqa: ARG002
        """Nothing."""
        return None


_: type[Preparation] = AsItCame
