"""Follow one command in its container, from its start to its end.

What it writes is kept up to a cap for each stream, and read on a little so that a talkative command
can end by itself; past that it is flooding, and only costs.
"""

import asyncio
from dataclasses import dataclass, field

import aiodocker
from aiodocker.containers import DockerContainer
from aiodocker.stream import Stream

from proxy.exchange import Clock

ENGINE_SECONDS = 20.0
NO_ANSWER = 900  # the client library's own status

STDOUT, STDERR = 1, 2
STREAM_CAP = 1 << 20
DRAIN_CAP = 16 << 20  # of both streams together
_KILLED = 137


@dataclass(frozen=True, slots=True)
class Ended:
    """How the command ended."""

    code: int
    result: str
    seconds: float


@dataclass
class Run:
    """One command from its start to its end, and what it wrote, each stream capped."""

    seconds: float
    started: float = 0.0
    truncated: bool = False
    _seen: int = 0
    _streams: dict[int, bytearray] = field(
        default_factory=lambda: {STDOUT: bytearray(), STDERR: bytearray()}
    )

    def text(self, stream: int) -> str:
        """What was kept of a stream."""
        return self._streams[stream].decode("utf-8", "replace")

    async def follow(self, sandbox: DockerContainer) -> Ended:
        """Start the command and read what it writes until it ends, floods or runs out of time.

        Attached before it is started, or its first words are lost.
        """
        clock = asyncio.get_running_loop().time
        on_its_own_time = False
        try:
            async with asyncio.timeout(ENGINE_SECONDS) as limit, _attached(sandbox) as stream:
                await self._start(sandbox, clock)
                on_its_own_time = True
                limit.reschedule(self.started + self.seconds)
                code = await self._read(sandbox, stream)
                limit.reschedule(clock() + ENGINE_SECONDS)
                return Ended(code, await _result(sandbox, code), clock() - self.started)
        except TimeoutError:
            if not on_its_own_time:
                raise
            return Ended(_KILLED, "timeout", clock() - self.started)

    async def _start(self, sandbox: DockerContainer, clock: Clock) -> None:
        """Start the command. Only an answer of the engine's says that it has not been started."""
        try:
            await sandbox.start()
        except aiodocker.DockerError as error:
            self.started = clock() if error.status == NO_ANSWER else 0.0
            raise
        except BaseException:
            self.started = clock()
            raise
        self.started = clock()

    async def _read(self, sandbox: DockerContainer, stream: Stream) -> int:
        """Read to the end, or to the flood, and say with what code the command ended."""
        while message := await stream.read_out():
            self.take(message.stream, message.data)
            if self._seen > DRAIN_CAP:
                return _KILLED
        return int((await sandbox.wait())["StatusCode"])

    def take(self, stream: int, data: bytes) -> None:
        """Keep what there is room for."""
        kept = self._streams[stream]
        room = STREAM_CAP - len(kept)
        kept += data[:room]
        self._seen += len(data)
        self.truncated = self.truncated or len(data) > room


def _attached(sandbox: DockerContainer) -> Stream:
    return sandbox.attach(stdin=False, stdout=True, stderr=True, logs=False)


async def _result(sandbox: DockerContainer, code: int) -> str:
    if code == 0:
        return "ok"
    if code == _KILLED and (await sandbox.show())["State"]["OOMKilled"]:
        return "oom"
    return "failed"
