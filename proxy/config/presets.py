"""Tables of tools that ship with Sidegate: those of known agents and MCP servers.

Each is a file in `presets/`, in the form of the section `tools`. An entry of the operator's own
under the same name overrides it, field by field.
"""

import functools
from collections.abc import Collection, Iterable, Mapping
from importlib import resources
from typing import Literal

from pydantic import TypeAdapter

from proxy.config import source
from proxy.config.entries import MCP, ToolConfig
from proxy.config.patterns import server_of
from proxy.config.text import ToolPattern

Preset = Literal["zeroclaw", "openclaw", "mcp-filesystem", "mcp-git", "mcp-fetch", "mcp-github"]

FOLDER = resources.files("proxy") / "presets"
_TABLE: TypeAdapter[Mapping[str, ToolConfig]] = TypeAdapter(Mapping[ToolPattern, ToolConfig])


@functools.cache
def preset(name: Preset) -> Mapping[str, ToolConfig]:
    """The entries of one."""
    draft = source.read((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), name)
    return _TABLE.validate_python(draft.data)


def over(
    presets: Iterable[Preset],
    tools: Mapping[str, Mapping[str, object]],
    servers: Collection[str] = (),
) -> Mapping[str, Mapping[str, object]]:
    """The fields of every entry, by key: the presets in their order, and over them `tools`.

    What stands under the name of one of the MCP `servers` is its own.
    """
    found: dict[str, Mapping[str, object]] = {}
    tables = [{key: entry.given() for key, entry in preset(name).items()} for name in presets]
    for table in (*tables, tools):
        for key, fields in table.items():
            server = server_of(key, servers)
            served = {} if server is None else {"backend": f"{MCP}{server}"}
            found[key] = {**found.get(key, {}), **fields, **served}
    return found


def entries(
    tools: Mapping[str, ToolConfig], presets: Iterable[Preset], servers: Collection[str] = ()
) -> Mapping[str, Mapping[str, object]]:
    """The same for entries that have been judged."""
    return over(presets, {key: entry.given() for key, entry in tools.items()}, servers)
