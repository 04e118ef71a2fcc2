"""The life of a command from Sidegate's side: its streams, its end, and that nothing is left."""

import asyncio
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from natives import LEVELS, ROOT, Place, followed, new_place, processes
from wire import until

from proxy.actions import Command
from proxy.isolation.native.levels import Level
from proxy.isolation.native.runtime import NativeRuntime
from proxy.isolation.run import DRAIN_CAP, STDOUT, STREAM_CAP, Run

HERE = [level for level in LEVELS if not ROOT or level is not Level.UNCONFINED]
every_level = pytest.mark.parametrize("level", HERE)
SLEEP = f"sleep 4321.{os.getpid()}"
ESCAPES = {
    "in the background": f"{SLEEP} &",
    "nohup": f"nohup {SLEEP} >/dev/null 2>&1 &",
    "setsid": f"setsid {SLEEP} &",
    "forked twice": f"(setsid sh -c '{SLEEP} & {SLEEP}' &) ",
    "holding the streams": f"setsid {SLEEP} <&0 &",
    "stopped": f"{SLEEP} & kill -STOP $!",
    "deaf": f"(trap '' TERM HUP INT; {SLEEP}) &",
}


@pytest.fixture
def place() -> Iterator[Place]:
    with new_place() as made:
        yield made


@pytest.fixture
async def runtime(level: Level, place: Place) -> AsyncIterator[NativeRuntime]:
    with place.ground() as ground:
        made = NativeRuntime(level, ground, f"job{os.getpid()}")
        yield made
        await made.aclose()


def shell(line: str, seconds: float = 20.0, stdin: bytes = b"") -> Command:
    return Command(("/bin/sh", "-c", line), seconds, writes=True, stdin=stdin)


def sleepers() -> set[int]:
    """Processes of these tests, by a command line that is no other's."""
    return processes(SLEEP.replace(" ", "\0").encode() + b"\0")


@every_level
@pytest.mark.parametrize(
    ("line", "code", "out", "err"),
    [
        pytest.param("echo out; echo err >&2", 0, "out\n", "err\n", id="streams stay apart"),
        pytest.param("exit 3", 3, "", "", id="the exit code is the program's"),
        pytest.param("kill -9 $$", 137, "", "", id="a signal counts from 128"),
        pytest.param("kill -TERM $$", 143, "", "", id="whichever it is"),
        pytest.param("cat", 0, "", "", id="nothing comes in"),
    ],
)
async def test_a_command_answers_as_it_ends(
    runtime: NativeRuntime, line: str, code: int, out: str, err: str
) -> None:
    done = await followed(runtime, shell(line))

    assert (done.code, done.out, done.err) == (code, out, err)


@every_level
@pytest.mark.parametrize("size", [1, 65537, 3 << 20])
async def test_what_goes_in_arrives_and_ends(runtime: NativeRuntime, size: int) -> None:
    done = await followed(runtime, shell("wc -c", stdin=b"x" * size))

    assert done.out.strip() == str(size)


@every_level
async def test_who_reads_no_input_is_no_failure(runtime: NativeRuntime) -> None:
    assert (await followed(runtime, shell("exec true", stdin=b"x" * (1 << 20)))).code == 0


@every_level
@pytest.mark.parametrize(
    "argument",
    ["", "a b", "$HOME", "*", "--", "-n", "grüße", os.fsdecode(b"\xff\xfe"), "x" * 120_000, "\n"],
    ids=lambda argument: ascii(argument[:10]),
)
async def test_arguments_arrive_byte_by_byte(
    runtime: NativeRuntime, place: Place, argument: str
) -> None:
    script = 'printf %s "$1" > got'
    plan = Command(("/bin/sh", "-c", script, "sh", argument), 20.0, writes=True)

    assert (await followed(runtime, plan)).code == 0
    assert Path(place.workspace, "got").read_bytes() == os.fsencode(argument)


@every_level
@pytest.mark.parametrize("argument", ["a\0b", "\ud800"], ids=["NUL", "half a pair"])
async def test_what_no_program_can_be_given_is_not_begun(
    runtime: NativeRuntime, argument: str
) -> None:
    job = runtime.job(Command(("echo", argument), 5.0, writes=False), "", "")
    with pytest.raises(OSError, match="argument of a command"):
        await job.start()
    await job.discard()

    assert not job.begun


