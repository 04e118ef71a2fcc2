"""Builders of the rules of layer 3, as `build_policy` would make them from a configuration."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from proxy.actions import Effect, ToolCall
from proxy.authorization.lines import LineJudge
from proxy.authorization.paths.workspace import Workspace
from proxy.authorization.policy import Policy
from proxy.authorization.programs.allowlist import Allowlist
from proxy.authorization.shell.parser import CommandParser, find_parser
from proxy.authorization.tools.calls import ToolRules
from proxy.authorization.tools.catalogue import BUILT_IN, Catalogue, Place, Tool, catalogue
from proxy.authorization.tools.observation import Observation
from proxy.authorization.tools.planner import Planner
from proxy.authorization.urls.policy import UrlPolicy
from proxy.config.model import Config
from proxy.scope import Autonomy

PARSER = CommandParser(find_parser())
AUTO = frozenset({"file_read", "file_list"})
DOMAINS = ("example.com",)

RUN = Tool("agent.run", Effect.EXECUTE, Place.UPSTREAM, command="line", path="/tools/agent.run")
SAVE = Tool("agent.save", Effect.WRITE, Place.UPSTREAM, paths=("file",), path="/tools/agent.save")
ADD = Tool("ref.add", Effect.READ, Place.UPSTREAM, path="/tools/ref.add")


async def resolve(host: str, _owner: str = "") -> Sequence[str]:
    """`Resolve` that knows example.com, and a name that leads inside."""
    known = {"example.com": ["93.184.215.14"], "inside.example.com": ["10.0.0.1"]}
    if host not in known:
        raise OSError(host)
    return known[host]


def planner(
    workspace: Workspace | None,
    commands: Iterable[str] = ("ls", "cat"),
    domains: Sequence[str] = DOMAINS,
) -> Planner:
    lines = LineJudge(PARSER, Allowlist(tuple(commands)), workspace)
    return Planner(lines, workspace, UrlPolicy(domains, resolve))


def policy(
    workspace: Workspace | None,
    commands: Iterable[str] = ("ls", "cat"),
    *,
    level: Autonomy = Autonomy.FULL,
    auto_approve: Collection[str] = AUTO,
    always_ask: Collection[str] = (),
    tools: Iterable[Tool] | Catalogue = (RUN, SAVE, ADD),
    observation: Observation | None = None,
) -> Policy:
    """The policy over the built-in tools and `tools`."""
    known = tools if isinstance(tools, Catalogue) else Catalogue((*BUILT_IN.values(), *tools))
    rules = frozenset(auto_approve), frozenset(always_ask)
    planned = planner(workspace, commands)
    return Policy(ToolRules(level, *rules, known, planned, observation), "1")


def declared(
    tools: Mapping[str, Any],
    presets: Sequence[str] = (),
    servers: Mapping[str, Any] | None = None,
) -> Catalogue:
    """The catalogue of a configuration with this section `tools`."""
    config = Config.model_validate(
        {"tools": tools, "presets": list(presets), "mcp_servers": servers or {}}
    )
    return catalogue(config.tools, config.presets, config.mcp_servers)


def shell(line: str) -> ToolCall:
    return ToolCall("shell", {"command": line})
