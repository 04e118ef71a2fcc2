"""One supervisor, with orders of the test's own."""

import asyncio
import os
import signal

from natives import LIBRARY_SIGNALS
from wire import until

from proxy.isolation.native.order import CLEARED, Order
from proxy.isolation.native.supervisor_process import SupervisorProcess
from proxy.isolation.run import STDERR, STDOUT


async def started() -> SupervisorProcess:
    return await SupervisorProcess.start("sidegate-process-1", ())


def order(*argv: str) -> Order:
    return Order(argv=[os.fsencode(word) for word in argv], env={b"A": b"1"})


async def test_one_without_an_order_ends_when_it_is_told_to() -> None:
    supervisor = await started()
    assert supervisor.waits

    assert await supervisor.end()
    await supervisor.reap()
    assert not supervisor.waits


async def test_an_order_is_done_and_told_of() -> None:
    supervisor = await started()
    await supervisor.obey(order("/bin/sh", "-c", "echo out; echo err >&2; env; exit 4"))
    await supervisor.feed(b"")
    said = {STDOUT: b"", STDERR: b""}
    async for stream, data in supervisor.pieces():
        said[stream] += data

    assert await supervisor.told() == {"ended": 4}
    assert said[STDERR] == b"err\n"
    assert set(said[STDOUT].split()) <= {b"out", b"A=1", b"PWD=" + os.fsencode(os.getcwd())}
    assert await supervisor.end()
    await supervisor.reap()


async def test_a_program_that_cannot_be_started_is_told_of() -> None:
    supervisor = await started()
    await supervisor.obey(order("/no/such/program"))
    told = await supervisor.told()

    assert "FileNotFoundError" in str(told["error"])
    assert told["ended"] == 125
    assert await supervisor.end()
    await supervisor.reap()


async def test_one_that_is_killed_has_not_cleared() -> None:
    supervisor = await started()
    os.kill(supervisor.pid, 9)

    assert not await supervisor.end()
    await supervisor.reap()


async def test_one_that_is_asked_to_end_sees_to_its_command_first() -> None:
    """As by a service manager, which asks all processes of a service at one time."""
    supervisor = await started()
    await supervisor.obey(
        order("/bin/sh", "-c", "grep SigIgn /proc/self/status; read line; exit 6")
    )
    said = await anext(supervisor.pieces())
    os.kill(supervisor.pid, signal.SIGTERM)
    await supervisor.feed(b"go on\n")

    stream, data = said
    assert stream == STDOUT
    assert int(data.removeprefix(b"SigIgn:\t"), 16) & ~LIBRARY_SIGNALS == 0
    assert await supervisor.told() == {"ended": 6}
    assert await supervisor.end()
    await supervisor.reap()


async def test_what_is_fed_to_one_who_does_not_read_is_let_go() -> None:
    supervisor = await started()
    await supervisor.obey(order("/bin/true"))
    async with asyncio.timeout(10):
        await supervisor.feed(b"x" * (1 << 20))
    await supervisor.end()
    await supervisor.reap()
    await until(lambda: not supervisor.waits)


def test_the_last_word_is_in_no_other() -> None:
    assert CLEARED not in ("ended", "error", "exit-code")