@every_level
@pytest.mark.parametrize(
    ("program", "code"),
    [("no-such-program", 127), ("./no-such", 127), ("", 127), ("/etc", 126), ("./plain", 126)],
)
async def test_a_program_that_cannot_be_run_ends_as_in_a_shell(
    runtime: NativeRuntime, place: Place, program: str, code: int
) -> None:
    Path(place.workspace, "plain").write_text("no program")
    done = await followed(runtime, Command((program,), 5.0, writes=False))

    assert done.code == code
    assert program in done.err


@every_level
async def test_a_flood_is_cut_and_costs_no_memory(runtime: NativeRuntime) -> None:
    run = Run(runtime.job(shell("yes"), "", ""), 20.0)
    await run.start()
    ended = await run.follow()
    await run.job.discard()

    assert (ended.code, run.truncated) == (137, True)
    assert len(run.written(STDOUT)) == STREAM_CAP < DRAIN_CAP


@every_level
async def test_a_writer_waits_for_its_reader(runtime: NativeRuntime, place: Place) -> None:
    """What is not read stays in the pipe, and the command stands still."""
    line = "i=0; while :; do head -c 65536 /dev/zero; i=$((i+1)); echo $i > written; done"
    run = Run(runtime.job(shell(line), "", ""), 20.0)
    await run.start()
    written = Path(place.workspace, "written")
    pieces = run.job.output()
    await anext(pieces)
    before = ""
    while (now := written.read_text() if written.exists() else "") != before or not now:
        before = now
        await asyncio.sleep(0.3)
    await run.job.discard()

    assert int(now) < 16


@every_level
@pytest.mark.parametrize("line", ESCAPES.values(), ids=ESCAPES)
async def test_nothing_outlives_a_command_that_ends(runtime: NativeRuntime, line: str) -> None:
    done = await followed(runtime, shell(f"{line}\necho done"))

    assert done.out == "done\n"
    assert sleepers() == set()


@every_level
@pytest.mark.parametrize("line", ESCAPES.values(), ids=ESCAPES)
async def test_nothing_outlives_a_deadline(runtime: NativeRuntime, line: str) -> None:
    done = await followed(runtime, shell(f"{line}\nwhile :; do sleep 1; done", seconds=0.5))

    assert done.result == "timeout"
    assert sleepers() == set()


@every_level
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 20, 100])
async def test_nothing_outlives_a_caller_that_leaves(runtime: NativeRuntime, turns: int) -> None:
    """At whatever point: the loop turns a few times, and the job is discarded."""
    job = runtime.job(shell(f"setsid {SLEEP} & {SLEEP}"), "", "")
    starting = asyncio.create_task(job.start())
    for _ in range(turns):
        await asyncio.sleep(0.002 if turns > 50 else 0)
    starting.cancel()
    await asyncio.wait({starting})
    await job.discard()
    await runtime.aclose()

    assert sleepers() == set()


@every_level
async def test_a_command_has_begun_when_it_may_run(runtime: NativeRuntime) -> None:
    job = runtime.job(shell("true"), "", "")
    assert not job.begun
    await job.start()
    assert job.begun
    await job.discard()


@every_level
async def test_a_killed_supervisor_is_a_lost_command(runtime: NativeRuntime) -> None:
    """It may have done something: that is not said to be nothing."""
    job = runtime.job(shell(f"{SLEEP}; :"), "", "")
    await job.start()
    await until(sleepers)
    supervisor = next(child for child in _children(os.getpid()) if _is_supervisor(child))
    os.kill(supervisor, signal.SIGKILL)
    with pytest.raises(OSError, match="killed"):
        async with asyncio.timeout(10):
            await job.wait()
    await job.discard()

    assert job.begun
    assert sleepers() == set()
    left = os.listdir(tempfile.gettempdir())
    assert not [name for name in left if name.startswith(f"sidegate-job{os.getpid()}-")]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_supervisor(pid: int) -> bool:
    return b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_a_sandbox_that_cannot_be_made_is_not_begun(place: Place) -> None:
    """Where bubblewrap fails, the command has not run, whatever it wrote on its streams."""
    with place.ground() as ground:
        os.rmdir(place.workspace)
        runtime = NativeRuntime(Level.BWRAP, ground, "job")
        job = runtime.job(shell("true"), "", "")
        try:
            await job.start()
            with pytest.raises(OSError, match="before the command did"):
                await job.wait()
        finally:
            await job.discard()
            await runtime.aclose()
            os.mkdir(place.workspace)

    assert not job.begun


async def test_a_memory_limit_kills_nobody(place: Place) -> None:
    with place.ground() as ground:
        runtime = NativeRuntime(HERE[0], ground, "job")

        assert not await runtime.job(shell("true"), "", "").out_of_memory()
