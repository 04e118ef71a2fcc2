"""What is asked of an engine, and what becomes of containers that it does not let go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import aiodocker
import aiohttp
import pytest
from engines import FakeEngine
from wire import until

from proxy.isolation.docker.engine import NO_ANSWER, Engine, refused, telling


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    async with FakeEngine(str(tmp_path / "engine.sock")) as fake:
        yield fake


@pytest.fixture
async def engine(fake: FakeEngine) -> AsyncIterator[Engine]:
    async with aclosing(Engine(host=fake.host, owner="o", boot="b")) as engine:
        yield engine


def test_a_container_bears_whose_it_is(engine: Engine) -> None:
    labels = {"sidegate.owner": "o", "sidegate.boot": "b", "sidegate.request": "r"}

    assert engine.labels("r") == labels
    assert engine.labels() == {**labels, "sidegate.request": ""}


async def test_what_is_made_is_removed(engine: Engine, fake: FakeEngine) -> None:
    creation = engine.create({})
    await creation.made()
    assert len(fake.made) == 1

    await creation.remove()

    assert fake.made == set()


async def test_who_stops_waiting_does_not_stop_the_making(engine: Engine, fake: FakeEngine) -> None:
    creation = engine.create({})
    waiting = asyncio.create_task(creation.made())
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})

    await creation.remove()

    assert (fake.asked["create"], fake.asked["delete"], fake.made) == (1, 1, set())


async def test_what_was_never_made_is_not_removed(engine: Engine, fake: FakeEngine) -> None:
    fake.fates["create"] = 409
    creation = engine.create({})
    with pytest.raises(OSError, match="no"):
        await creation.made()

    await creation.remove()

    assert fake.asked["delete"] == 0


async def _tried(engine: Engine) -> None:
    """A creation, whatever becomes of it."""
    creation = engine.create({})
    with contextlib.suppress(OSError):
        await creation.made()
    await creation.remove()


@pytest.mark.parametrize("status", [400, 403, 409, 500])
async def test_an_engine_that_refuses_lacks_something_until_it_does_not(
    engine: Engine, fake: FakeEngine, status: int
) -> None:
    assert await engine.missing(()) is None
    fake.fates["create"] = status
    await _tried(engine)
    for _ in range(2):
        said = str(await engine.missing(()))
        assert said.startswith(f"the Docker engine refuses to make sandboxes: [{status}] ")
        assert "no" in said.rpartition("]")[2]

    fake.fates.clear()
    await _tried(engine)

    assert await engine.missing(()) is None


@pytest.mark.parametrize("fate", [404, 502, "unheard"])
async def test_what_can_be_seen_again_is_not_remembered(
    engine: Engine, fake: FakeEngine, fate: int | str
) -> None:
    """404: an image that may be loaded by now; 502: a guard whose engine may be back."""
    fake.fates["create"] = fate
    await _tried(engine)

    assert await engine.missing(()) is None


async def test_a_refusal_is_forgotten_where_nobody_asks_again(fake: FakeEngine) -> None:
    """Whoever is not ready may be sent nothing, and would never be ready again."""
    fake.fates["create"] = 403
    engine = Engine(host=fake.host, owner="o", boot="b", refused_seconds=0)
    async with aclosing(engine):
        await _tried(engine)

        assert await engine.missing(()) is None


async def test_a_creation_that_was_given_up_says_nothing_of_a_refusal(
    engine: Engine, fake: FakeEngine
) -> None:
    fake.fates["create"] = 403
    await _tried(engine)
    fake.fates["create"] = "unheard"
    await _tried(engine)

    assert "refuses" in str(await engine.missing(()))


@pytest.mark.parametrize("status", [409, 500])
async def test_a_removal_is_tried_until_it_is_done(
    engine: Engine, fake: FakeEngine, status: int
) -> None:
    """409: the engine is about to remove it already, and may not come to its end."""
    creation = engine.create({})
    await creation.made()
    fake.fates["delete"] = status
    removal = asyncio.create_task(creation.remove())
    await until(lambda: fake.asked["delete"])
    fake.fates.clear()

    await removal

    assert fake.made == set()


async def test_what_others_removed_meanwhile_is_gone(engine: Engine, fake: FakeEngine) -> None:
    creation = engine.create({})
    await creation.made()
    fake.made.clear()

    await creation.remove()


async def test_what_is_not_removed_in_its_time_is_swept(engine: Engine, fake: FakeEngine) -> None:
    creation = engine.create({})
    await creation.made()
    fake.fates["delete"] = 500
    removal = asyncio.create_task(creation.remove())
    await until(lambda: fake.asked["delete"])
    assert await engine.sweep() == 0  # it is being removed, by whom it belongs to
    assert fake.asked["delete"] == 1
    removal.cancel()
    await asyncio.wait({removal})
    assert await engine.sweep() == 0  # nobody could

    fake.fates.clear()

    assert await engine.sweep() == 1
    assert fake.made == set()


async def test_a_sweep_takes_all_but_what_is_in_use(engine: Engine, fake: FakeEngine) -> None:
    used = engine.create({})
    await used.made()
    fake.made |= {f"left-{number}" for number in range(30)}

    assert await engine.sweep() == 30
    assert len(fake.made) == 1
    await used.remove()


async def test_without_an_engine_nothing_is_swept(tmp_path: Path) -> None:
    async with aclosing(Engine(host=f"unix://{tmp_path}/none", owner="o", boot="b")) as engine:
        assert await engine.sweep() == 0


async def test_connections_that_last_do_not_keep_others_waiting(
    engine: Engine, fake: FakeEngine
) -> None:
    """Each sandbox has its own for as long as it lives, and there may be many."""
    fake.fates["json"] = "hang"
    calls = [asyncio.create_task(engine.image_id("x")) for _ in range(150)]

    await until(lambda: fake.asked["json"] == 150)

    for call in calls:
        call.cancel()
    await asyncio.wait(calls)


def test_what_the_library_raises_is_an_os_error() -> None:
    for error in (aiodocker.DockerError(500, "no"), aiohttp.ServerDisconnectedError()):
        with pytest.raises(OSError, match=r"no|disconnected"), telling():
            raise error


def test_only_an_answer_says_that_nothing_was_done() -> None:
    assert refused(aiodocker.DockerError(500, "no"))
    assert not refused(aiodocker.DockerError(NO_ANSWER, "no"))
    assert not refused(TimeoutError())
    assert not refused(None)
