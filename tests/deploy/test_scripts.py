"""The locks, the Makefile and the scripts: what else would fail on a fresh machine only."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)(?: ; [^\\]+)? \\$", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / lock).read_text()))


def name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return re.sub(r"[._-]+", "-", found[0]).lower()


def test_locks_pin_all_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    runtime = {name(line) for line in project["project"]["dependencies"]}
    development = {name(line) for line in project["dependency-groups"]["dev"]}
    build = {name(line) for line in project["build-system"]["requires"]} | {"uv"}
    assert runtime <= pins("requirements.lock").keys(), "run make lock"
    assert development | build <= pins("requirements-dev.lock").keys(), "run make lock"


def test_what_is_tested_is_what_is_shipped() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_pins_with_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    kinds = r"#.*|    #.*|    --hash=sha256:[0-9a-f]{64}( \\)?|" + PIN.pattern.strip("^$")
    assert [line for line in text.splitlines() if not re.fullmatch(kinds, line)] == []
    assert text.count("==") <= text.count("--hash=sha256:")


@pytest.mark.parametrize(
    "script", ["deploy/bootstrap", "deploy/engine", "deploy/lock", "deploy/servers", ".ci/run"]
)
def test_scripts_are_executable_and_parse(script: str) -> None:
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", path], check=True)
    assert "set -euo pipefail" in path.read_text()


def test_help_names_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    told = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True)
    listed = re.findall(r"make ([a-z-]+) ", told.stdout)
    assert sorted(listed) == sorted(set(phony[1].split()) - {"bootstrap"})


def test_engine_tells_how_it_is_used() -> None:
    told = subprocess.run([ROOT / "deploy" / "engine"], capture_output=True, text=True, check=False)
    assert told.returncode == 2
    for command in ("start", "stop", "image", "with"):
        assert f"deploy/engine {command}" in told.stderr


@pytest.mark.docker
def test_engine_gives_a_program_an_engine_with_the_sandbox_image() -> None:
    inspect = ["docker", "image", "inspect", "--format", "{{.Config.WorkingDir}}"]
    told = subprocess.run(
        [ROOT / "deploy" / "engine", "with", *inspect, "sidegate-sandbox:test"],
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode != 0 and "no Docker engine answers" in told.stderr:
        pytest.skip("no Docker engine answers")
    assert told.stdout == "/workspace\n"
