"""Errands end, one way or another."""

import asyncio

from proxy.isolation.mcp.errands import Errands


async def test_errands_are_done_and_their_faults_are_theirs() -> None:
    done: list[int] = []

    async def good() -> None:
        done.append(1)

    async def bad() -> None:
        raise OSError

    errands = Errands()
    errands.run(good())
    errands.run(bad())
    await asyncio.sleep(0.01)
    assert done == [1]
    await errands.aclose()


async def test_none_outlives_the_end() -> None:
    ended = asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    errands = Errands()
    errands.run(slow())
    await asyncio.sleep(0)
    await errands.aclose()
    assert ended.is_set()


async def test_there_are_only_so_many() -> None:
    begun: list[int] = []

    async def slow() -> None:
        begun.append(1)
        await asyncio.sleep(60)

    errands = Errands()
    for _ in range(1100):
        errands.run(slow())
    await asyncio.sleep(0)
    assert len(begun) == 1024
    await errands.aclose()
