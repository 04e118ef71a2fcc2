"""Messages to what they want: the call of a tool or of a method, or something that calls nothing.

A method that is called is decided on like a tool, under `SERVER.METHOD`, with what it names as its
server knows it: what is judged is then what is sent.
"""

from collections.abc import Mapping

from proxy.actions import ToolCall
from proxy.decision import Malformed
from proxy.jsonrpc import Message, Notification, Request, Response
from proxy.mcp import Client, Rpc, Via
from proxy.protocols.mcp.methods import ASKED, METHODS, SAID_UP
from proxy.protocols.mcp.names import Names, untagged
from proxy.reasons import Reason
from proxy.values import Json

PATIENCE = 25.0
"""Seconds that a client is kept waiting which cannot be shown that something goes on."""
MAX_NAME = 256
_MAX_TEXT = 8192
_ASIDE = frozenset({"_meta", "inputResponses", "requestState"})
_TAKEN = _ASIDE | {"name", "arguments", "task"}

Params = Mapping[str, Json]


def action(names: Names, message: Message, client: Client) -> ToolCall | Rpc:
    """What a client wants that says this; raises Malformed."""
    match message:
        case Request():
            return _asked(names, message, client)
        case Notification(method=method) if method not in SAID_UP:
            raise Malformed(Reason.METHOD_UNKNOWN, "notification")
        case Notification():
            _check_aside(message.params)
            return Rpc(message, client)
        case Response(id=id_):
            found = untagged(id_) if isinstance(id_, str) else None
            if found is None or found[0] not in names.servers:
                raise Malformed(Reason.MESSAGE_MALFORMED, "answers nothing")
            return Rpc(Response(found[1], message.result), client, found[0])


def _asked(names: Names, request: Request, client: Client) -> ToolCall | Rpc:
    method = METHODS.get(request.method)
    if method is None or client.era not in method.eras:
        raise Malformed(Reason.METHOD_UNKNOWN, "request")
    if request.method == "subscriptions/listen" and not client.events:
        raise Malformed(Reason.PARAMETERS_INVALID, "no events are taken")
    _check_aside(request.params)
    if not method.called:
        return Rpc(request, client)
    patience = None if client.events else PATIENCE
    name, arguments = _called(names, request)
    return ToolCall(name, arguments, via=Via(client, request), patience=patience)


def _called(names: Names, request: Request) -> tuple[str, Params]:
    if request.method == "tools/call":
        return _tool(names, request.params)
    params = {name: value for name, value in request.params.items() if name not in _ASIDE}
    server, own = _addressed(names, request.method, params)
    if server not in names.servers:
        raise _invalid("nobody's")
    return f"{server}.{request.method}", {**params, **own}


def _tool(names: Names, params: Params) -> tuple[str, Params]:
    arguments = params.get("arguments", {})
    if not params.keys() <= _TAKEN or not isinstance(arguments, Mapping):
        raise _invalid("tools/call")
    if not isinstance(params.get("task", {}), Mapping):
        raise _invalid("task")
    name = names.policy(_text(params, "name", MAX_NAME))
    if name.partition(".")[2] in METHODS.keys() | ASKED.keys():
        raise Malformed(Reason.TOOL_UNKNOWN, "named like a method")  # which has rules of its own
    return name, arguments


def _check_aside(params: Params) -> None:
    for name in ("_meta", "inputResponses"):
        if not isinstance(params.get(name, {}), Mapping):
            raise _invalid(name)
    if not isinstance(params.get("requestState", ""), str):
        raise _invalid("requestState")


def _addressed(names: Names, method: str, params: Params) -> tuple[str, Params]:
    """The server that parameters are for, and those of them that it knows otherwise."""
    match method.partition("/")[0]:
        case "resources":
            server, uri = names.split_uri(_text(params, "uri"))
            return server, {"uri": uri}
        case "prompts":
            server, name = names.split(_text(params, "name"))
            return server, {"name": name}
        case "completion":
            server, ref = _reference(names, params.get("ref"))
            return server, {"ref": ref}
        case _:
            return _task(names, method, params)


def _reference(names: Names, ref: Json) -> tuple[str, Params]:
    if not isinstance(ref, Mapping):
        raise _invalid("ref")
    if ref.get("type") == "ref/prompt":
        server, name = names.split(_text(ref, "name"))
        return server, {**ref, "name": name}
    if ref.get("type") == "ref/resource":
        server, uri = names.split_uri(_text(ref, "uri"))
        return server, {**ref, "uri": uri}
    raise _invalid("ref")


def _task(names: Names, method: str, params: Params) -> tuple[str, Params]:
    """Tasks are named by their server; a list of them is one server's, by its cursor if by any."""
    if method == "tasks/list" and "cursor" not in params:
        return (names.servers[0] if len(names.servers) == 1 else ""), {}
    member = "cursor" if method == "tasks/list" else "taskId"
    match untagged(_text(params, member)):
        case (server, str(own)):
            return server, {member: own}
    raise _invalid(member)


def _text(params: Params, name: str, most: int = _MAX_TEXT) -> str:
    text = params.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= most:
        raise _invalid(name)
    return text


def _invalid(evidence: str) -> Malformed:
    return Malformed(Reason.PARAMETERS_INVALID, evidence)
