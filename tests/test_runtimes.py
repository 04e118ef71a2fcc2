"""Which runtime commands have, from the configuration and what holds on this machine."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Start

from proxy.actions import Operate
from proxy.config import loader
from proxy.config.loader import Loaded
from proxy.decision import Allow
from proxy.exchange import Document
from proxy.isolation.native.levels import Level
from proxy.isolation.native.probe import Finding
from proxy.isolation.room import Room
from proxy.metrics import Metrics
from proxy.runtimes import Setting, cautions, find_isolation, open_sandbox, said_of

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


def setting(text: str = "{}", **environ: str) -> Setting:
    return Setting(loader.parse(text, "sidegate.yaml", {}).config, None, "instance", environ)


def native(tmp_path: Path, folder: str = "", mode: int = 0o755) -> Loaded:
    """Commands as processes, in a workspace in a folder of this mode."""
    above = Path(f"/srv/{tmp_path.parent.name}-{tmp_path.name}")
    workspace = above / folder / "workspace"
    workspace.mkdir(parents=True)
    (above / folder).chmod(mode)
    os.chown(workspace, 1000, 1000)
    text = f"""
state_dir: {tmp_path}/state
autonomy: {{workspace_dir: {workspace}, level: full}}
runtime: {{kind: native, require: bwrap}}
"""
    return loader.parse(text, "sidegate.yaml", {})


@pytest.fixture
def away(tmp_path: Path) -> Iterator[None]:
    yield
    shutil.rmtree(f"/srv/{tmp_path.parent.name}-{tmp_path.name}", ignore_errors=True)


async def test_commands_run_in_containers_where_nothing_else_is_said() -> None:
    loaded = loader.parse("{}", "sidegate.yaml", {})
    sandbox = open_sandbox(setting(), await find_isolation(loaded, {}), Room(), Metrics("1", ()))

    assert (sandbox.kind, said_of(None)) == ("docker", "docker")
    await sandbox.aclose()


async def test_an_engine_is_where_docker_host_says() -> None:
    here = setting(DOCKER_HOST="unix:///nowhere.sock")
    sandbox = open_sandbox(here, None, Room(), Metrics("1", ()))

    assert "does not answer" in (await sandbox.missing() or "")
    await sandbox.aclose()


async def test_what_is_no_address_of_an_engine_is_told() -> None:
    with pytest.raises(OSError, match="DOCKER_HOST is not the address"):
        open_sandbox(setting(DOCKER_HOST="nowhere"), None, Room(), Metrics("1", ()))


async def test_without_a_look_at_the_machine_nothing_runs_on_it() -> None:
    with pytest.raises(OSError, match="nobody looked"):
        open_sandbox(setting("runtime: {kind: native}"), None, Room(), Metrics("1", ()))


@root
@pytest.mark.usefixtures("away")
async def test_what_holds_is_found_by_trying(tmp_path: Path) -> None:
    loaded = native(tmp_path)
    found = await find_isolation(loaded, {})

    assert found == Finding(Level.BWRAP)
    assert cautions(setting("runtime: {kind: native}"), found) == []


@root
@pytest.mark.usefixtures("away")
async def test_less_than_is_required_is_refused(tmp_path: Path) -> None:
    """A workspace that its owner cannot reach cannot be bound, so bubblewrap does not do."""
    loaded = native(tmp_path, "hidden", 0o700)

    with pytest.raises(OSError, match="require is bwrap, and commands would run as user"):
        await find_isolation(loaded, {})


def test_what_is_less_than_namespaces_is_told() -> None:
    found = Finding(Level.USER, "bwrap: there is no program of that name")

    (caution,) = cautions(setting("runtime: {kind: native}"), found)
    assert "they run as user (bwrap: there is no program of that name)" in caution


def test_an_engine_on_another_machine_is_told_of() -> None:
    assert cautions(setting(), None) == []
    assert len(cautions(setting(DOCKER_HOST="tcp://10.0.0.1:2375"), None)) == 1


@root
async def test_a_command_runs_as_a_process_and_says_so(start: Start, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):  # of pytest's own, up to the shared one
        if folder != Path(tempfile.gettempdir()):
            folder.chmod(0o755)
    sidegate = await start(
        {
            "autonomy": {"level": "full"},
            "runtime": {"kind": "native", "require": "bwrap"},
            "tools": {"shell": {"commands": "any", "env": {"TOKEN": "a-secret-of-the-tool"}}},
        }
    )
    token = await sidegate.pair()
    line = f"id -u; pwd; printf %s $TOKEN | wc -c; cat; cat {sidegate.folder}/.secret_key"
    status, body = await sidegate.call("shell", {"command": line, "stdin": "in\n"}, token)

    assert status == 200, body
    result = body["result"]
    assert isinstance(result, dict)
    assert result["stdout"] == f"1000\n{sidegate.workspace}\n20\nin\n"
    assert result["exit_code"] == 1
    told = await sidegate.app.operations.do(Operate("status"))
    assert isinstance(told, Allow)
    assert isinstance(told.value, Document)
    assert isinstance(told.value.value, dict)
    assert told.value.value["isolation"] == "bwrap"
