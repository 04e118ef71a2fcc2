"""Pools of containers of a real engine."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiodocker
import pytest
from conftest import IMAGE, engine_host
from pooling import USER, Wire, kill_all, names, open_engine, open_pools, profile
from structlog.testing import capture_logs
from wire import until, until_done

from proxy.isolation.docker.container import Mount
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.pool import Pools

with_engine = [pytest.mark.docker, pytest.mark.usefixtures("engine")]
NOWHERE = "unix:///nowhere/engine.sock"


@pytest.fixture
async def docker() -> AsyncIterator[Engine]:
    async with open_engine() as opened:
        yield opened


@pytest.fixture
async def pools(docker: Engine) -> AsyncIterator[Pools]:
    async with open_pools(docker) as made:
        yield made


async def full(pools: Pools, count: int) -> None:
    await until(lambda: pools.ready == count, 30)


class TestAPool:
    pytestmark = with_engine

    async def test_is_filled_and_no_further(self, docker: Engine, pools: Pools) -> None:
        pools.set({profile(): 2})
        await full(pools, 2)
        await until(lambda: not pools._pools[profile()]._changed.is_set())

        assert pools.ready == len(await names(docker, running=True)) == 2

    async def test_gives_each_container_once_and_replaces_it(
        self, docker: Engine, pools: Pools
    ) -> None:
        pools.set({profile(): 2})
        taken = []
        for _ in range(3):
            await full(pools, 2)
            taken += [pools.take(profile()), pools.take(profile())]

        assert len({id(each) for each in taken if each is not None}) == 6
        assert (pools.hits, pools.misses) == (6, 0)
        for each in taken:
            assert each is not None
            await each.discard()
        await full(pools, 2)
        assert len(await names(docker)) == 2

    async def test_gives_the_one_that_waited_longest(self, pools: Pools) -> None:
        pools.set({profile(): 1})
        await full(pools, 1)
        pools.set({profile(): 3})
        await full(pools, 3)
        oldest = pools.take(profile())
        newer = pools.take(profile())
        assert oldest is not None
        assert newer is not None
        before = await _started(oldest), await _started(newer)
        await asyncio.gather(oldest.discard(), newer.discard())

        assert before[0] < before[1]

    async def test_that_is_empty_gives_none(self, pools: Pools) -> None:
        pools.set({profile(): 1})

        assert pools.take(profile()) is None
        assert (pools.hits, pools.misses) == (0, 1)

    async def test_gives_nothing_of_another_kind(self, pools: Pools) -> None:
        pools.set({profile(): 1})
        await full(pools, 1)

        assert pools.take(profile(memory=32 << 20)) is None
        assert pools.take(profile(writes=False)) is None
        assert (pools.hits, pools.misses) == (0, 0)

    async def test_replaces_what_ended_while_it_waited(self, docker: Engine, pools: Pools) -> None:
        pools.set({profile(): 2})
        await full(pools, 2)
        before = await names(docker)
        await kill_all(docker)

        async def replaced() -> bool:
            return pools.ready == 2 and not before & await names(docker)

        await until_done(replaced, 30)

    async def test_replaces_what_speaks_while_it_waits(self, docker: Engine, pools: Pools) -> None:
        pools.set({profile(): 1})
        await full(pools, 1)
        before = await names(docker)
        async with aiodocker.Docker(url=engine_host()) as other:
            (name,) = before
            command = ["sh", "-c", "echo hello >/proc/1/fd/3"]
            run = await other.containers.container(name.lstrip("/")).exec(command)
            await run.start(detach=True)

        async def replaced() -> bool:
            return pools.ready == 1 and not before & await names(docker)

        await until_done(replaced, 30)

    async def test_follows_its_image(self, docker: Engine, pools: Pools) -> None:
        name = f"sidegate-test-{uuid.uuid4().hex}"
        kind = profile(image=f"{name}:latest")
        async with aiodocker.Docker(url=engine_host()) as other:
            await other.images.tag(IMAGE, repo=name, tag="latest")
            pools.set({kind: 1})
            await full(pools, 1)
            before = await names(docker)
            (one,) = before
            await pools._pools[kind].look()
            assert await names(docker) == before
            source = other.containers.container(one.lstrip("/"))
            await source.commit(repository=name, tag="latest", changes="LABEL newer=1")

            await pools._pools[kind].look()
            assert pools.take(kind) is None
            await full(pools, 1)
            pools.set({})
            await until_done(lambda: _none(docker))
            await other.images.delete(f"{name}:latest", force=True)

    async def test_follows_the_workspace(self, docker: Engine, tmp_path: Path) -> None:
        intact = [True]
        kind = profile(mount=Mount(str(tmp_path), USER, lambda: intact[0]))
        async with open_pools(docker, look_seconds=0.05) as pools:
            pools.set({kind: 1})
            await full(pools, 1)
            intact[0] = False

            await full(pools, 0)
            await until_done(lambda: _none(docker))

    async def test_of_no_image_is_not_filled_all_the_time(self, pools: Pools) -> None:
        kind = profile(image="sidegate-test-absent:never")
        with capture_logs() as lines:
            pools.set({kind: 4})
            await until(lambda: pools._pools[kind]._pause >= 2, 10)

        assert [line["event"] for line in lines] == ["no sandboxes wait"]
        assert pools.ready == 0

    async def test_of_changed_size_is_made_so(self, docker: Engine, pools: Pools) -> None:
        pools.set({profile(): 3})
        await full(pools, 3)
        pools.set({profile(): 1})

        assert pools.ready == 1

        async def one() -> bool:
            return len(await names(docker)) == 1

        await until_done(one)

    async def test_of_changed_kind_is_drained(self, docker: Engine, pools: Pools) -> None:
        pools.set({profile(): 2})
        await full(pools, 2)
        before = await names(docker)
        pools.set({profile(memory=32 << 20): 1})

        assert pools.take(profile()) is None
        await full(pools, 1)

        async def gone() -> bool:
            return not before & await names(docker)

        await until_done(gone)


class TestAllPools:
    pytestmark = with_engine

    async def test_share_one_bound_on_what_starts(self, docker: Engine, pools: Pools) -> None:
        kinds = {profile(memory=megabytes << 20): 2 for megabytes in (32, 48, 64, 80)}
        pools.set(kinds)
        most = 0
        while pools.ready < 8:
            most = max(most, len(await names(docker)) - pools.ready)
            await asyncio.sleep(0)

        assert most <= 3  # one may have become ready between the two looks

    @pytest.mark.parametrize("seconds", [0, 0.02, 0.1, 0.3, 1.0])
    async def test_leave_nothing_when_they_end(self, docker: Engine, seconds: float) -> None:
        async with open_pools(docker) as pools:
            pools.set({profile(): 3, profile(memory=32 << 20): 3})
            await asyncio.sleep(seconds)

        assert await names(docker) == set()


class TestAnEngine:
    async def test_that_is_not_there_is_no_failure(self) -> None:
        async with open_engine(NOWHERE) as docker:
            pools = Pools(docker)
            pools.set({profile(): 2})
            await until(lambda: pools._pools[profile()]._failing)

            assert pools.take(profile()) is None
            await pools.aclose()

    @pytest.mark.docker
    async def test_that_comes_back_is_used_again(self, engine: str) -> None:
        async with Wire(engine) as wire, open_engine(wire.host) as docker:
            async with open_pools(docker) as pools:
                pools.set({profile(): 2})
                await full(pools, 2)
                with capture_logs() as lines:
                    await wire.cut()
                    await full(pools, 0)
                    assert pools.take(profile()) is None
                    await wire.mend()
                    await full(pools, 2)
                    taken = pools.take(profile())
                    assert taken is not None
                    await taken.discard()

            events = [line["event"] for line in lines]
            assert events.count("no sandboxes wait") == 1
            assert events.count("sandboxes wait again") == 1

            async def none() -> bool:
                return not await names(docker)

            await until_done(none, 30)

    @pytest.mark.docker
    async def test_that_hangs_does_not_delay_the_end(self, engine: str) -> None:
        async with Wire(engine) as wire, open_engine(wire.host) as docker:
            pools = Pools(docker)
            pools.set({profile(): 3})
            await full(pools, 2)
            wire.hang()
            start = time.monotonic()

            await pools.aclose()

            assert time.monotonic() - start < 3


async def _started(container: object) -> str:
    shown = await container._container.show()  # type: ignore[attr-defined]
    return str(shown["State"]["StartedAt"])


async def _none(docker: Engine) -> bool:
    return not await names(docker)
