"""What is told of a configuration that is valid."""

import pytest

from proxy.config import loader
from proxy.config.cautions import cautions

TOOLS = """
presets: [mcp-git]
tools:
  ref.add: {effect: read, backend: upstream}
  "github.*": {effect: write, backend: upstream}
  "*": {approval: ask}
"""


def told(text: str) -> list[str]:
    return cautions(loader.parse(text, "sidegate.yaml", {}).config)


def test_of_what_is_meant_nothing_is_told() -> None:
    assert told("{}") == []


@pytest.mark.parametrize("key", ["auto_approve", "always_ask"])
@pytest.mark.parametrize(
    "name",
    [
        *("shell", "file_*", "*", "ref.add", "ref.*", "*.add"),
        *("github.x", "github.get_*", "*.delete_*", "git.git_add"),
    ],
)
def test_names_that_tools_have_or_may_have_are_meant(key: str, name: str) -> None:
    assert told(f"{TOOLS}autonomy: {{{key}: ['{name}']}}") == []


@pytest.mark.parametrize("key", ["auto_approve", "always_ask"])
@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("shel", " (did you mean 'shell'?)"),
        ("ref.ad", " (did you mean 'ref.add'?)"),
        ("gitub.*", " (did you mean 'github.*'?)"),
        ("slack.post", ""),
        ("qqq*", ""),
    ],
)
def test_names_that_no_tool_can_have_are_told(key: str, name: str, near: str) -> None:
    assert told(f"{TOOLS}autonomy: {{{key}: [shell, '{name}']}}") == [
        f"autonomy.{key}[1]: there is no tool {name}{near}"
    ]


def test_rules_that_are_only_observed_are_told() -> None:
    (caution,) = told("autonomy: {mode: observe, until: 2999-01-31}")

    assert "only told, until 2999-01-31" in caution
