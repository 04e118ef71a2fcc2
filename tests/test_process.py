"""Real programs: those of any Linux, and a Python where one must misbehave."""

import asyncio
import gc
import os
import sys
import time
from pathlib import Path

import pytest
from kernel import open_files
from wire import until

from proxy.process import Finished, run

PYTHON = (sys.executable, "-I", "-S", "-c")


def shell(line: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", line)


def is_gone(pid: int) -> bool:
    """Whether the process has ended and was waited for."""
    return not os.path.exists(f"/proc/{pid}")


def is_ended(pid: int) -> bool:
    """Whether the process runs no more; whoever must wait for it may not have done so yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


async def pid_in(file: Path) -> int:
    """The process id that a program writes there."""
    await until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


async def test_output_and_exit_code_come_back() -> None:
    done = await run(shell("echo out; echo err >&2; exit 3"), b"", limit=100, seconds=5)

    assert done == Finished(3, b"out\n", complete=True)


@pytest.mark.parametrize("size", [0, 1, 65536, 1_000_000])
async def test_input_is_fed_and_ended(size: int) -> None:
    done = await run(("cat",), b"x" * size, limit=size, seconds=5)

    assert done == Finished(0, b"x" * size, complete=True)


async def test_program_that_reads_nothing_is_no_failure() -> None:
    assert await run(("true",), b"x" * 1_000_000, limit=10, seconds=5) == Finished(
        0, b"", complete=True
    )


async def test_environment_is_empty() -> None:
    assert await run(("/usr/bin/env",), b"", limit=1000, seconds=5) == Finished(
        0, b"", complete=True
    )


@pytest.mark.parametrize(
    "argument",
    [
        pytest.param("$(id)", id="substitution"),
        pytest.param("a b; id", id="list"),
        pytest.param("*", id="glob"),
        pytest.param("", id="nothing"),
        pytest.param("-n", id="dash"),
    ],
)
async def test_no_shell_reads_the_arguments(argument: str) -> None:
    done = await run(
        (*PYTHON, "import sys; print(sys.argv[1:])", argument), b"", limit=99, seconds=5
    )

    assert done.output.decode() == f"{[argument]!r}\n"


@pytest.mark.parametrize(
    ("size", "complete"), [(0, True), (99, True), (100, True), (101, False), (5_000_000, False)]
)
async def test_output_past_the_limit_is_cut_and_called_incomplete(
    size: int,
    complete: bool,  # noqa: FBT001
) -> None:
    script = f"import sys; sys.stdout.write('x' * {size})"
    done = await run((*PYTHON, script), b"", limit=100, seconds=5)

    assert done.complete is complete
    assert done.output == b"x" * min(size, 100)


async def test_endless_output_ends_with_the_limit() -> None:
    started = time.monotonic()
    done = await run(("yes",), b"", limit=1000, seconds=30)

    assert (len(done.output), done.complete) == (1000, False)
    assert time.monotonic() - started < 5


async def test_output_that_comes_faster_than_it_is_read_ends_with_the_limit() -> None:
    """More than asyncio buffers comes at once, so that it pauses reading and sees no end."""
    script = (
        "import fcntl, os, time; fcntl.fcntl(1, 1031, 1 << 20);"  # F_SETPIPE_SZ
        "os.write(1, b'x' * (1 << 20)); time.sleep(9)"
    )
    started = time.monotonic()
    async with asyncio.timeout(2):
        done = await run((*PYTHON, script), b"", limit=1000, seconds=30)
    gc.collect()  # what was left open is this test's own

    assert not done.complete
    assert time.monotonic() - started < 1.5


async def test_program_is_killed_at_the_end_of_its_time() -> None:
    started = time.monotonic()
    done = await run(shell("echo $$; exec sleep 60"), b"", limit=100, seconds=0.2)

    assert not done.complete
    assert done.code != 0
    assert 0.2 <= time.monotonic() - started < 5
    assert is_gone(int(done.output))


async def test_program_that_ignores_signals_is_killed_all_the_same() -> None:
    line = "trap '' TERM INT HUP; echo $$; while :; do :; done"
    done = await run(shell(line), b"", limit=100, seconds=0.2)

    assert not done.complete
    assert is_gone(int(done.output))


async def test_program_that_closes_its_output_is_still_bounded_in_time() -> None:
    started = time.monotonic()
    done = await run(shell("exec >&-; exec sleep 60"), b"", limit=100, seconds=0.2)

    assert not done.complete
    assert time.monotonic() - started < 5


async def test_program_that_leaves_a_child_behind_is_still_bounded_in_time() -> None:
    """The child holds the other end of the pipe, which then never reads as ended."""
    started = time.monotonic()
    await run(shell("sleep 2 & wait"), b"", limit=100, seconds=0.2)
    gc.collect()

    assert time.monotonic() - started < 1


async def test_children_of_a_killed_program_end_with_it() -> None:
    done = await run(shell("sleep 2 >/dev/null & echo $!; wait"), b"", limit=100, seconds=0.2)

    await until(lambda: is_ended(int(done.output)), seconds=0.5)


async def test_processor_time_is_bounded_too() -> None:
    """The second bound holds even where nobody is there to look at the clock."""
    done = await run(shell("sleep 0.2; ulimit -S -t; ulimit -H -t"), b"", limit=99, seconds=7)

    assert done.output.split() == [b"8", b"9"]


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("/nonexistent/program", id="a path that does not exist"),
        pytest.param("no-such-program-anywhere", id="a name that is nowhere"),
        pytest.param("/etc/passwd", id="a file that is no program"),
        pytest.param("/", id="a folder"),
    ],
)
async def test_missing_program_is_an_os_error(program: str) -> None:
    with pytest.raises(OSError, match=program):
        await run((program,), b"", limit=10, seconds=1)


async def test_cancelled_run_leaves_no_process(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    line = f"echo $$ >{file}; exec sleep 60"
    task = asyncio.create_task(run(shell(line), b"", limit=10, seconds=30))
    pid = await pid_in(file)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_gone(pid)


async def test_cancellation_while_the_program_is_being_ended_is_not_lost(tmp_path: Path) -> None:
    """A cancelled request stays cancelled, whatever the run was waiting for."""
    file = tmp_path / "pid"
    line = f"sleep 1 & echo $$ >{file}; wait"  # the child may keep the run from ending
    task = asyncio.create_task(run(shell(line), b"", limit=10, seconds=0.2))
    pid = await pid_in(file)
    await until(lambda: is_ended(pid))

    was_running = task.cancel()
    await asyncio.wait({task})

    await asyncio.sleep(1)  # nothing of this test outlives it
    assert task.cancelled() == was_running


@pytest.mark.parametrize("seconds", [0, 0.001, 0.01, 0.05, 0.1])
async def test_cancellation_at_any_moment_is_not_lost(seconds: float) -> None:
    task = asyncio.create_task(run(shell("exec sleep 0.05"), b"", limit=10, seconds=5))
    await asyncio.sleep(seconds)

    was_running = task.cancel()
    await asyncio.wait({task})

    assert task.cancelled() == was_running


async def test_runs_leave_no_descriptor_open() -> None:
    before = set(open_files())
    for argv, limit in ((("true",), 10), (("yes",), 10), (("cat",), 1000)):
        await run(argv, b"x", limit=limit, seconds=5)

    assert not [file for file in set(open_files()) - before if file.startswith("pipe:")]
