"""The tools that exist, and what each does to the world.

What is not in the catalogue does not exist: there is no default tool and no effect that a caller
could state. Sidegate's own tools win over configured ones of the same name. A pattern makes tools
of the upstream exist, for it knows them by name, and says more of others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, cast

from proxy.actions import Effect
from proxy.authorization.tools.dispatch import Dispatch
from proxy.authorization.tools.rules import Rule
from proxy.authorization.tools.tool import (
    BUILT_IN,
    DEFAULT_SECONDS,
    FILE_LIST,
    FILE_READ,
    FILE_WRITE,
    SHELL,
    Place,
    Served,
    Tool,
)
from proxy.config.entries import MCP, Approval, DispatchConfig
from proxy.config.mcp import McpServerConfig
from proxy.config.model import ToolConfig
from proxy.config.patterns import (
    closest_last,
    covers,
    is_name,
    is_pattern,
    is_plain,
    merged,
    server_of,
)
from proxy.config.presets import Preset, entries
from proxy.config.rules import RuleConfig
from proxy.config.served import is_method
from proxy.config.tools import BUILT_IN as OVERRIDABLE
from proxy.config.tools import RESERVED
from proxy.config.wrappers import is_wrapper
from proxy.mcp import Group
from proxy.protocols.mcp.methods import ASKED, METHODS

__all__ = [
    "BUILT_IN",
    "FILE_LIST",
    "FILE_READ",
    "FILE_WRITE",
    "SHELL",
    "Catalogue",
    "Place",
    "Served",
    "Tool",
    "catalogue",
]

_PLACES = frozenset({"sandbox", "upstream"})
_STRICTEST_FIRST: tuple[Approval, ...] = ("deny", "ask", "auto")
_BY_PATTERN = frozenset({Place.UPSTREAM, Place.MCP})
_MOST_REMEMBERED = 1024  # names, which callers choose, each of MAX_NAME characters at most


Fields = Mapping[str, Any]  # the fields of a ToolConfig, those that were given
Table = Mapping[str, Mapping[str, object]]  # by the key of their entry


class Catalogue:
    """Every tool by its policy name: `exact` those with an entry of their own.

    `servers`: the MCP servers, by the names that the names of their tools begin with.
    """

    def __init__(
        self,
        exact: Iterable[Tool],
        table: Table | None = None,
        servers: Mapping[str, Served] | None = None,
    ) -> None:
        self.exact = {tool.name: tool for tool in exact}
        self.servers = servers or {}
        self._spelled = {name.lower() for name in self.servers}
        self._table = table or {}
        self._taken = {name.lower() for name in self.exact}
        self._denied = [key for key, said in self._table.items() if _is_denied(said)]
        self._by_pattern = lru_cache(_MOST_REMEMBERED)(self._patterned)

    def find(self, name: str) -> Tool | None:
        """The tool of this name, if there is one.

        Who serves it may not tell capitals from small letters: in another case, the name of a tool
        with an entry of its own is none, and neither is what an entry switches off.
        """
        known = self.exact.get(name)
        if known is not None or name == RESERVED or not is_name(name):
            return known
        return self._by_pattern(name)

    def _patterned(self, name: str) -> Tool | None:
        """The tool that patterns make of a name. It costs as much as the table is long."""
        if self._is_disguised(name):
            return None
        tool = _tool(name, self._table, self.servers)
        return tool if tool is not None and tool.place in _BY_PATTERN else None

    def _is_disguised(self, name: str) -> bool:
        spelled = name.lower()
        if self._is_of_a_server(name):
            return True
        if spelled in self._taken or spelled == RESERVED:
            return True
        return any(covers(key.lower(), spelled) and not covers(key, name) for key in self._denied)

    def _is_of_a_server(self, name: str) -> bool:
        """Whether a name is a server's in another spelling: `GitHub.get_me`, `github__get_me`.

        What is behind us may know its servers by the same names, and no rule would be found.
        """
        parts = (name.partition(joined) for joined in (".", "__"))
        heads = {head.lower() for head, joined, _ in parts if joined}
        return not heads.isdisjoint(self._spelled) and server_of(name, self.servers) is None


def catalogue(
    sections: Mapping[str, ToolConfig],
    presets: Iterable[Preset] = (),
    mcp_servers: Mapping[str, McpServerConfig] | None = None,
) -> Catalogue:
    """The tools that are built in, those of `presets`, and those that `sections` declare.

    With those of MCP servers, as far as entries speak about them.
    """
    servers = {
        name: Served(server.groups, server.timeout_secs)
        for name, server in (mcp_servers or {}).items()
    }
    table = entries(sections, presets, servers)
    built_in = [_overridden(tool, table) for tool in BUILT_IN.values()]
    names = [key for key in table if not is_pattern(key) and key not in BUILT_IN]
    declared = [tool for name in names if (tool := _tool(name, table, servers)) is not None]
    return Catalogue([*built_in, *declared], table, servers)


def _is_denied(said: Mapping[str, object]) -> bool:
    return said.get("approval") == "deny"


def _overridden(tool: Tool, table: Table) -> Tool:
    """A built-in tool does what it does, whatever is said about it."""
    keys = closest_last(table, tool.name)
    found: Fields = merged(keys, table)
    fields = {key: value for key, value in found.items() if key in OVERRIDABLE[tool.name]}
    return replace(
        _ruled(tool, fields, keys, table),
        seconds=fields.get("timeout_secs", tool.seconds),
        description=fields.get("description") or tool.description,
    )


def _tool(name: str, table: Table, servers: Mapping[str, Served]) -> Tool | None:
    keys = closest_last(table, name)
    fields: Fields = merged(keys, table)
    server = server_of(name, servers)
    if server is not None and is_method(name, servers):
        return _method(name, servers[server], fields, keys, table)
    if server is not None and name.partition(".")[2] in METHODS:
        return None
    place = _place(name, server, fields)
    if "effect" not in fields or place is None:
        return None
    tool = Tool(
        name,
        fields["effect"],
        place,
        command=fields.get("command"),
        paths=fields.get("paths", ()),
        seconds=_seconds(server, fields, servers),
        path=fields.get("path", f"/tools/{name}"),
        description=fields.get("description", ""),
        urls=fields.get("urls", ()),
        opaque=is_wrapper(name) and "dispatch" not in fields,
        server=server or "",
        remote=name.partition(".")[2] if server else "",
        tasks=server is not None and Group.TASKS in servers[server].allow,
    )
    ruled = _ruled(tool, fields, keys, table)
    return replace(ruled, dispatch=_dispatch(fields.get("dispatch"), ruled))


def _place(name: str, server: str | None, fields: Fields) -> Place | None:
    """Where the tool is. A name that a path cannot hold is only a tool's of an MCP server."""
    backend = fields.get("backend")
    if server is not None:
        return Place.MCP if backend == f"{MCP}{server}" else None
    return Place(backend) if backend in _PLACES and is_plain(name) else None


