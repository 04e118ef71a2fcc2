"""Commands in containers of a real engine, warm where one waits and cold where none does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from pooling import Done, Wire, done, names, open_engine, profile
from sandboxes import command
from wire import until

from proxy.isolation.docker.cold import ColdJob
from proxy.isolation.docker.engine import Engine
from proxy.isolation.docker.runtime import DockerRuntime, PooledJob
from proxy.isolation.run import Job

with_engine = [pytest.mark.docker, pytest.mark.usefixtures("engine")]
NONE_USED = "mkdir /tmp/used && echo fresh"


@pytest.fixture
async def docker() -> AsyncIterator[Engine]:
    async with open_engine() as opened:
        yield opened


@contextlib.asynccontextmanager
async def running(docker: Engine, size: int, **more: Any) -> AsyncIterator[DockerRuntime]:
    """A runtime with a full pool."""
    envs: Mapping[str, Mapping[str, str]] = more.get("envs", {})
    runtime = DockerRuntime(docker, {"shell": profile()}, envs, {"shell": size})
    runtime.start()
    try:
        await until(lambda: runtime.pools.ready == size, 30)
        yield runtime
    finally:
        await runtime.pools.aclose()


def job(runtime: DockerRuntime, line: str, **plan: Any) -> Job:
    return runtime.job(command("sh", "-c", line, **plan), "shell", "request-1")


async def _ended(job: Job) -> int:
    async for _ in job.output():
        pass
    return await job.wait()


class TestACommand:
    pytestmark = with_engine

    async def test_is_answered_alike_warm_and_cold(self, docker: Engine) -> None:
        line = 'cat; echo "$TOKEN"; echo err >&2; exit 3'
        async with running(docker, 1, envs={"shell": {"TOKEN": "t"}}) as runtime:
            warm, cold = [await done(job(runtime, line, stdin=b"in\n")) for _ in range(2)]

            assert (runtime.pools.hits, runtime.pools.misses) == (1, 1)
        assert warm == cold == Done(3, "failed", b"in\nt\n", b"err\n", truncated=False)

    async def test_runs_in_a_container_that_nobody_used(self, docker: Engine) -> None:
        async with running(docker, 3) as runtime:
            made = await asyncio.gather(*(done(job(runtime, NONE_USED)) for _ in range(8)))

            assert [each.out for each in made] == [b"fresh\n"] * 8
            assert runtime.pools.hits >= 3
            assert runtime.pools.hits + runtime.pools.misses == 8
            await until(lambda: runtime.pools.ready == 3, 30)

        assert await names(docker) == set()

    async def test_that_fits_into_no_line_runs_cold(self, docker: Engine) -> None:
        async with running(docker, 1) as runtime:
            made = await done(runtime.job(command("echo", "x" * 120_000), "shell", ""))

            assert (made.code, len(made.out)) == (0, 120_001)
            assert (runtime.pools.hits, runtime.pools.ready) == (0, 1)

    async def test_of_a_tool_without_a_pool_runs_cold(self, docker: Engine) -> None:
        runtime = DockerRuntime(docker, {"shell": profile()})
        runtime.start()

        assert (await done(job(runtime, "echo cold"))).out == b"cold\n"
        assert (runtime.pools.hits, runtime.pools.misses) == (0, 0)

    async def test_leaves_a_job_that_never_starts_nothing_to_hold(self, docker: Engine) -> None:
        async with running(docker, 1) as runtime:
            await job(runtime, "true").discard()

            assert (runtime.pools.hits, runtime.pools.ready) == (0, 1)

    async def test_is_killed_with_whoever_waits_for_it(self, docker: Engine) -> None:
        async with running(docker, 1) as runtime:
            called = job(runtime, "sleep 60")
            calling = asyncio.create_task(done(called))
            await until(lambda: called.begun)
            calling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await calling

        assert await names(docker) == set()

    async def test_is_lost_with_its_engine_and_the_next_is_not(self, engine: str) -> None:
        async with Wire(engine) as wire, open_engine(wire.host) as docker:  # noqa: SIM117 - too long
            async with running(docker, 2) as runtime:
                lost = job(runtime, "sleep 60")
                await lost.start()
                await wire.cut()

                with pytest.raises(OSError, match=r".+"):
                    await _ended(lost)
                assert lost.begun
                refused = job(runtime, "echo unavailable")
                with pytest.raises(OSError, match=r".+"):
                    await refused.start()
                assert not refused.begun

                await wire.mend()
                assert (await done(job(runtime, "echo again"))).out == b"again\n"
                await asyncio.gather(lost.discard(), refused.discard())


class TestTheRuntime:
    async def test_of_tools_that_are_alike_has_one_pool(self) -> None:
        async with open_engine("unix:///nowhere/engine.sock") as docker:
            kinds = {"a": profile(), "b": profile(), "c": profile(writes=False)}
            runtime = DockerRuntime(docker, kinds, sizes={"a": 1, "b": 4, "c": 0})
            runtime.start()
            sizes = {kind: pool._size for kind, pool in runtime.pools._pools.items()}
            await runtime.aclose()

        assert sizes == {profile(): 4}

    @pytest.mark.docker
    async def test_leaves_nothing_when_it_ends(self, docker: Engine, engine: str) -> None:
        async with running(docker, 3) as runtime:
            await runtime.aclose()
        assert await names(docker) == set()

    @pytest.mark.docker
    async def test_sweeps_none_of_its_own(self, docker: Engine, engine: str) -> None:
        async with running(docker, 2) as runtime:
            assert await runtime.sweep() == 0
            assert (runtime.pools.ready, await runtime.missing()) == (2, None)

    async def test_starts_cold_jobs_where_it_has_no_engine(self) -> None:
        async with open_engine("unix:///nowhere/engine.sock") as docker:
            runtime = DockerRuntime(docker, {"shell": profile()}, sizes={"shell": 2})
            runtime.start()
            made = job(runtime, "true")
            with pytest.raises(OSError, match=r".+"):
                await made.start()

            assert isinstance(made, PooledJob)
            assert isinstance(made._job, ColdJob)
            assert not made.begun
            await made.discard()
            await runtime.aclose()
