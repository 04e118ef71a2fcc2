"""How a tool of an agent that is OpenClaw is called: by its own name, at the one path for all."""

from dataclasses import replace

from proxy.actions import Invoke, Plan
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.protocols.openclaw.invoke import PATH, misplaced
from proxy.protocols.openclaw.names import own_name, policy_name
from proxy.reasons import Reason


def invoked(plan: Invoke, name: str, facts: Facts) -> Decision[Plan]:
    """The plan for the tool of this name; one that has a path of its own is no tool of OpenClaw's.

    What stands beside the arguments may come in by any door, and goes on only where it is known.
    """
    own = own_name(name)
    if own is None or plan.path != f"/tools/{name}":
        return Allow(plan, facts)
    if policy_name(own) != name:  # another name of a tool, past the rules on the one that they know
        return Deny(Reason.TOOL_UNKNOWN, name)
    if misplaced(plan.arguments):
        return Deny(Reason.ARGUMENTS_INVALID)
    return Allow(replace(plan, path=PATH, openclaw=own), facts)
