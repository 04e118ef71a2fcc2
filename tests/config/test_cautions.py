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


def test_secrets_in_plain_text_are_told() -> None:
    (caution,) = told("secrets: {encrypt: false}")

    assert caution.endswith("secrets.encrypt is false")


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


def test_keys_of_containers_that_native_does_not_use_are_told() -> None:
    docker = "docker: {image: 'own:1', shell: bash, pool_size: 2, workspace_volume: work}"

    assert told(f"runtime: {{{docker}}}") == []
    (caution,) = told(f"runtime: {{kind: native, {docker}}}")
    assert caution == (
        "with runtime.kind: native nothing uses runtime.docker.image,"
        " runtime.docker.workspace_volume, runtime.docker.pool_size"
    )


def test_the_shell_is_native_too_and_what_is_as_by_default_is_not_told() -> None:
    assert told("runtime: {kind: native, docker: {shell: bash, pool_size: 0}}") == []


def test_routes_to_no_agent_are_told() -> None:
    routes = "routes: [{path: /v1/chat}]"
    (caution,) = told(f"upstream: {{{routes}}}")

    assert caution.startswith("upstream.routes: ")
    assert told(f"upstream: {{{routes}, url: 'http://agent:8080'}}") == []
