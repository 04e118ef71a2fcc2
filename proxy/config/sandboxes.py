"""The sandbox of each tool that runs commands, and of each MCP server that is one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr

from proxy.config.model import Config, DockerConfig
from proxy.config.patterns import is_pattern, joined
from proxy.config.presets import entries
from proxy.config.runtime import ToolDockerConfig

SHELL = "shell"


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """Of one of them: its container, what its command gets in its environment, and if it writes."""

    docker: DockerConfig
    env: Mapping[str, SecretStr] = field(default_factory=dict)
    writes: bool = True


def sandboxes(config: Config) -> Mapping[str, SandboxConfig]:
    """By the policy names of the tools, and the keys of the servers."""
    return dict((*_sandboxes(config), *_servers(config)))


def server_key(name: str) -> str:
    """The key of the sandbox of an MCP server, which no tool can have as its name."""
    return f"mcp:{name}"


def _servers(config: Config) -> Iterator[tuple[str, SandboxConfig]]:
    """Those of MCP servers that are programs."""
    for name, server in config.mcp_servers.items():
        if server.command is not None:
            changes = server.docker or ToolDockerConfig()
            docker = config.runtime.docker.with_changes(changes)
            alone = docker.model_copy(update={"pool_size": 0})  # it is used more than once
            yield server_key(name), SandboxConfig(alone, server.env, server.writes)


def _sandboxes(config: Config) -> Iterator[tuple[str, SandboxConfig]]:
    table = entries(config.tools, config.presets)
    for name in sorted({SHELL, *(key for key in table if not is_pattern(key))}):
        fields: Mapping[str, Any] = joined(name, table)
        if name == SHELL or fields.get("backend") == "sandbox":
            changes = fields.get("docker") or ToolDockerConfig()
            writes = name == SHELL or fields.get("effect") != "read"
            docker = config.runtime.docker.with_changes(changes)
            yield name, SandboxConfig(docker, fields.get("env", {}), writes)
