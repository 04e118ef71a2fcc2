"""The tables that ship with Sidegate."""

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from proxy.actions import Effect
from proxy.authorization.tools.catalogue import BUILT_IN, Place, Tool, catalogue
from proxy.config import loader
from proxy.config.model import Config
from proxy.config.presets import FOLDER, Preset, entries, preset
from proxy.config.tools import ToolConfig
from proxy.decision import ConfigError

PRESETS: tuple[Preset, ...] = get_args(Preset)
SERVERS = {
    "zeroclaw": "zeroclaw",
    "openclaw": "openclaw",
    "mcp-filesystem": "filesystem",
    "mcp-git": "git",
    "mcp-fetch": "fetch",
    "mcp-github": "github",
}
PAGE = Path(__file__).parents[2] / "docs" / "presets.md"


def tools(name: Preset) -> list[Tool]:
    known = catalogue({}, [name]).exact
    return [tool for key, tool in known.items() if key not in BUILT_IN]


def test_every_file_is_a_preset_and_every_preset_a_file() -> None:
    assert {file.name for file in FOLDER.iterdir()} == {f"{name}.yaml" for name in PRESETS}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_valid_table_of_tools(name: Preset) -> None:
    """Written out under `tools`, every entry would be accepted."""
    written = {key: entry.model_dump(exclude_unset=True) for key, entry in preset(name).items()}

    assert Config.model_validate({"tools": written}).tools == preset(name)
    assert len(tools(name)) == len(preset(name))


@pytest.mark.parametrize("name", PRESETS)
def test_the_tools_of_a_preset_are_the_upstream_s_and_named_by_their_server(name: Preset) -> None:
    for tool in tools(name):
        assert tool.name.startswith(f"{SERVERS[name]}.")
        assert tool.place is Place.UPSTREAM
        assert tool.description


@pytest.mark.parametrize("name", PRESETS)
def test_what_acts_is_asked_about_or_switched_off(name: Preset) -> None:
    acting = [tool for tool in tools(name) if tool.effect is not Effect.READ]

    assert {tool.approval for tool in acting} <= {"ask", "deny"}


@pytest.mark.parametrize("name", PRESETS)
def test_no_preset_leaves_a_tool_that_calls_others_unjudged(name: Preset) -> None:
    assert [tool.name for tool in tools(name) if tool.opaque] == []


def test_one_s_own_fields_go_over_those_of_a_preset() -> None:
    own = {"filesystem.read_file": ToolConfig(approval="deny"), "x": ToolConfig(description="X.")}
    found = entries(own, ["mcp-filesystem", "mcp-fetch"])

    assert found["filesystem.read_file"] == {
        **preset("mcp-filesystem")["filesystem.read_file"].given(),
        "approval": "deny",
    }
    assert found["x"] == {"description": "X."}
    assert set(found) == {*preset("mcp-filesystem"), *preset("mcp-fetch"), "x"}


def test_an_unknown_preset_is_told_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as caught:
        loader.parse("presets: [mcp-filesytem]", "sidegate.yaml", {})

    (problem,) = caught.value.problems
    assert problem.startswith("sidegate.yaml:1:11: presets.0: must be one of zeroclaw, ")
    assert problem.endswith("(did you mean 'mcp-filesystem'?)")


def test_a_preset_makes_an_entry_whole() -> None:
    own = {"fetch.fetch": {"timeout_secs": 5}}

    whole = Config.model_validate({"tools": own, "presets": ["mcp-fetch"]})
    assert whole.tools["fetch.fetch"].effect is None
    with pytest.raises(ValidationError):
        Config.model_validate({"tools": own})


@pytest.mark.parametrize("page", ["presets.md", "tools.md"])
def test_the_examples_of_the_pages_are_valid_configurations(page: str) -> None:
    text = (PAGE.parent / page).read_text()
    example = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)

    assert example is not None
    assert loader.parse(example[1], page, {}).config.tools


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_documented_with_its_tools(name: Preset) -> None:
    page = PAGE.read_text()
    section = re.search(rf"## `{name}`\n(.*?)(?=\n## |\Z)", page, re.DOTALL)

    assert section is not None
    named = set(re.findall(r"^\| `([a-z]+\.[A-Za-z_]+)` \|", section[1], re.MULTILINE))
    assert named == {tool.name for tool in tools(name)}
