"""Real programs: those of any Linux, and a Python where one must misbehave."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from kernel import open_files
from wire import until

from proxy.process import LINE_BYTES, Finished, Program, attend, run, start

PYTHON = (sys.executable, "-I", "-S", "-c")
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin"}

Start = Callable[..., Awaitable[Program]]


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

    assert time.monotonic() - started < 1.9


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


@pytest.fixture
async def begin() -> AsyncIterator[Start]:
    """`start`, and the end of what it started."""
    programs: list[Program] = []

    async def begun(*argv: str, **env: str) -> Program:
        programs.append(await start(argv, ENV | env))
        return programs[-1]

    yield begun
    for program in programs:
        await program.stop(0)


async def said(program: Program) -> list[str]:
    async with asyncio.timeout(5):
        return [line async for line in program.lines()]


async def test_lines_of_both_outputs_come_in_order_and_then_the_exit_code(begin: Start) -> None:
    program = await begin(*shell("echo one; echo two >&2; echo three; printf four; exit 3"))

    assert await said(program) == ["one", "two", "three", "four"]
    assert await program.wait() == 3


async def test_lines_come_while_the_program_goes_on(begin: Start) -> None:
    program = await begin(*shell("echo up; exec sleep 60"))

    async with asyncio.timeout(5):
        assert await anext(program.lines()) == "up"


async def test_a_started_program_has_the_given_environment_and_nothing_else(begin: Start) -> None:
    program = await begin("env", HOME="/nowhere", TOKEN="secret value")

    assert sorted(await said(program)) == [
        "HOME=/nowhere",
        f"PATH={ENV['PATH']}",
        "TOKEN=secret value",
    ]


async def test_a_started_program_is_looked_up_in_the_path_it_is_given(
    begin: Start, tmp_path: Path
) -> None:
    own = tmp_path / "cat"
    own.write_text("#!/bin/sh\necho own\n")
    own.chmod(0o755)

    assert await said(await begin("cat", PATH=f"{tmp_path}:{ENV['PATH']}")) == ["own"]


async def test_no_shell_reads_the_arguments_of_a_started_program(begin: Start) -> None:
    arguments = ["$(id)", "a b; id", "*", "", "-n", "--"]
    program = await begin(*PYTHON, "import sys; print(sys.argv[1:])", *arguments)

    assert await said(program) == [f"{arguments!r}"]


async def test_a_started_program_has_no_input_and_no_descriptor_of_ours(begin: Start) -> None:
    assert await said(await begin("cat")) == []
    program = await begin(*PYTHON, "import os; print(os.listdir('/proc/self/fd'))")

    assert await said(program) == ["['0', '1', '2', '3']"]  # the last is that of the listing


async def test_a_started_program_gains_no_privileges(begin: Start) -> None:
    """A set-user-id program would be neither ours to signal nor killed with us."""
    assert "NoNewPrivs:\t1" in await said(await begin("cat", "/proc/self/status"))


@pytest.mark.parametrize(
    ("size", "kept"), [(LINE_BYTES, LINE_BYTES), (LINE_BYTES + 1, LINE_BYTES), (99_999, LINE_BYTES)]
)
async def test_a_long_line_is_cut_and_the_next_one_is_whole(
    begin: Start, size: int, kept: int
) -> None:
    program = await begin(*PYTHON, f"print('x' * {size}); print('next')")

    assert await said(program) == ["x" * kept, "next"]


async def test_a_flood_without_a_line_end_is_one_line_at_most(begin: Start) -> None:
    program = await begin(*shell("head -c 20000000 /dev/zero; echo; echo end"))

    assert await said(program) == ["\0" * LINE_BYTES, "end"]


async def test_an_endless_flood_leaves_the_loop_to_others(begin: Start) -> None:
    program = await begin(*shell("exec cat /dev/zero"))
    reading = asyncio.create_task(said(program))
    started = time.monotonic()
    for _ in range(20):
        await asyncio.sleep(0.005)

    assert time.monotonic() - started < 2
    await program.stop(5)
    assert await reading == ["\0" * LINE_BYTES]


async def test_what_is_no_text_is_a_line_all_the_same(begin: Start) -> None:
    assert await said(await begin(*shell(r"printf '\377\r\n\n\033[1mx\n'"))) == [
        "\ufffd",
        "",
        "\x1b[1mx",
    ]


@pytest.mark.parametrize("program", ["/nonexistent/program", "no-such-program", "/etc/passwd", "/"])
async def test_a_program_that_cannot_be_started_is_named(program: str) -> None:
    before = set(open_files())
    with pytest.raises(FileNotFoundError) as raised:
        await start((program,), ENV)

    assert raised.value.filename == program
    assert set(open_files()) <= before


async def test_a_start_that_fails_late_leaves_no_descriptor_open() -> None:
    before = set(open_files())
    with pytest.raises(OSError, match="too long"):
        await start(("true", "x" * 200_000), ENV)
    await asyncio.sleep(0)

    assert set(open_files()) <= before


async def test_a_program_that_fails_to_run_ends_at_once(begin: Start, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/nonexistent\n")
    script.chmod(0o755)
    program = await begin(str(script))

    assert await program.wait() != 0


async def test_without_the_leash_no_program_is_started(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        await start((sys.executable,), {"PATH": str(tmp_path)})

    assert raised.value.filename == "setpriv"


async def test_a_stopped_program_may_end_in_its_own_way(begin: Start) -> None:
    program = await begin(
        *shell("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done")
    )
    lines = program.lines()
    assert await anext(lines) == "up"

    await program.stop(5)

    assert [line async for line in lines][-1:] == ["bye"]  # a shell also says what its child did
    assert await program.wait() == 7


async def test_a_program_that_will_not_stop_is_killed(begin: Start) -> None:
    program = await begin(*shell("trap '' TERM INT HUP; echo up; while :; do sleep 1; done"))
    assert await anext(program.lines()) == "up"
    started = time.monotonic()

    await program.stop(0.1)

    assert 0.1 <= time.monotonic() - started < 2
    assert await program.wait() == -signal.SIGKILL
    assert is_gone(program.pid)


async def test_stopping_ends_the_children_too(begin: Start) -> None:
    line = "sh -c \"trap '' TERM; echo \\$\\$; while :; do sleep 0.1; done\" & wait"
    program = await begin(*shell(line))
    child = int(await anext(program.lines()))

    await program.stop(0.1)

    await until(lambda: is_ended(child), seconds=1)


async def test_stopping_twice_is_no_error(begin: Start) -> None:
    program = await begin("sleep", "60")

    await asyncio.gather(program.stop(1), program.stop(1))
    await program.stop(1)

    assert await program.wait() == -signal.SIGTERM


async def test_what_an_ended_program_left_behind_is_killed(begin: Start) -> None:
    """It holds the other end of the pipe, and would keep the lines from ending."""
    program = await begin(*shell("sleep 60 & echo $!; exit 0"))
    started = time.monotonic()

    (child,) = await said(program)

    assert time.monotonic() - started < 2
    await until(lambda: is_ended(int(child)), seconds=1)


async def test_what_fled_from_its_session_does_not_keep_the_lines_from_ending(
    begin: Start, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    fled = f"setsid sh -c 'echo $$ >{file}; exec sleep 60' &"
    program = await begin(*shell(f"{fled} until [ -s {file} ]; do sleep 0.01; done"))
    started = time.monotonic()

    assert await said(program) == []
    assert time.monotonic() - started < 3
    os.kill(await pid_in(file), signal.SIGKILL)


async def test_cancelled_waiting_and_stopping_leave_no_process(begin: Start) -> None:
    program = await begin(*shell("trap '' TERM; echo up; while :; do sleep 0.05; done"))
    assert await anext(program.lines()) == "up"
    waiting = asyncio.create_task(program.wait())
    stopping = asyncio.create_task(program.stop(30))
    await asyncio.sleep(0.05)
    waiting.cancel()
    stopping.cancel()
    await asyncio.wait({waiting, stopping})

    assert stopping.cancelled()
    assert is_gone(program.pid)


def running(argument: str) -> list[str]:
    """The processes that have this argument."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if argument.encode() in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(process.name)
    return found


