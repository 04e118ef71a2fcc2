"""Lists over all servers: what each has, less what this caller may not use, in one page."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from typing import Protocol

import structlog

from proxy.config.patterns import is_name
from proxy.decision import Denied, Deny
from proxy.isolation.mcp.upstreams import McpServer, Upstreams
from proxy.jsonrpc import Failure, Request, Response
from proxy.mcp import Era, McpTalk
from proxy.protocols.mcp.methods import ASKED, METHODS
from proxy.protocols.mcp.names import Names
from proxy.protocols.strict_json import dumps
from proxy.reasons import Reason
from proxy.values import Json

log = structlog.get_logger()  # for servers that a list is answered without

Ask = Callable[[McpServer, Request], Awaitable[Response | Deny]]
"""Ask a server something in the caller's name; the answer is under the id of the request."""
Item = Mapping[str, Json]

LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
"""The methods that list, and the member of their result that holds the list."""
_NAMED = {
    "tools": "name",
    "prompts": "name",
    "resources": "uri",
    "resourceTemplates": "uriTemplate",
}
_USED_BY = {
    "prompts/list": "prompts/get",
    "resources/list": "resources/read",
    "resources/templates/list": "resources/read",
}
"""The methods that use what is listed: who may not call these is shown nothing."""
_MOST_PAGES = 64
_MOST_ITEMS = 5000
_MOST_BYTES = 16 << 20
_UNCACHED: Item = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
_NO_PAGE = Failure(-32602, "There is no page of this cursor: lists come whole.")


class Learner(Protocol):
    """What is known of the definitions of tools."""

    async def learn(self, server: str, tools: Sequence[Item]) -> Collection[str]:
        """Take note of all tools of a server; the names of those that are trusted."""
        ...


async def listed(
    talk: McpTalk, upstreams: Upstreams, names: Names, ask: Ask, learner: Learner
) -> Mapping[str, Json] | Failure | Deny:
    """The result of the list that `talk` asks for: whole, in the caller's names.

    A server that is not there does not hide what others have, unless it is the only one; its own
    failure is then the answer.
    """
    request = talk.said.message
    assert isinstance(request, Request)
    if "cursor" in request.params:
        return _NO_PAGE
    member = LISTS[request.method]
    servers = [each for each in upstreams if _allows(talk, each, request.method)]
    found = await asyncio.gather(*(all_of(each, request.method, ask) for each in servers))
    items = _own(talk, names) if member == "tools" else []
    lacking = [each for each in found if isinstance(each, Failure | Deny)]
    if lacking and len(lacking) == len(servers) and not items:
        return lacking[0]
    for server, has in zip(servers, found, strict=True):
        if isinstance(has, Failure | Deny):
            _note(server, has)
        else:
            kept = await _usable(talk, server.name, has, learner) if member == "tools" else has
            items += _renamed(kept, _NAMED[member], names, server.name)
    rest = _UNCACHED if talk.said.client.era is Era.MODERN else {}
    return {member: items[:_MOST_ITEMS], **rest}


def _allows(talk: McpTalk, server: McpServer, method: str) -> bool:
    use = _USED_BY.get(method)
    allowed = METHODS[method].group in talk.allow.get(server.name, frozenset())
    return allowed and (use is None or talk.visible(f"{server.name}.{use}"))


async def all_of(server: McpServer, method: str, ask: Ask) -> list[Item] | Failure | Deny:
    """Everything that a server lists, page by page, as far as a list may reach."""
    items: list[Item] = []
    cursor: Item = {}
    size = 0
    for _ in range(_MOST_PAGES):
        result = await _page(server, method, cursor, ask)
        if not isinstance(result, Mapping):
            return result
        page, following = result.get(LISTS[method]), result.get("nextCursor")
        if isinstance(page, str) or not isinstance(page, Sequence):
            return Deny(Reason.MCP_UNREADABLE, method)
        items += _items(page, _NAMED[LISTS[method]])
        if not isinstance(following, str) or len(items) >= _MOST_ITEMS:
            break
        cursor = {"cursor": following}
        size += len(dumps(page))
        if size > _MOST_BYTES:
            break
    return items[:_MOST_ITEMS]


async def _page(
    server: McpServer, method: str, params: Item, ask: Ask
) -> Mapping[str, Json] | Failure | Deny:
    try:
        response = await ask(server, Request(f"list-{uuid.uuid4().hex}", method, params))
    except Denied as denied:
        return Deny(denied.reason, method)
    return response if isinstance(response, Deny) else response.result


def _items(page: Sequence[Json], key: str) -> Iterator[Item]:
    for each in page:
        if isinstance(each, Mapping) and isinstance(each.get(key), str):
            yield each


def _note(server: McpServer, lacking: Failure | Deny) -> None:
    why = lacking.reason.code if isinstance(lacking, Deny) else f"error {lacking.code}"
    log.warning("mcp server left out of a list", server=server.name, why=why)


def _own(talk: McpTalk, names: Names) -> list[Item]:
    """The tools that are no server's."""
    return [
        {
            "name": names.own_wire(tool.name),
            "description": tool.description,
            "inputSchema": tool.schema,
        }
        for tool in talk.own
    ]


async def _usable(
    talk: McpTalk, server: str, tools: Sequence[Item], learner: Learner
) -> Sequence[Item]:
    """The tools that policy can name, that are as they were, and that the caller may call."""
    named = [tool for tool in tools if _is_named(server, tool)]
    trusted = frozenset(await learner.learn(server, named))
    return [
        tool for tool in named if tool["name"] in trusted and talk.visible(_policy(server, tool))
    ]


def _is_named(server: str, tool: Item) -> bool:
    """Whether it has a policy name of its own: methods are decided on under theirs."""
    name = tool["name"]
    return is_name(_policy(server, tool)) and name not in METHODS and name not in ASKED


def _policy(server: str, tool: Item) -> str:
    return f"{server}.{tool['name']}"


def _renamed(items: Sequence[Item], key: str, names: Names, server: str) -> list[Item]:
    name = names.wire if key == "name" else names.uri
    return [{**item, key: name(server, str(item[key]))} for item in items]


def rewritten(result: Mapping[str, Json], names: Names, server: str) -> Mapping[str, Json]:
    """The result of a call, or a notification's parameters, with URIs as the caller names them."""
    if names.uri(server, "") == "":
        return result
    changed: dict[str, Json] = {}
    for key in result.keys() & {"content", "contents", "messages", "resource", "uri"}:
        changed[key] = _inner(key, result[key], names, server)
    return {**result, **changed}


def _inner(key: str, value: Json, names: Names, server: str) -> Json:
    """What holds URIs, as deep as MCP puts them: a prompt's message holds content, that a link."""
    match value:
        case str():
            return names.uri(server, value) if key == "uri" else value
        case Mapping():
            return rewritten(value, names, server)
        case Sequence() if key in ("content", "contents", "messages"):
            return [_inner("", each, names, server) for each in value]
    return value
