"""What the configuration says of an agent that is OpenClaw. The counterpart is `upstream`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from proxy.config.text import Form

# Not operator.approvals: whoever asks must not be whoever approves.
OperatorScope = Literal[
    "operator.read",
    "operator.write",
    "operator.admin",
    "operator.pairing",
    "operator.questions",
    "operator.talk",
]


def _grantable(method: str) -> str:
    """A tool that is called by a frame meets no rule of ours, and no client approves anything."""
    if method in ("connect", "tools.invoke") or "approval" in method.lower():
        raise ValueError("must be none that connects, calls tools or approves")
    return method


GatewayMethod = Annotated[
    str,
    Form(r"[A-Za-z][A-Za-z0-9]*(?:[.-][A-Za-z0-9]+)*", "the name of a method, such as tts.speak"),
    AfterValidator(_grantable),
]
OperatorScopes = Annotated[tuple[OperatorScope, ...], Field(strict=False)]
GatewayMethods = Annotated[tuple[GatewayMethod, ...], Field(strict=False)]
