"""Every key that exists, with its type and its default: the closed one.

The counterparts are `loader`, which fills these values, and the layers above, each of which is
given its own section and no other. A key whose feature is not built yet does not exist: accepted in
silence it would look like protection.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from proxy.config.auditing import AuditConfig
from proxy.config.channels import ChannelsConfig
from proxy.config.commands import Commands
from proxy.config.deferred import Checked, any_secret
from proxy.config.listening import AdminConfig, GatewayConfig, MetricsConfig
from proxy.config.mcp import McpServers
from proxy.config.moments import Moment, moment
from proxy.config.presets import Preset
from proxy.config.principals import Principals
from proxy.config.protection import ProtectionConfig
from proxy.config.reach import IGNORED, AllowedRoots, Domain, IgnorePattern
from proxy.config.runtime import DockerConfig, RuntimeConfig
from proxy.config.section import Section, raise_all, wrong
from proxy.config.text import (
    SQLITE,
    FilePath,
    Folder,
    ForbiddenPath,
    Line,
    StateUrl,
    ToolPattern,
)
from proxy.config.tools import ToolConfig, Tools
from proxy.config.tunnel import TunnelConfig
from proxy.config.upstream import RouteConfig, UpstreamConfig
from proxy.scope import Autonomy

__all__ = [
    "AuditConfig",
    "Autonomy",
    "AutonomyConfig",
    "Config",
    "DockerConfig",
    "GatewayConfig",
    "MetricsConfig",
    "RouteConfig",
    "RuntimeConfig",
    "StateConfig",
    "ToolConfig",
    "UpstreamConfig",
]


class AutonomyConfig(Section):
    """What tools may do: the authorization layer."""

    level: Annotated[Autonomy, Field(strict=False)] = Autonomy.SUPERVISED
    """How far tools may go without a human."""
    mode: Literal["enforce", "observe"] = "enforce"
    """observe: what the rules refuse of the upstream's tools is only told; needs until."""
    until: Moment | None = None
    """When observe ends, at the latest: a date, whose first moment in UTC counts, or a time."""
    max_actions_per_hour: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """How many calls that write or execute one principal has in an hour; null: no limit."""
    workspace_only: bool = True
    """Whether paths must lie in the workspace."""
    workspace_dir: Folder = "/workspace"
    """The folder that tools work in; opened once, at start."""
    allowed_roots: AllowedRoots = ()
    """Other folders that file tools may reach, by absolute paths: {path, access: ro|rw}."""
    ignore: Annotated[tuple[IgnorePattern, ...], Field(strict=False)] = IGNORED
    """Files that no tool reads, lists or writes: patterns as in .gitignore; []: none."""
    allowed_domains: Annotated[tuple[Domain, ...], Field(strict=False)] = ()
    """Hosts that URL arguments may name: example.com, *.example.com, or *: any public name."""
    allowed_commands: Commands = ("git", "ls", "cat", "grep")
    """Programs that may be run, spelled as a call spells them, or rules for them; []: none."""
    forbidden_paths: Annotated[tuple[ForbiddenPath, ...], Field(strict=False)] = ()
    """Paths never opened, beside those built in: absolute, in the workspace, or ~/…"""
    auto_approve: Annotated[tuple[ToolPattern, ...], Field(strict=False)] = (
        *("file_read", "file_list"),
    )
    """Tools that need no human at level supervised; a * is any characters: github.get_*."""
    always_ask: Annotated[tuple[ToolPattern, ...], Field(strict=False)] = ()
    """Tools that need a human at level supervised, each time anew, whatever auto_approve lists."""
    approval_timeout_secs: Annotated[float, Field(ge=0, le=86_400)] = 300
    """How long a human has to decide on a call; 0: nobody is asked, the call is denied."""

    @property
    def observed_until(self) -> datetime | None:
        """When rules are enforced again that are only observed; None: they are enforced."""
        return moment(self.until) if self.mode == "observe" and self.until else None

    @model_validator(mode="after")
    def _observe_for_a_time(self) -> Self:
        """Nobody is to forget that the rules are not in force."""
        if self.mode == "observe" and self.until is None:
            raise_all([wrong(("until",), "required with autonomy.mode: observe")])
        if self.observed_until is not None and self.observed_until <= datetime.now(UTC):
            raise_all([wrong(("until",), "has passed: set autonomy.mode to enforce")])
        return self


