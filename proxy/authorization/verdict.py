"""What is answered to the question whether something may be done."""

from dataclasses import dataclass, field

from proxy.actions import Effect, Plan
from proxy.authorization.tools.catalogue import Tool
from proxy.decision import Allow, Deny, Facts
from proxy.exchange import OnceKey


@dataclass(frozen=True, slots=True)
class Permit:
    """What may be done. `acting`: it writes or executes, so it is on record before it happens.

    `tools`: the names of all that is called, by itself or through another, each of which has a
    rate. `once`: the key of the request that a call was kept for.
    """

    plan: Plan
    acting: bool = False
    tools: tuple[str, ...] = field(default=(), compare=False)
    once: OnceKey | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Nothing stands against it, but a human must say so. `always`: each time anew.

    `tools`: the names of all that would be called.
    """

    tool: Tool
    always: bool
    facts: Facts
    tools: tuple[str, ...] = field(default=(), compare=False)


Verdict = Allow[Permit] | Deny | Asked


def tools_of(verdict: Allow[Permit] | Asked) -> tuple[str, ...]:
    """The names of all that is called, or would be."""
    return verdict.tools if isinstance(verdict, Asked) else verdict.value.tools


def acts(verdict: Allow[Permit] | Asked) -> bool:
    """Whether it does something to the world, or would."""
    if isinstance(verdict, Asked):
        return verdict.tool.effect is not Effect.READ
    return verdict.value.acting
