"""What git makes of the environment of every command."""

import os
import subprocess
from pathlib import Path

from proxy.isolation.environment import GIT


def git(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), **GIT}
    return subprocess.run(
        ["git", *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )


def test_a_folder_that_looks_like_a_repository_is_none(tmp_path: Path) -> None:
    assert git(tmp_path, "init", "--bare", "made").returncode == 0
    refused = git(tmp_path / "made", "rev-parse")

    assert refused.returncode
    assert "safe.bareRepository" in refused.stderr


def test_a_repository_of_its_own_is_one(tmp_path: Path) -> None:
    assert git(tmp_path, "init", "own").returncode == 0

    assert git(tmp_path / "own", "rev-parse").returncode == 0
