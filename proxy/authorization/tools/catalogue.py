"""The tools that exist, and what each does to the world.

What is not in the catalogue does not exist: there is no default tool and no effect that a caller
could state. Sidegate's own tools win over configured ones of the same name. A pattern makes tools
of the upstream exist, for it knows them by name, and says more of others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast

from proxy.actions import Effect
from proxy.authorization.tools.dispatch import Dispatch
from proxy.authorization.tools.rules import Rule
from proxy.config.entries import Approval, DispatchConfig
from proxy.config.model import ToolConfig
from proxy.config.patterns import closest_last, covers, is_name, is_pattern, merged
from proxy.config.presets import Preset, entries
from proxy.config.rules import RuleConfig
from proxy.config.tools import BUILT_IN as OVERRIDABLE
from proxy.config.tools import RESERVED
from proxy.config.wrappers import is_wrapper

DEFAULT_SECONDS = 60.0
_STRICTEST_FIRST: tuple[Approval, ...] = ("deny", "ask", "auto")


class Place(StrEnum):
    """Where a tool's work is done."""

    SANDBOX = "sandbox"
    WORKSPACE = "workspace"
    UPSTREAM = "upstream"


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    `command` names the argument with a command line, `paths` and `urls` those with paths and URLs,
    a `?` at the end of those that may be missing. `unjudged`: its command line is not looked at.
    `approval` was said by the entry `ruled_by`. `opaque`: it calls others, and nobody said how.
    """

    name: str
    effect: Effect
    place: Place
    command: str | None = None
    paths: tuple[str, ...] = ()
    seconds: float = DEFAULT_SECONDS
    path: str = ""
    description: str = ""
    urls: tuple[str, ...] = ()
    unjudged: bool = False
    rules: tuple[Rule, ...] = ()
    approval: Approval | None = None
    ruled_by: str = ""
    rate: int | None = None
    dispatch: Dispatch | None = None
    opaque: bool = False


SHELL = Tool(
    "shell",
    Effect.EXECUTE,
    Place.SANDBOX,
    command="command",
    description="Run a command in a fresh sandbox: {command, stdin?, timeout_secs?}.",
)
FILE_READ = Tool(
    "file_read",
    Effect.READ,
    Place.WORKSPACE,
    paths=("path",),
    description="The text of a file in the workspace: {path}.",
)
FILE_WRITE = Tool(
    "file_write",
    Effect.WRITE,
    Place.WORKSPACE,
    paths=("path",),
    description="Replace a file in the workspace: {path, content}.",
)
FILE_LIST = Tool(
    "file_list",
    Effect.READ,
    Place.WORKSPACE,
    paths=("path",),
    description="The entries of a folder in the workspace: {path}.",
)
BUILT_IN = {tool.name: tool for tool in (SHELL, FILE_READ, FILE_WRITE, FILE_LIST)}

Fields = Mapping[str, Any]  # the fields of a ToolConfig, those that were given
Table = Mapping[str, Mapping[str, object]]  # by the key of their entry


class Catalogue:
    """Every tool by its policy name: `exact` those with an entry of their own."""

    def __init__(self, exact: Iterable[Tool], table: Table | None = None) -> None:
        self.exact = {tool.name: tool for tool in exact}
        self._table = table or {}
        self._taken = {name.lower() for name in self.exact}
        self._denied = [key for key, said in self._table.items() if _is_denied(said)]

    def find(self, name: str) -> Tool | None:
        """The tool of this name, if there is one.

        Who serves it may not tell capitals from small letters: in another case, the name of a tool
        with an entry of its own is none, and neither is what an entry switches off.
        """
        known = self.exact.get(name)
        if known is not None or name == RESERVED or not is_name(name) or self._is_disguised(name):
            return known
        tool = _tool(name, self._table)
        return tool if tool is not None and tool.place is Place.UPSTREAM else None

    def _is_disguised(self, name: str) -> bool:
        spelled = name.lower()
        if spelled in self._taken or spelled == RESERVED:
            return True
        return any(covers(key.lower(), spelled) and not covers(key, name) for key in self._denied)


def catalogue(sections: Mapping[str, ToolConfig], presets: Iterable[Preset] = ()) -> Catalogue:
    """The tools that are built in, those of `presets`, and those that `sections` declare."""
    table = entries(sections, presets)
    built_in = [_overridden(tool, table) for tool in BUILT_IN.values()]
    names = [key for key in table if not is_pattern(key) and key not in BUILT_IN]
    declared = [tool for name in names if (tool := _tool(name, table)) is not None]
    return Catalogue([*built_in, *declared], table)


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


def _tool(name: str, table: Table) -> Tool | None:
    keys = closest_last(table, name)
    fields: Fields = merged(keys, table)
    if "effect" not in fields or "backend" not in fields:
        return None
    tool = Tool(
        name,
        fields["effect"],
        Place(fields["backend"]),
        command=fields.get("command"),
        paths=fields.get("paths", ()),
        seconds=fields.get("timeout_secs", DEFAULT_SECONDS),
        path=fields.get("path", f"/tools/{name}"),
        description=fields.get("description", ""),
        urls=fields.get("urls", ()),
        opaque=is_wrapper(name) and "dispatch" not in fields,
    )
    ruled = _ruled(tool, fields, keys, table)
    return replace(ruled, dispatch=_dispatch(fields.get("dispatch"), ruled))


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
