"""Which paths are never opened: pure judgements on spelled paths."""

import os
from pathlib import Path

import pytest

from proxy.authorization.paths.forbidden import KEYS, SYSTEM, Forbidden

WORKSPACE = "/srv/workspace"
BUILT_IN = Forbidden.build(WORKSPACE, ())


def test_there_are_fourteen_system_folders_and_four_key_folders() -> None:
    assert len(set(SYSTEM)) == 14
    assert len(set(KEYS)) == 4


@pytest.mark.parametrize("folder", SYSTEM)
def test_system_folders_are_covered_with_all_that_is_in_them(folder: str) -> None:
    assert BUILT_IN.covers(folder)
    assert BUILT_IN.covers(f"{folder}/")
    assert BUILT_IN.covers(f"{folder}/a/b")
    assert not BUILT_IN.covers(f"{folder}x")
    assert not BUILT_IN.covers(f"/home/a{folder}")


@pytest.mark.parametrize("folder", SYSTEM)
def test_system_folders_are_covered_under_their_real_name_too(folder: str) -> None:
    """On a merged system /lib is /usr/lib, and a descriptor knows only that."""
    assert BUILT_IN.covers(os.path.realpath(folder))


@pytest.mark.parametrize("folder", SYSTEM)
def test_a_workspace_in_a_system_folder_is_no_system_folder(folder: str) -> None:
    rules = Forbidden.build(f"{folder}/workspace", ())

    assert not rules.covers(f"{folder}/workspace")
    assert not rules.covers(f"{folder}/workspace/a")
    assert rules.covers(f"{folder}/workspace2")
    assert rules.covers(f"{folder}/other")


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("folder", [WORKSPACE, f"{WORKSPACE}/a/b", "/home/a", ""])
def test_key_folders_are_covered_everywhere(key: str, folder: str) -> None:
    assert BUILT_IN.covers(f"{folder}/{key}")
    assert BUILT_IN.covers(f"{folder}/{key}/id")
    assert not BUILT_IN.covers(f"{folder}/{key}x")
    assert not BUILT_IN.covers(f"{folder}/x{key}")


@pytest.mark.parametrize("path", ["/", "/home", "/usr", "/usr/share/doc", "/var", "/tmp/a", "/opt"])
def test_what_is_in_no_list_is_not_covered(path: str) -> None:
    assert not BUILT_IN.covers(path)


def test_part_of_a_key_folder_s_name_is_not_covered() -> None:
    assert not BUILT_IN.covers(f"{WORKSPACE}/.config")
    assert not BUILT_IN.covers(f"{WORKSPACE}/gcloud")
    assert BUILT_IN.covers(f"{WORKSPACE}/.config/gcloud/credentials.db")


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        ("secrets", f"{WORKSPACE}/secrets"),
        ("a/b", f"{WORKSPACE}/a/b"),
        ("./a//b/", f"{WORKSPACE}/a/b"),
        (".env", f"{WORKSPACE}/.env"),
        ("/opt/keys", "/opt/keys"),
        ("/opt/keys/", "/opt/keys"),
    ],
)
def test_configured_paths_are_absolute_or_in_the_workspace(entry: str, covered: str) -> None:
    rules = Forbidden.build(WORKSPACE, [entry])

    assert rules.covers(covered)
    assert rules.covers(f"{covered}/inside")
    assert not rules.covers(f"{covered}x")
    assert not BUILT_IN.covers(covered)


def test_a_configured_path_may_be_at_home() -> None:
    """Beneath a workspace at home, since a home such as /root is closed anyway."""
    home = os.path.expanduser("~")

    assert Forbidden.build(home, ["~/keys"]).covers(f"{home}/keys/a")
    assert not Forbidden.build(home, ["~/keys"]).covers(f"{home}/keys2")
    assert not Forbidden.build(home, []).covers(f"{home}/keys/a")


@pytest.mark.parametrize("entry", [".", "/srv/workspace", "/srv", "/"])
def test_even_the_workspace_itself_may_be_forbidden(entry: str) -> None:
    rules = Forbidden.build(WORKSPACE, [entry])

    assert rules.covers(WORKSPACE)
    assert rules.covers(f"{WORKSPACE}/a")


def test_a_configured_path_is_covered_as_written_and_as_resolved(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    rules = Forbidden.build(str(tmp_path), ["link"])

    assert rules.covers(str(tmp_path / "link" / "a"))
    assert rules.covers(str(tmp_path / "real" / "a"))