class StateConfig(Section):
    """What is remembered over a restart."""

    url: StateUrl = "sqlite:///sidegate.db"
    """sqlite:///FILE, relative to state_dir; redis://HOST, rediss:// or unix:///FILE: replicas."""
    username: Line | None = None
    """The user at a Redis or Valkey server; null: its default."""
    password: Annotated[SecretStr, Checked(any_secret)] | None = None
    """The password at a Redis or Valkey server; better in a file of its own: password_file."""

    @property
    def path(self) -> str | None:
        """The file of the database, relative to state_dir unless absolute; None: on a server."""
        return self.url.removeprefix(SQLITE) if self.url.startswith(SQLITE) else None


class SecretsConfig(Section):
    """How what is kept is kept from whoever reads the disk."""

    encrypt: bool = True
    """Whether secrets are encrypted where they are stored; false: plain, for their owner alone."""
    key_file: FilePath = ".secret_key"
    """The master key, relative to state_dir; made at the first start where there is none."""


class Config(Section):
    """The whole configuration."""

    state_dir: FilePath | None = None
    """Where Sidegate keeps its files; null: $STATE_DIRECTORY, else the working folder."""
    gateway: GatewayConfig = GatewayConfig()
    admin: AdminConfig = AdminConfig()
    metrics: MetricsConfig = MetricsConfig()
    tunnel: TunnelConfig = TunnelConfig()
    principals: Principals = Field(default={})
    """Machines with a token from the start, by name."""
    upstream: UpstreamConfig = UpstreamConfig()
    autonomy: AutonomyConfig = AutonomyConfig()
    presets: Annotated[tuple[Preset, ...], Field(strict=False)] = ()
    """Tables of tools that ship with Sidegate; entries of tools override theirs."""
    mcp_servers: McpServers = Field(default={})
    """MCP servers by name; the name of a tool of theirs is SERVER.TOOL."""
    tools: Tools = Field(default={})
    """Tools by name or pattern: the upstream's, commands to run, changes to those built in."""
    runtime: RuntimeConfig = RuntimeConfig()
    secrets: SecretsConfig = SecretsConfig()
    protection: ProtectionConfig = ProtectionConfig()
    state: StateConfig = StateConfig()
    audit: AuditConfig = AuditConfig()
    channels_config: ChannelsConfig = ChannelsConfig()

    @model_validator(mode="after")
    def _keep_files_from_tools(self) -> Self:
        """A tool that could write the audit log or the state would undo every layer."""
        workspace = PurePosixPath(self.autonomy.workspace_dir)
        raise_all(
            wrong(key, "must not lie in autonomy.workspace_dir")
            for key, path in self._own_files()
            if path is not None and PurePosixPath(path).is_relative_to(workspace)
        )
        return self

    @model_validator(mode="after")
    def _confine_what_is_not_judged(self) -> Self:
        """Where no line is judged, the sandbox is all that there is."""
        if not self.runtime.isolates:
            raise_all(
                wrong(
                    ("tools", name, "commands"),
                    "any needs a runtime that isolates: docker, or native with require: bwrap",
                )
                for name, entry in self.tools.items()
                if entry.commands == "any"
            )
        return self

    @model_validator(mode="after")
    def _have_containers(self) -> Self:
        """What is said of containers means nothing where there are none."""
        if self.runtime.kind == "native":
            raise_all(
                wrong(("tools", name, "docker"), "only with runtime.kind: docker")
                for name, entry in self.tools.items()
                if entry.docker is not None
            )
            raise_all(
                wrong(("mcp_servers", name, "docker"), "only with runtime.kind: docker")
                for name, server in self.mcp_servers.items()
                if server.docker is not None
            )
        return self

    def _own_files(self) -> Iterator[tuple[tuple[str, ...], str | None]]:
        yield ("state_dir",), self.state_dir
        yield ("state", "url"), self.state.path
        yield ("secrets", "key_file"), self.secrets.key_file
        yield ("audit", "path"), self.audit.path
        yield ("protection", "rules_file"), self.protection.rules_file
