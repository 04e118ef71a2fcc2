"""The rules that a change would make."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from policies import PARSER

from proxy.config import loader
from proxy.decision import ConfigError
from proxy.explain.overlays import MOST_KEPT, Overlays
from proxy.scope import Autonomy

FULL = {"autonomy": {"level": "full"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def overlays(folder: Path) -> Iterator[Overlays]:
    """Overlays over a configuration with a workspace; every descriptor is given back."""
    before = len(os.listdir("/proc/self/fd"))
    text = f"state_dir: {folder}-state\nautonomy: {{workspace_dir: {folder}}}"
    made = Overlays(loader.parse(text, "sidegate.yaml", {}), PARSER, {})
    yield made
    made.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_change_is_over_the_configuration_and_does_not_stay(overlays: Overlays) -> None:
    assert overlays(FULL).policy.tool_rules.level is Autonomy.FULL
    assert overlays({}).policy.tool_rules.level is Autonomy.SUPERVISED


def test_the_same_change_is_made_once(overlays: Overlays) -> None:
    change = {"autonomy": {"level": "full", "allowed_commands": ["ls"]}}
    again = {"autonomy": {"allowed_commands": ["ls"], "level": "full"}}

    assert overlays(change) is overlays(again)
    assert overlays(change) is not overlays(FULL)


def test_a_change_that_cannot_be_is_told(overlays: Overlays) -> None:
    with pytest.raises(ConfigError):
        overlays({"autonomy": {"level": "high"}})


def test_only_the_last_few_are_kept(overlays: Overlays) -> None:
    before = len(os.listdir("/proc/self/fd"))
    first = overlays({})
    each = len(os.listdir("/proc/self/fd")) - before
    for number in range(2 * MOST_KEPT):
        overlays({"autonomy": {"approval_timeout_secs": number}})

    assert len(os.listdir("/proc/self/fd")) - before == each * MOST_KEPT
    assert overlays({}) is not first


def test_a_workspace_that_was_made_anew_is_opened_anew(overlays: Overlays, folder: Path) -> None:
    first = overlays({})
    folder.rmdir()
    missing = overlays({})
    folder.mkdir()

    assert first.policy.tool_rules.planner.workspace is not None
    assert missing.policy.tool_rules.planner.workspace is None
    found = overlays({}).policy.tool_rules.planner.workspace
    assert found is not None
    assert found.intact()


def test_so_is_a_root_beside_it(overlays: Overlays, tmp_path: Path) -> None:
    root = tmp_path / "root"
    change = {"autonomy": {"allowed_roots": [{"path": str(root), "access": "ro"}]}}
    root.mkdir()
    first = overlays(change)
    assert overlays(change) is first
    root.rename(tmp_path / "gone")
    root.mkdir()

    assert overlays(change) is not first
