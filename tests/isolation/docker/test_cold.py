"""A command in a container of its own: what is said of it, whatever the engine does."""

import asyncio
import time
from pathlib import Path

import pytest
from engines import FakeEngine, Relay
from sandboxes import Make, command, result, run, swept_later
from wire import until

from proxy.decision import Deny
from proxy.reasons import Reason

# What an engine does with each step, and whether the command may have run then.
FATES = [
    pytest.param("create", 400, False, id="it is not made"),
    pytest.param("create", "unheard", False, id="it is made unheard"),
    pytest.param("attach", 500, False, id="it is not attached to"),
    pytest.param("attach", "unheard", False, id="attaching breaks off"),
    pytest.param("start", 400, False, id="it is not started"),
    pytest.param("start", 500, False, id="starting fails"),
    pytest.param("start", "unheard", True, id="it is started unheard"),
    pytest.param("wait", 500, True, id="its end is not told"),
    pytest.param("wait", "unheard", True, id="its end breaks off"),
]
HUNG = [("create", False), ("attach", False), ("start", True)]


def refusal(*, ran: bool) -> Deny:
    return Deny(Reason.SANDBOX_LOST if ran else Reason.SANDBOX_UNAVAILABLE)


async def test_a_command_makes_starts_and_removes_one_container(make: Make, tmp_path: Path) -> None:
    async with FakeEngine(str(tmp_path / "engine.sock")) as engine:
        sandbox = make(host=engine.host)

        done = await result(sandbox, "x")

        assert (done["exit_code"], done["stdout"]) == (0, "out")
        await until(lambda: sandbox.active == 0)
    assert (len(engine.ran), engine.made) == (1, set())
    assert engine.asked["attach"] == 1


@pytest.mark.parametrize(("step", "fate", "ran"), FATES)
async def test_only_what_was_certainly_not_started_is_said_not_to_have_run(
    make: Make, tmp_path: Path, step: str, fate: int | str, *, ran: bool
) -> None:
    """Who is told that nothing was run may run it again."""
    async with FakeEngine(str(tmp_path / "engine.sock"), **{step: fate}) as engine:
        sandbox = make(host=engine.host)

        assert await run(sandbox, command("x")) == refusal(ran=ran)

        await until(lambda: sandbox.active == 0)
        assert engine.made == set()
        engine.fates.clear()
        assert (await result(sandbox, "x"))["exit_code"] == 0
        await until(lambda: sandbox.active == 0)


async def test_an_engine_that_went_away_before_the_start_started_nothing(
    make: Make, tmp_path: Path
) -> None:
    async with FakeEngine(str(tmp_path / "engine.sock"), attach="late") as engine:
        sandbox = make(host=engine.host)
        call = asyncio.create_task(run(sandbox, command("x")))
        await until(lambda: engine.asked["attach"])

    assert await call == refusal(ran=False)


@pytest.mark.slow
async def test_an_engine_that_hangs_at_any_step_is_not_waited_for_long(
    make: Make, tmp_path: Path
) -> None:
    async def hung(step: str) -> Deny:
        async with FakeEngine(str(tmp_path / f"{step}.sock"), **{step: "hang"}) as engine:
            sandbox, started = make(host=engine.host), time.monotonic()
            done = await run(sandbox, command("x"))
            assert 19 < time.monotonic() - started < 25
            await until(lambda: sandbox.active == 0)
            assert engine.made == set()
        assert isinstance(done, Deny)
        return done

    done = await asyncio.gather(*(hung(step) for step, _ in HUNG))

    assert done == [refusal(ran=ran) for _, ran in HUNG]


@pytest.mark.slow
async def test_a_container_that_is_made_after_all_is_swept(make: Make, tmp_path: Path) -> None:
    """Nobody waits for it any more, and when it was to be removed, it was not there."""
    async with FakeEngine(str(tmp_path / "engine.sock"), create="late") as engine:
        sandbox = make(host=engine.host)
        assert await run(sandbox, command("x")) == refusal(ran=False)
        await until(lambda: sandbox.active == 0)
        engine.go.set()
        await until(lambda: engine.made)

        assert await sandbox.sweep() == 1
        assert engine.made == set()
        assert engine.ran == set()


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.usefixtures("engine")
async def test_a_command_whose_engine_goes_away_is_lost_and_later_swept(
    make: Make, tmp_path: Path
) -> None:
    path = str(tmp_path / "engine.sock")
    async with Relay(path) as relay:
        sandbox = make(host=f"unix://{path}")
        call = asyncio.create_task(
            run(sandbox, command("sh", "-c", "sleep 1; touch begun; sleep 60"))
        )
        await until((tmp_path / "workspace" / "begun").exists)

        relay.cut()

        assert await call == Deny(Reason.SANDBOX_LOST)
    assert await swept_later(sandbox) == 1


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_a_container_that_was_made_unheard_is_removed_all_the_same(
    make: Make, tmp_path: Path
) -> None:
    """The engine made it, and the connection broke before it could say so."""
    path = str(tmp_path / "engine.sock")
    async with Relay(path, unheard=b"/containers/create"):
        sandbox = make(host=f"unix://{path}")

        assert await run(sandbox, command("true")) == Deny(Reason.SANDBOX_UNAVAILABLE)

        await until(lambda: sandbox.active == 0)
    assert await swept_later(sandbox) == 0


@pytest.mark.docker
@pytest.mark.usefixtures("engine")
async def test_a_command_that_was_started_unheard_is_not_said_not_to_have_run(
    make: Make, tmp_path: Path
) -> None:
    """Who is told that nothing was run may run it again."""
    path = str(tmp_path / "engine.sock")
    async with Relay(path, unheard=b"/start HTTP"):
        sandbox = make(host=f"unix://{path}")

        done = await run(sandbox, command("touch", "ran"))

        await until((tmp_path / "workspace" / "ran").exists)
        assert done == Deny(Reason.SANDBOX_LOST)
        await until(lambda: sandbox.active == 0)
    assert await swept_later(sandbox) == 0


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.usefixtures("engine")
async def test_a_command_whose_start_is_never_answered_is_lost_and_not_late(
    make: Make, tmp_path: Path
) -> None:
    """It was the engine that took too long, and nobody knows how the command ended."""
    path = str(tmp_path / "engine.sock")
    async with Relay(path, unheard=b"/start HTTP", hangs=True):
        sandbox = make(host=f"unix://{path}")

        assert await run(sandbox, command("touch", "ran")) == Deny(Reason.SANDBOX_LOST)

        await until(lambda: sandbox.active == 0)
    assert await swept_later(sandbox) == 0
