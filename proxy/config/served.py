"""Which entries of the table of tools are of an MCP server: those that stand under its name.

Where a tool is follows from its name alone. Were it not so, an entry could send a call that was
judged by the rules of one place to another.
"""

from collections.abc import Collection, Iterator, Mapping

from proxy.config.entries import MCP
from proxy.config.mcp import METHODS
from proxy.config.near import did_you_mean
from proxy.config.patterns import is_name, is_plain, server_of


def is_method(name: str, servers: Collection[str]) -> bool:
    """Whether the name is that of a method of one of the servers."""
    return server_of(name, servers) is not None and name.partition(".")[2] in METHODS


def misplaced(
    name: str, given: Mapping[str, object], servers: Collection[str]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with where an entry says that its tool is."""
    server, backend = server_of(name, servers), str(given.get("backend", ""))
    if server is not None:
        if backend not in ("", f"{MCP}{server}"):
            yield ("backend",), f"must be {MCP}{server}, or left out: mcp_servers has this server"
        return
    if backend.startswith(MCP):
        yield ("backend",), _elsewhere(backend.removeprefix(MCP), servers)
    elif is_name(name) and not is_plain(name):
        near = did_you_mean(name.partition(".")[0], servers)
        yield (), f"only tools of an MCP server have such names, and there is none{near}"


def _elsewhere(server: str, servers: Collection[str]) -> str:
    if server in servers:
        return f"only for tools of this server, whose names begin with {server}."
    return f"there is no such server in mcp_servers{did_you_mean(server, servers)}"
