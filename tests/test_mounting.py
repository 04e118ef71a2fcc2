import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.authorization.paths.workspace import Workspace
from proxy.config.model import DockerConfig
from proxy.isolation.container import NOBODY, Owner
from proxy.mounting import mounted, owner


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
    ],
)
def test_a_sandbox_sees_the_workspace_as_configured(
    workspace: Workspace, changes: dict[str, object], source: str | None
) -> None:
    section = DockerConfig.model_validate(changes)

    expected = source.format(folder=workspace.folder) if source else None
    assert mounted(section, workspace).source == expected


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
