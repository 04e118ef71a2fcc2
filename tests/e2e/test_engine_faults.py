"""An engine that is stopped, killed or frozen under running commands, and comes back."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import Sidegate, Start, containers
from engines import PrivateEngine, private_engine
from wire import until_done

pytestmark = [pytest.mark.docker, pytest.mark.slow]

Answer = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateEngine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("only root starts an engine, and dockerd must be there")
    with asyncio.Runner() as runner:
        opened = private_engine(tmp_path_factory.mktemp("engine"))
        yield runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture
async def sidegate(
    start: Start, engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> Sidegate:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    return await start({"tools": {"shell": {"commands": "any"}}})


async def timed(
    sidegate: Sidegate, token: str, line: str, seconds: float = 60
) -> tuple[Any, float]:
    """Status and code of the answer, and the seconds that it took."""
    started = time.monotonic()
    arguments = {"command": line, "timeout_secs": seconds}
    status, body = await sidegate.call("shell", arguments, token)
    return (status, body.get("code")), time.monotonic() - started


async def begun(sidegate: Sidegate, token: str, seconds: float = 60) -> "asyncio.Task[Any]":
    """A command that runs."""
    line = "touch begun; sleep 60"
    call = asyncio.create_task(timed(sidegate, token, line, seconds))
    await until_done(lambda: asyncio.to_thread((sidegate.workspace / "begun").exists))
    (sidegate.workspace / "begun").unlink()
    return call


async def recovers(sidegate: Sidegate, token: str) -> None:
    """Calls work again, and what was left is gone within the time of a removal that is retried."""
    assert (await timed(sidegate, token, "true"))[0] == (200, None)
    owner = sidegate.app.operations.store.instance

    async def empty() -> bool:
        return not await containers(owner)

    await until_done(empty, 15)
    assert sidegate.app.sandbox.active == 0


async def is_away_and_back(sidegate: Sidegate, engine: PrivateEngine, token: str) -> None:
    """Calls are refused at once while there is no engine, and work when there is one."""
    await engine.ended()
    answer, seconds = await timed(sidegate, token, "true")
    assert (answer, seconds < 5) == ((503, "sandbox-unavailable"), True)
    engine.start()
    await engine.ready()
    await recovers(sidegate, token)


async def test_an_engine_that_is_stopped_in_order_ends_commands_itself(
    sidegate: Sidegate, engine: PrivateEngine
) -> None:
    """With SIGTERM, of which a command may die, or not before the engine is gone."""
    token = await sidegate.pair()
    running = await begun(sidegate, token)

    engine.signal(signal.SIGTERM)

    answer, seconds = await running
    assert answer in {(200, None), (502, "sandbox-lost")}
    assert seconds < 15
    await is_away_and_back(sidegate, engine, token)


async def test_an_engine_that_is_killed(sidegate: Sidegate, engine: PrivateEngine) -> None:
    token = await sidegate.pair()
    running = await begun(sidegate, token)

    engine.signal(signal.SIGKILL)

    answer, seconds = await running
    assert (answer, seconds < 5) == ((502, "sandbox-lost"), True)
    await is_away_and_back(sidegate, engine, token)


async def test_an_engine_that_hangs(sidegate: Sidegate, engine: PrivateEngine) -> None:
    token = await sidegate.pair()
    running = await begun(sidegate, token, seconds=3)

    engine.signal(signal.SIGSTOP)
    try:
        waiting = asyncio.create_task(timed(sidegate, token, "true"))
        answer, seconds = await running
        assert (answer, seconds < 3 + 10 + 10) == ((502, "sandbox-lost"), True)
        answer, seconds = await waiting
        assert (answer, 19 < seconds < 22) == ((503, "sandbox-unavailable"), True)
    finally:
        engine.signal(signal.SIGCONT)

    await recovers(sidegate, token)
