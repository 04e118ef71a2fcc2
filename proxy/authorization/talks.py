"""What is said by MCP and calls nothing: who may say it, and with which servers.

A session is its owner's alone, and so is everything that is asked in it.
"""

from collections.abc import Mapping
from typing import assert_never

from proxy.actions import ToolCall
from proxy.authorization.keys import who
from proxy.authorization.tools.calls import ToolRules
from proxy.authorization.tools.tool import Tool
from proxy.authorization.verdict import Asked, Permit
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Principal
from proxy.jsonrpc import Notification, Request, Response
from proxy.mcp import Asking, Client, Era, Group, McpTalk, OwnTool, Rpc, Verb, Via
from proxy.protocols.mcp.methods import METHODS, SAID_UP
from proxy.protocols.mcp.shown import own_tool
from proxy.reasons import Reason
from proxy.values import Json

_PING = "ping"
_OPENING = "initialize"
_NOT_SERVED = Deny(Reason.METHOD_UNKNOWN)


def talk(rules: ToolRules, said: Rpc, principal: Principal) -> Decision[Permit]:
    """The permit to do what is said."""
    servers = rules.tools.servers
    allow = {name: server.allow for name, server in servers.items()}
    refused = stranger(said.client, principal) or _unopened(said) or _unserved(said, allow)
    if refused is not None:
        return refused
    scope = principal.scope
    plan = McpTalk(
        said,
        who(principal),
        allow,
        tuple(map(_shown, rules.own(scope))),
        lambda name: rules.visible(name, scope),
        asking(rules, said.client, principal),
    )
    return Allow(Permit(plan))


def stranger(client: Client, principal: Principal) -> Deny | None:
    """Why a client may not speak in its session: it is not its own."""
    if client.session is None or client.session.owner == who(principal):
        return None
    return Deny(Reason.SESSION_UNKNOWN)


def asking(rules: ToolRules, client: Client, principal: Principal) -> Asking:
    """Whether servers may ask this client, decided as if it called what they ask for."""

    async def refusal(server: str, method: str, params: Mapping[str, Json]) -> Reason | None:
        if method == _PING:
            return None
        via = Via(client, Request("sidegate", method, params))
        call = ToolCall(f"{server}.{method}", params, via=via)
        owner = who(principal)
        verdict = await rules.judge(call, principal.scope, approved=False, owner=owner)
        match verdict:
            case Allow():
                return None
            case Asked():
                return Reason.APPROVAL_REQUIRED
            case Deny(reason=reason):
                return reason
        assert_never(verdict)

    return refusal


def _unopened(said: Rpc) -> Deny | None:
    """In the legacy era nothing but its opening is said without a session."""
    if said.client.era is Era.MODERN or said.client.session is not None:
        return None
    if isinstance(said.message, Request) and said.message.method == _OPENING:
        return None
    return Deny(Reason.SESSION_MISSING)


def _unserved(said: Rpc, allow: Mapping[str, frozenset[Group]]) -> Deny | None:
    if said.server and said.server not in allow:
        return _NOT_SERVED
    match said.message:
        case Request(method=name):
            method = METHODS.get(name)
            if method is None or said.client.era not in method.eras:
                return _NOT_SERVED
            return _closed(method.group, said.server, allow)
        case Notification(method=name):
            # Who does not want it is not told; the one who says it need not know.
            return None if name in SAID_UP else _NOT_SERVED
        case Response() | Verb():
            return None if said.client.era is Era.LEGACY else _NOT_SERVED
    assert_never(said.message)


def _closed(group: Group | None, server: str, allow: Mapping[str, frozenset[Group]]) -> Deny | None:
    """Sidegate has tools of its own, so that there are always some to list."""
    if group is None or (group is Group.TOOLS and not server):
        return None
    groups = [allow[server]] if server else allow.values()
    return None if any(group in each for each in groups) else _NOT_SERVED


def _shown(tool: Tool) -> OwnTool:
    return own_tool(tool.name, tool.description, tool.command, tool.paths, tool.urls)