def _seconds(server: str | None, fields: Fields, servers: Mapping[str, Served]) -> float:
    usual = DEFAULT_SECONDS if server is None else servers[server].seconds
    return float(fields.get("timeout_secs", usual))


def _method(
    name: str, server: Served, fields: Fields, keys: Sequence[str], table: Table
) -> Tool | None:
    """A method of a server that may be used for it; it does what it does, whatever is said."""
    own, _, remote = name.partition(".")
    said = METHODS.get(remote)
    group = said.group if said else ASKED.get(remote)
    if group not in server.allow:
        return None
    tool = Tool(
        name,
        Effect.WRITE if said and said.acts else Effect.READ,
        Place.MCP,
        seconds=fields.get("timeout_secs", server.seconds),
        description=fields.get("description", ""),
        server=own,
        remote=remote,
        method=True,
    )
    ruled = _ruled(tool, fields, keys, table)
    # To be in `allow` is the operator's word for it, as long as no entry says another.
    return replace(ruled, approval=ruled.approval or "auto", unjudged=False)


def _ruled(tool: Tool, fields: Fields, keys: Sequence[str], table: Table) -> Tool:
    """The tool with what holds of calls: rules and approval of all entries about it."""
    approval, entry = _approval({key: table[key].get("approval") for key in keys})
    return replace(
        tool,
        unjudged=fields.get("commands") == "any",
        rules=tuple(_rules({key: table[key].get("rules", {}) for key in keys})),
        approval=approval,
        ruled_by=entry,
        rate=fields.get("rate_per_minute"),
    )


def _rules(said: Mapping[str, object]) -> Iterator[Rule]:
    for key, rules in said.items():
        sections = cast("Mapping[str, RuleConfig]", rules)
        yield from (Rule.build(key, name, section) for name, section in sections.items())


def _approval(said: Mapping[str, object]) -> tuple[Approval | None, str]:
    """The strictest word, and the closest entry that says it."""
    entries = {word: key for key, word in said.items()}
    for word in _STRICTEST_FIRST:
        if word in entries:
            return word, entries[word]
    return None, ""


def _dispatch(section: object, tool: Tool) -> Dispatch | None:
    if not isinstance(section, DispatchConfig):
        return None
    roles = (*tool.paths, *tool.urls, *filter(None, (tool.command,)))
    return Dispatch(
        section.tool,
        section.arguments,
        section.server,
        section.prefix or "",
        section.calls,
        frozenset({role.removesuffix("?") for role in roles} | {rule.name for rule in tool.rules}),
    )
