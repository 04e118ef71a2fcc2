"""Start a helper program, one of three kinds.

    run     to its end: bounded in time, output and processor, in an empty environment
    start   until it is stopped, or this process ends: in exactly the environment that it is given
    attend  until it ends by itself: with its streams, and descriptors that it is given

The only place that starts programs. Containers are started only in `isolation`.
"""

import asyncio
import contextlib
import errno
import os
import resource
import shutil
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

LINE_BYTES = 8192

_CHUNK = 65536
_LAST_SECONDS = 0.5
# So that a killed Sidegate leaves no program running: the kernel kills it with the thread that
# started it, which is the event loop's. A function run between fork and exec could do the same,
# but not safely beside other threads. Without new privileges, because a set-user-id program would
# be let off. What the program starts itself is not reached by this, only by `stop`.
_LEASH = ("setpriv", "--no-new-privs", "--pdeathsig", "KILL", "--")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended. `complete` is False where it was killed for its time or its output."""

    code: int
    output: bytes
    complete: bool


async def run(argv: tuple[str, ...], stdin: bytes, *, limit: int, seconds: float) -> Finished:
    """Run `argv` with `stdin` and collect at most `limit` bytes of its output within `seconds`.

    Raises OSError where the program cannot be started.
    """
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
        start_new_session=True,  # so that what it starts is killed with it
    )
    feeding = asyncio.create_task(_feed(process, stdin))
    output = bytearray()
    try:
        _cap_processor(process.pid, seconds)
        async with asyncio.timeout(seconds):
            complete = await _collect(process, output, limit)
            if complete:
                await process.wait()
    except TimeoutError:
        complete = False
    finally:
        await _end(process, feeding)
    return Finished(process.returncode or 0, bytes(output[:limit]), complete)


def _cap_processor(pid: int, seconds: float) -> None:
    """A second bound that holds even where this process is stopped meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))


async def _feed(process: asyncio.subprocess.Process, stdin: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(ConnectionError):
        process.stdin.write(stdin)
        await process.stdin.drain()
    process.stdin.close()


async def _collect(process: asyncio.subprocess.Process, output: bytearray, limit: int) -> bool:
    """Read to the end; False once there is more than `limit`."""
    assert process.stdout is not None
    while chunk := await process.stdout.read(_CHUNK):
        output += chunk
        if len(output) > limit:
            return False
    return True


async def _end(process: asyncio.subprocess.Process, feeding: "asyncio.Task[None]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    feeding.cancel()
    # Read to the end, or what is left in the pipe keeps the process from being reaped.
    ended = asyncio.gather(_discard(process), process.wait(), feeding, return_exceptions=True)
    await asyncio.shield(ended)


async def _discard(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    while await process.stdout.read(_CHUNK):
        pass


async def start(argv: tuple[str, ...], env: Mapping[str, str]) -> "Program":
    """Start `argv` with exactly `env`, in which PATH says where programs are.

    Raises OSError where the program cannot be started; FileNotFoundError names what is missing.
    """
    path, leash = (find(name, env) for name in (argv[0], _LEASH[0]))
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        output = asyncio.StreamReader(LINE_BYTES)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), os.fdopen(reading, "rb", 0)
        )
        try:
            process = await asyncio.create_subprocess_exec(
                *(leash, *_LEASH[1:], path, *argv[1:]),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=end,  # not asyncio's own pipe, for which the end of a program would wait
                stderr=end,
                env=env,
                start_new_session=True,
            )
        except BaseException:
            pipe.close()
            raise
    return Program(process, output, pipe)


async def attend(
    argv: tuple[str, ...], env: Mapping[str, str], given: tuple[int, ...]
) -> asyncio.subprocess.Process:
    """Start `argv` with exactly `env` and the descriptors `given`, its streams three pipes.

    It sees to its own end, by what it is given. Raises OSError where it cannot be started.
    """
    return await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=env,
        pass_fds=given,
        start_new_session=True,
    )


def find(program: str, env: Mapping[str, str]) -> str:
    """Where the program is; raises FileNotFoundError."""
    path = shutil.which(program, path=env.get("PATH", os.defpath))
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), program)
    return path


class Program:
    """A program that goes on until it is stopped. Whoever started it stops it."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        output: asyncio.StreamReader,
        pipe: asyncio.ReadTransport,
    ) -> None:
        self.pid = process.pid
        self._output = output
        self._pipe = pipe
        self._ended = asyncio.create_task(self._end(process))

    async def lines(self) -> AsyncIterator[str]:
        """What it says until it has ended, on either output; the rest of a long line is lost."""
        rest = b""
        while chunk := await self._output.read(LINE_BYTES):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield _text(line)
            rest = rest[:LINE_BYTES]
        if rest:
            yield _text(rest)

    async def wait(self) -> int:
        """Its exit code, once it has ended; below zero: the signal that ended it."""
        return await asyncio.shield(self._ended)

    async def stop(self, seconds: float) -> None:
        """End it and what it started: asked to first, killed after `seconds`, and waited for."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait({self._ended}, timeout=seconds)
        finally:
            self._signal(signal.SIGKILL)
            await asyncio.shield(self._ended)
            self._pipe.close()

    async def _end(self, process: asyncio.subprocess.Process) -> int:
        code = await process.wait()
        self._signal(signal.SIGKILL)  # to what it left behind
        # What fled from its session may hold the pipe, and would keep the lines from ending.
        asyncio.get_running_loop().call_later(_LAST_SECONDS, self._pipe.close)
        return code

    def _signal(self, number: signal.Signals) -> None:
        if not self._ended.done():  # afterwards the number may be another's
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def _text(line: bytes) -> str:
    return line[:LINE_BYTES].decode(errors="replace").rstrip("\r")
