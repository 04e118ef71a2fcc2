"""Supervisors, taken and released."""

import asyncio
import os

from wire import until

from proxy.isolation.native.supervisors import SupervisorPool


async def test_the_next_waits_before_it_is_asked_for() -> None:
    pool = SupervisorPool("sidegate-pool-", ())
    await pool.release(await pool.take())
    await until(lambda: len(pool.serving) == 1)
    (waiting,) = pool.serving
    taken = await pool.take()

    assert taken.name == waiting
    await pool.release(taken)
    await pool.aclose()
    assert pool.serving == set()


async def test_each_is_used_once() -> None:
    pool = SupervisorPool("sidegate-pool-", ())
    names = []
    for _ in range(3):
        taken = await pool.take()
        names.append(taken.name)
        await pool.release(taken)
    await pool.aclose()

    assert len(set(names)) == 3
    assert all(name.startswith("sidegate-pool-") for name in names)


async def test_one_that_died_waiting_is_replaced() -> None:
    pool = SupervisorPool("sidegate-pool-", ())
    first = await pool.take()
    await pool.release(first)
    second = await pool.take()
    assert second.waits
    await pool.release(second)
    await until(lambda: len(pool.serving) == 1)
    third = await pool.take()
    os.kill(third.pid, 9)
    await until(lambda: not third.waits)
    await pool.release(third)
    await pool.aclose()

    assert pool.serving == set()


async def test_many_are_taken_at_one_time() -> None:
    pool = SupervisorPool("sidegate-pool-", ())
    taken = await asyncio.gather(*(pool.take() for _ in range(4)))

    assert {each.name for each in taken} == pool.serving
    await asyncio.gather(*map(pool.release, taken))
    await pool.aclose()
    assert pool.serving == set()


async def test_one_that_nobody_came_for_is_ended() -> None:
    pool = SupervisorPool("sidegate-pool-", ())
    taking = asyncio.create_task(pool.take())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait({taking})
    await pool.aclose()

    assert pool.serving == set()
