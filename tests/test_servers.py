"""The MCP servers of a configuration: what is made of it, before anything is reached."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.actions import Command
from proxy.config.model import Config
from proxy.isolation.mcp.http import HttpLink
from proxy.isolation.mcp.stdio import StdioLink
from proxy.isolation.room import Room
from proxy.isolation.run import Job, Runtime, Talk
from proxy.isolation.sandbox import Sandbox
from proxy.seal import Seal
from proxy.servers import Wire, open_servers
from proxy.state.sqlite.store import SqliteStore

SERVERS: Mapping[str, Mapping[str, object]] = {
    "github": {"url": "http://127.0.0.1:1/mcp"},
    "files": {"command": ["mcp-files", "/workspace"]},
}


class NoRuntime(Runtime):
    """`Runtime` in which nothing can be started."""

    name = "none"

    def job(self, plan: Command, tool: str, request_id: str) -> Job:
        raise AssertionError("nobody runs a command")

    def talk(self, plan: Command, tool: str, request_id: str) -> Talk:
        raise OSError(f"{tool} {' '.join(plan.argv)}")

    async def missing(self) -> str | None:
        return "no engine"

    async def sweep(self) -> int:
        return 0

    async def aclose(self) -> None:
        pass


def config(**servers: Mapping[str, object]) -> Config:
    tools = {"github.*": {"effect": "read"}, "agent.run": {"effect": "read", "backend": "upstream"}}
    return Config.model_validate({"mcp_servers": servers, "tools": tools})


def test_names_on_the_wire_are_those_of_the_configuration() -> None:
    one = Wire.of(config(github=SERVERS["github"]), Seal(bytes(32))).names
    two = Wire.of(config(**SERVERS), Seal(bytes(32))).names

    assert one.wire("github", "get_me") == "get_me"
    assert one.wire("github", "shell") == "github__shell"
    assert one.policy("agent__run") == "agent.run"
    assert two.wire("github", "get_me") == "github__get_me"
    assert two.policy("files__read") == "files.read"


@pytest.mark.parametrize(("name", "kind"), [("github", HttpLink), ("files", StdioLink)])
async def test_each_server_is_reached_as_it_is_configured(
    tmp_path: Path, name: str, kind: type
) -> None:
    given, seal = config(**{name: SERVERS[name]}), Seal(bytes(32))
    store = SqliteStore(str(tmp_path / "state.db"), seal)
    sandbox = Sandbox(NoRuntime(), 1, Room())
    servers = open_servers(given, Wire.of(given, seal), sandbox, store.pins)

    missing = await servers.missing()
    await servers.aclose()
    await store.aclose()

    assert missing is not None
    assert name in missing
    assert kind in (HttpLink, StdioLink)
    assert ("no engine" in missing) == (kind is StdioLink)
