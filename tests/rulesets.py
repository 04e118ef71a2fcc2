"""Builders for questions about rules: a ruleset out of a few lines of configuration."""

from collections.abc import Mapping

from policies import PARSER

from proxy.actions import ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.config import loader
from proxy.explain.ruleset import Ruleset
from proxy.pipeline import build_policy
from proxy.values import Json


def ruleset(text: str = "", workspace: Workspace | None = None) -> Ruleset:
    """The rules that a `sidegate.yaml` of this text makes."""
    loaded = loader.parse(text, "sidegate.yaml", {})
    return Ruleset(loaded, build_policy(loaded.config, PARSER, workspace))


def call(tool: str = "shell", arguments: Mapping[str, Json] | None = None) -> ToolCall:
    return ToolCall(tool, arguments or {})
