"""A call that waits for the operator, as clients of the modern era are told of it.

They are shown where the operator decides. The link leads there and approves nothing: who follows it
must be the operator, and what the client answers changes nothing. It sends the call again, which
finds its ask by what was called, with or without the state that it was given.
"""

from collections.abc import Mapping

from proxy.mcp import Client, Era
from proxy.protocols.mcp.sealed import States
from proxy.values import Json

MESSAGE = "A human must approve this call. Only the operator can, at this address."
"""What the user is told: a constant, in which nothing of the call can pose as a word of ours."""
PURPOSE = "approval"
"""What the state is sealed for."""
_MAX_AGE = 86_400.0
_KEY = "operator"


def takes_links(client: Client) -> bool:
    """Whether this client can show its user where to go."""
    able = client.capabilities.get("elicitation")
    modern = client.era is Era.MODERN
    return modern and isinstance(able, Mapping) and isinstance(able.get("url"), Mapping)


def elsewhere(approval: str, url: str, states: States) -> Mapping[str, Json]:
    """The result of a call that waits as this approval. `url`: where the operator decides."""
    asked: Json = {
        "method": "elicitation/create",
        "params": {"mode": "url", "message": MESSAGE, "url": url},
    }
    return {
        "resultType": "input_required",
        "inputRequests": {_KEY: asked},
        "requestState": states.issue(PURPOSE, {"approval": approval}),
    }


def approval_of(state: Json, states: States) -> str | None:
    """The approval that a client says it comes back for; None where that was not ours to give."""
    content = states.read(PURPOSE, state, _MAX_AGE) if isinstance(state, str) else None
    approval = content.get("approval") if content is not None else None
    return approval if isinstance(approval, str) else None
