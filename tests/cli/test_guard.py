"""`sidegate docker-guard`: where it refuses to stand, and that it serves."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiodocker
import pytest
from click.testing import CliRunner, Result
from commands import sections
from guarding import FakeEngine, serving
from serving import ROOT, environment, write
from wire import until

from proxy.cli.guard import docker_guard


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "workspace").mkdir()
    return write(tmp_path / "sidegate.yaml", sections(tmp_path))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(docker_guard, [str(each) for each in arguments])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--socket", "x"],
        ["--socket", "run/guard.sock"],
        ["--socket", ""],
        ["--socket", "/x", "--engine", "tcp://127.0.0.1:2375"],
        ["--socket", "/x", "--engine", "unix://relative"],
        ["--socket", "/x", "--name", "Upper"],
        ["--socket", "/x", "--name", "a=b"],
        ["--socket", "/x", "--group", "-1"],
        ["--socket", "/x", "--group", "staff"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_is_usage(config: Path, arguments: list[str]) -> None:
    assert run("-c", config, *arguments).exit_code == 2


def test_without_a_configuration_it_does_not_start(tmp_path: Path) -> None:
    assert run("-c", tmp_path / "none.yaml", "--socket", tmp_path / "guard.sock").exit_code == 78


def test_its_socket_does_not_lie_in_the_workspace(config: Path, tmp_path: Path) -> None:
    """A container that has it could start others."""
    (tmp_path / "link").symlink_to(tmp_path / "workspace")
    (tmp_path / "workspace" / "out").symlink_to(tmp_path)
    for folder in ("workspace", "link", "workspace/out", "state/../workspace"):
        done = run("-c", config, "--socket", tmp_path / folder / "guard.sock")

        assert done.exit_code == 77
        assert "--socket lies in the workspace" in done.stderr


def test_nor_does_the_engines_or_the_configuration(config: Path, tmp_path: Path) -> None:
    inside = write(tmp_path / "workspace" / "sidegate.yaml", sections(tmp_path))
    socket, engine = tmp_path / "guard.sock", f"unix://{tmp_path}/workspace/docker.sock"

    assert "--engine lies" in run("-c", config, "--socket", socket, "--engine", engine).stderr
    done = run("-c", inside, "--socket", socket)
    assert (done.exit_code, "the configuration lies" in done.stderr) == (77, True)


def test_a_place_where_no_socket_can_be_is_unavailable(config: Path, tmp_path: Path) -> None:
    done = run("-c", config, "--socket", tmp_path / "none" / "guard.sock")

    assert done.exit_code == 69
    assert "cannot listen at" in done.stderr


PROGRAM = "from proxy.cli.guard import docker_guard; docker_guard()"


async def test_it_serves_until_it_is_stopped(config: Path, tmp_path: Path) -> None:
    """The engine may come later: until then a call is told that there is none."""
    path, upstream = str(tmp_path / "guard.sock"), str(tmp_path / "engine.sock")
    arguments = ("-c", str(config), "--socket", path, "--engine", f"unix://{upstream}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *arguments),
        cwd=ROOT,
        env=environment(),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(20):
            ready = json.loads(await process.stderr.readline())
        assert (ready["event"], ready["address"]) == ("listening", path)
        async with aiodocker.Docker(url=f"unix://{path}", api_version="v1.41") as docker:
            with pytest.raises(aiodocker.DockerError) as absent:
                await docker.version()
            assert absent.value.status == 502
            engine = FakeEngine()
            async with serving(engine, upstream):
                await until(lambda: Path(upstream).exists())
                assert await docker.version() == {"said": "GET /v1.41/version HTTP/1.1"}
            with pytest.raises(aiodocker.DockerError) as refused:
                await docker.images.list()
            assert refused.value.status == 403
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            rest = (await process.stderr.read()).decode()
            assert await process.wait() == 0
        events = [json.loads(line) for line in rest.splitlines()]
        assert {"refused"} <= {event["event"] for event in events}
        assert not Path(path).exists()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
