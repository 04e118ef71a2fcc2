"""A call as it is sent to an MCP server: with what was judged, and nothing else that decides.

What a client says beside it goes along: how it wants to be told, and its answers to the server.
"""

from collections.abc import Mapping

from proxy.actions import Effect
from proxy.authorization.tools.definitions import Definitions
from proxy.authorization.tools.tool import Tool
from proxy.decision import Deny, Facts
from proxy.jsonrpc import Request
from proxy.mcp import Definition, Era, Via
from proxy.protocols.mcp.mirrored import parameters
from proxy.reasons import Reason
from proxy.values import Json

CALL = "tools/call"
_BESIDE = ("_meta", "inputResponses", "requestState")
_TASK = "task"


def is_meant(tool: Tool, via: Via | None) -> bool:
    """Whether a call of this name means this tool: no server has tools that are called as methods.

    Else the rules on `github.resources/read` would be asked about a tool that is called so.
    """
    said = CALL if via is None else via.request.method
    return said == (tool.remote if tool.method else CALL)


async def schema_of(
    tool: Tool, via: Via | None, definitions: Definitions
) -> Mapping[str, Json] | Deny | None:
    """The schema by which a tool may be called now, None for a method, which has none.

    A Deny says why the server's own definition stands against it.
    """
    if tool.method:
        return None
    acts = tool.effect is not Effect.READ
    found = await definitions.find(tool.server, tool.remote, now=acts)
    if isinstance(found, Deny):
        return found
    if found is None:
        return Deny(Reason.TOOL_UNKNOWN, tool.name, Facts(rule=_rule(tool)))
    if not found.trusted:
        return Deny(Reason.TOOL_QUARANTINED, tool.name, Facts(rule=_rule(tool)))
    return _mismatch(found, via) or found.schema


def sent(tool: Tool, arguments: Mapping[str, Json], via: Via | None) -> Request:
    """The request that carries these arguments."""
    if via is None:
        return Request("sidegate", CALL, {"name": tool.remote, "arguments": arguments})
    params = via.request.params
    beside = {name: params[name] for name in _BESIDE if name in params}
    if tool.method:
        return Request(via.request.id, tool.remote, {**arguments, **beside})
    if tool.tasks and _TASK in params:
        beside[_TASK] = params[_TASK]
    given = {"arguments": arguments} if arguments or "arguments" in params else {}
    return Request(via.request.id, CALL, {"name": tool.remote, **given, **beside})


def _mismatch(definition: Definition, via: Via | None) -> Deny | None:
    """Headers of a modern client repeat arguments, as the tool's schema says."""
    if via is None or via.client.era is not Era.MODERN:
        return None
    arguments = via.request.params.get("arguments")
    said = arguments if isinstance(arguments, Mapping) else {}
    agree = parameters(via.client.headers, definition.schema, said)
    return None if agree else Deny(Reason.HEADER_MISMATCH)


def _rule(tool: Tool) -> str:
    return f"mcp_servers.{tool.server}"
