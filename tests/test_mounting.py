import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.authorization.paths.workspace import Workspace
from proxy.config import loader
from proxy.config.model import DockerConfig
from proxy.isolation.owner import NOBODY, Owner
from proxy.mounting import environments, mounted, owner, profiles


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    folder.mkdir()
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("changes", "source"),
    [
        ({}, "{folder}"),
        ({"workspace_host_path": "/srv/there"}, "/srv/there"),
        ({"mount_workspace": False}, None),
        ({"workspace_volume": "work"}, "work"),
        ({"workspace_volume": "work", "mount_workspace": False}, None),
    ],
)
def test_a_sandbox_sees_the_workspace_as_configured(
    workspace: Workspace, changes: dict[str, object], source: str | None
) -> None:
    section = DockerConfig.model_validate(changes)

    expected = source.format(folder=workspace.folder) if source else None
    assert mounted(section, workspace).source == expected


def test_a_volume_is_named_and_a_folder_is_looked_after(workspace: Workspace) -> None:
    volume = mounted(DockerConfig(workspace_volume="work"), workspace)
    folder = mounted(DockerConfig(), workspace)
    Path(workspace.folder).rename(f"{workspace.folder}.old")

    assert (volume.volume, folder.volume) == (True, False)
    volume.check()  # what the engine calls by that name, nobody here can see
    with pytest.raises(OSError, match="replaced by another folder"):
        folder.check()


def test_each_tool_has_the_container_that_its_entry_says(workspace: Workspace) -> None:
    text = """
runtime: {docker: {memory_limit_mb: 64}}
tools:
  look: {effect: read, backend: sandbox, command: line, docker: {user: "5:6", image: "own:1"}}
  peek: {effect: read, backend: sandbox, command: line, docker: {mount_workspace: false}}
"""
    found = profiles(loader.parse(text, "sidegate.yaml", {}).config, workspace)

    assert {profile.memory for profile in found.values()} == {64 << 20}
    assert {name: profile.writes for name, profile in found.items()} == {
        "shell": True,
        "look": False,
        "peek": False,
    }
    assert (found["look"].image, found["look"].mount.owner) == ("own:1", Owner(5, 6))
    assert [name for name in found if found[name].mount.source is None] == ["peek"]


def test_profiles_that_say_the_same_are_one(workspace: Workspace) -> None:
    text = """
tools:
  a: {effect: write, backend: sandbox, command: line, docker: {pool_size: 3}}
  b: {effect: read, backend: sandbox, command: line}
"""
    found = profiles(loader.parse(text, "sidegate.yaml", {}).config, workspace)

    assert found["shell"] == found["a"] != found["b"]
    assert len({*found.values()}) == 2


def test_a_variable_goes_to_the_tool_that_names_it_alone() -> None:
    text = "tools: {shell: {env: {TOKEN: hidden}}}"
    config = loader.parse(text, "sidegate.yaml", {}).config

    assert environments(config) == {"shell": {"TOKEN": "hidden"}}


def test_without_a_workspace_there_is_nothing_to_see() -> None:
    mount = mounted(DockerConfig(), None)

    assert (mount.source, mount.owner) == (None, NOBODY)


@pytest.mark.parametrize(
    ("user", "expected"), [("77:88", Owner(77, 88)), ("1000:1000", Owner(1000, 1000))]
)
def test_it_runs_as_whoever_is_configured(workspace: Workspace, user: str, expected: Owner) -> None:
    assert owner(user, workspace) == expected


@pytest.mark.parametrize(
    ("owners", "expected"), [((1234, 2345), Owner(1234, 2345)), ((0, 0), NOBODY), ((5, 0), NOBODY)]
)
def test_else_as_the_owner_of_the_workspace_and_never_as_root(
    workspace: Workspace, owners: tuple[int, int], expected: Owner
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(workspace.folder, *owners)

    assert owner(None, workspace) == expected
