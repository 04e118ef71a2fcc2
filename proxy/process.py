"""Start a helper program: bounded in time, output and processor, in an empty environment.

The only place that starts programs. Containers are started only in `isolation`.
"""

import asyncio
import contextlib
import os
import resource
import signal
from dataclasses import dataclass

_CHUNK = 65536


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
