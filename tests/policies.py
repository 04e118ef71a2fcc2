"""Builders of the rules of layer 3, as `build_policy` would make them from a configuration."""

from collections.abc import Collection, Iterable

from proxy.actions import Effect, ToolCall
from proxy.authorization.catalogue import BUILT_IN, Place, Tool
from proxy.authorization.commands import CommandParser, find_parser
from proxy.authorization.paths import Workspace
from proxy.authorization.planner import Planner
from proxy.authorization.policy import Policy
from proxy.scope import Autonomy

PARSER = CommandParser(find_parser())
AUTO = frozenset({"file_read", "file_list"})

RUN = Tool("agent.run", Effect.EXECUTE, Place.UPSTREAM, command="line", path="/tools/agent.run")
SAVE = Tool("agent.save", Effect.WRITE, Place.UPSTREAM, paths=("file",), path="/tools/agent.save")
ADD = Tool("ref.add", Effect.READ, Place.UPSTREAM, path="/tools/ref.add")


def planner(workspace: Workspace | None, commands: Iterable[str] = ("ls", "cat")) -> Planner:
    return Planner(frozenset(commands), PARSER, workspace)


def policy(
    workspace: Workspace | None,
    commands: Iterable[str] = ("ls", "cat"),
    *,
    level: Autonomy = Autonomy.FULL,
    auto_approve: Collection[str] = AUTO,
    always_ask: Collection[str] = (),
    tools: Iterable[Tool] = (RUN, SAVE, ADD),
) -> Policy:
    """The policy over the built-in tools and `tools`."""
    known = {**BUILT_IN, **{tool.name: tool for tool in tools}}
    rules = frozenset(auto_approve), frozenset(always_ask)
    return Policy(level, *rules, known, planner(workspace, commands))


def shell(line: str) -> ToolCall:
    return ToolCall("shell", {"command": line})
