"""A tool call in the words of the agent, and what it answered: plainly, or as OpenClaw has both."""

from proxy.actions import Invoke
from proxy.decision import Allow, Decision, Deny, Facts
from proxy.exchange import Content, Document
from proxy.protocols.openclaw.invoke import request, result
from proxy.reasons import Reason
from proxy.values import Json


def body_of(plan: Invoke) -> Json:
    """The body that calls the tool."""
    if plan.openclaw:
        return request(plan.openclaw, plan.arguments)
    return {"arguments": plan.arguments}


def told(plan: Invoke, answer: Json, facts: Facts) -> Decision[Content]:
    """What the tool answered with a status of success."""
    if not plan.openclaw:
        return Allow(Document(answer), facts)
    found = result(answer)
    if found is None:
        return Deny(Reason.UPSTREAM_REFUSED, "not ok", facts)
    return Allow(Document(found[0]), facts)