@pytest.mark.parametrize("seconds", [0, 0.001, 0.005, 0.02])
async def test_a_cancelled_start_leaves_no_process(seconds: float) -> None:
    before, mark = set(open_files()), f"60.{os.getpid()}"
    task = asyncio.create_task(start(("sleep", mark), ENV))
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        await task.result().stop(1)

    await until(lambda: not running(mark), seconds=1)
    assert [file for file in set(open_files()) - before if file.startswith("pipe:")] == []


async def test_a_killed_parent_takes_its_program_along(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script = f"""
import asyncio
from proxy.process import start

async def main():
    program = await start(("/bin/sh", "-c", "echo $$ >{file}; exec sleep 60"), {ENV!r})
    await program.wait()

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=Path(__file__).parent.parent
    )
    pid = await pid_in(file)
    assert not is_ended(pid)

    parent.kill()
    await parent.wait()

    await until(lambda: is_ended(pid), seconds=2)


async def test_started_programs_leave_no_descriptor_open() -> None:
    before = set(open_files())
    for argv in (("true",), ("yes",), ("sleep", "60")):
        program = await start(argv, ENV)
        await asyncio.sleep(0.02)
        await program.stop(1)
    await asyncio.sleep(0)

    assert not [file for file in set(open_files()) - before if file.startswith("pipe:")]


async def test_one_that_is_attended_has_its_streams_and_what_it_is_given() -> None:
    reading, writing = os.pipe()
    try:
        program = await attend(
            shell(f"cat; env; echo err >&2; echo x > /dev/fd/{writing}"), {"A": "1"}, (writing,)
        )
        out, err = await program.communicate(b"in\n")
    finally:
        os.close(writing)
    assert os.read(reading, 10) == b"x\n"
    os.close(reading)
    assert {"in", "A=1"} <= set(out.decode().split())
    assert (err, program.returncode) == (b"err\n", 0)
