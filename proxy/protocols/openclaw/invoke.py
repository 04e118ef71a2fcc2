"""`POST /tools/invoke`: a tool call as OpenClaw's clients make it, and as OpenClaw itself takes it.

OpenClaw takes `name` for `tool` where both are there, merges `action` into the arguments, and drops
what it does not know. Here whatever could be read in two ways is refused, so that what is judged is
what is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from proxy.actions import Action, ToolCall
from proxy.decision import Denied, Malformed
from proxy.exchange import Answer, Clean, Inbound
from proxy.protocols.openai import shaped
from proxy.protocols.openclaw.names import policy_name
from proxy.protocols.rest import RestCodec, json_object
from proxy.reasons import Reason
from proxy.values import Json

PATH = "/tools/invoke"
MARK = "$"
"""What stands before a member that is beside the arguments, where the rules see it among them."""
_BESIDE = ("sessionKey", "agentId", "idempotencyKey")
_MEMBERS = frozenset({"tool", "name", "action", "args", "dryRun", *_BESIDE})
_LONGEST = 512
_KINDS = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "payload_too_large",
    415: "invalid_request",
    429: "rate_limited",
}
_ASKED = frozenset(
    {Reason.APPROVAL_REQUIRED, Reason.APPROVAL_PENDING, Reason.APPROVAL_TIMED_OUT},
)


@dataclass(frozen=True)
class InvokeCodec(RestCodec):
    """The door. `own`: the agent is OpenClaw, and the tools are its own."""

    own: bool

    async def parse(self, inbound: Inbound) -> Action:
        """The tool call; raises Malformed."""
        body, _ = await json_object(inbound)
        if not set(body) <= _MEMBERS or body.get("dryRun", False) is not False:
            raise Malformed(Reason.BODY_MALFORMED, "unknown member, or dryRun")
        tool, arguments = _tool(body), _arguments(body)
        beside = _beside(body)
        if not self.own:
            if "idempotencyKey" in body:  # which nobody would heed
                raise Malformed(Reason.BODY_MALFORMED, "idempotencyKey")
            return ToolCall(tool, arguments)
        return ToolCall(policy_name(tool), {**arguments, **beside})

    def document(self, inbound: Inbound, clean: Clean, value: Json) -> Json:  # noqa: ARG002
        """The result in its envelope."""
        return {"ok": True, "result": value}

    def refuse(self, inbound: Inbound, denied: Denied) -> Answer:
        """A refusal as OpenClaw says it."""
        answer = super().refuse(inbound, denied)
        status = HTTPStatus.NOT_FOUND if denied.reason is Reason.TOOL_UNKNOWN else answer.status
        said = _error(denied, status, inbound.request_id)
        return shaped(Answer(status, answer.headers, answer.body), said)


def _tool(body: Mapping[str, Json]) -> str:
    given = {body[key] for key in ("tool", "name") if isinstance(body.get(key), str)}
    if any(not isinstance(body.get(key, ""), str) for key in ("tool", "name")) or len(given) != 1:
        raise Malformed(Reason.BODY_MALFORMED, "not exactly one tool")
    return str(given.pop())


def _arguments(body: Mapping[str, Json]) -> Mapping[str, Json]:
    """The arguments, with the action that OpenClaw would put among them."""
    arguments = body.get("args", {})
    if not isinstance(arguments, Mapping) or any(name.startswith(MARK) for name in arguments):
        raise Malformed(Reason.BODY_MALFORMED, "args")
    if "action" not in body:
        return arguments
    action = body["action"]
    if not isinstance(action, str) or arguments.get("action", action) != action:
        raise Malformed(Reason.BODY_MALFORMED, "action")
    return {**arguments, "action": action}


def _beside(body: Mapping[str, Json]) -> Mapping[str, Json]:
    given = {name: body[name] for name in _BESIDE if name in body}
    for name, value in given.items():
        if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST:
            raise Malformed(Reason.BODY_MALFORMED, name)
    return {MARK + name: value for name, value in given.items()}


def _error(denied: Denied, status: int, request_id: str) -> Json:
    reason = denied.reason
    kind = _KINDS.get(status, "tool_error" if status >= 500 else "invalid_request")
    error: dict[str, Json] = {
        "type": kind,
        "message": f"{reason.detail} {reason.remedy}",
        "details": {"code": reason.code, "request_id": request_id},
    }
    if reason in _ASKED:
        error["requiresApproval"] = True
    return {"error": error} if status == HTTPStatus.UNAUTHORIZED else {"ok": False, "error": error}


def request(tool: str, arguments: Mapping[str, Json]) -> Json:
    """The body that calls OpenClaw's `tool` with what was judged."""
    marked = {name: value for name, value in arguments.items() if name.startswith(MARK)}
    args = {name: value for name, value in arguments.items() if name not in marked}
    beside = {n: marked[MARK + n] for n in _BESIDE if MARK + n in marked}
    return {"tool": tool, "args": args, **beside}


def misplaced(arguments: Mapping[str, Json]) -> bool:
    """Whether something stands beside the arguments that OpenClaw is not told, by any door."""
    marked = {name[1:]: value for name, value in arguments.items() if name.startswith(MARK)}
    return not set(marked) <= set(_BESIDE) or not all(isinstance(v, str) for v in marked.values())


def result(answer: Json) -> tuple[Json] | None:
    """What a tool answered; None where OpenClaw refused, or said something else."""
    if isinstance(answer, Mapping) and answer.get("ok") is True and "result" in answer:
        return (answer["result"],)
    return None
