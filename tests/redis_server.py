"""A real redis-server in a folder, on a unix socket, for whoever asks for one."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from proxy.config.model import StateConfig
from proxy.seal import Seal
from proxy.state.redis.store import RedisStore

SEAL = Seal(bytes(range(32)))
FORGETFUL = ("--save", "", "--appendonly", "no")
# What was written survives a kill of the process; a power cut is not tried.
DURABLE = ("--save", "", "--appendonly", "yes", "--appendfsync", "no")


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds, for a server needs a moment."""
    for _ in range(10_000):
        if condition():
            return
        time.sleep(0.002)
    pytest.fail("the server is not what it should be")


class Server:
    """One that can be killed and started again. It is ended by its process id alone."""

    def __init__(self, folder: Path, *options: str) -> None:
        if shutil.which("redis-server") is None:
            pytest.skip("there is no redis-server program here")
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.socket = folder / "redis.sock"
        self.options = options or FORGETFUL
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def section(self) -> StateConfig:
        """The configuration for whoever uses it."""
        return StateConfig(url=f"unix://{self.socket}")

    def start(self, *, loading: bool = False) -> None:
        """Start it, with the data that is in its folder, until it answers or says it is loading."""
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.socket)]
        self._process = subprocess.Popen(
            [*command, "--dir", str(self.folder), *self.options], stdout=subprocess.DEVNULL
        )
        wait_for(lambda: self._answers(loading=loading))

    def signal(self, number: signal.Signals) -> None:
        """Stop, continue or kill it."""
        assert self._process is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """As a power cut would."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @contextmanager
    def client(self) -> Iterator["redis.Redis"]:
        """Another program that uses the same server."""
        never = Retry(NoBackoff(), 0)
        with redis.Redis(unix_socket_path=str(self.socket), protocol=2, retry=never) as client:
            yield client

    def _answers(self, *, loading: bool) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.BusyLoadingError:
            return loading
        except redis.ConnectionError:
            return False


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Server]:
    """A server until the end of the block."""
    server = Server(folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.kill()


@asynccontextmanager
async def replica(
    server: Server, instance: str = "one", seal: Seal = SEAL
) -> AsyncIterator[RedisStore]:
    """A store as one Sidegate has it."""
    store = await RedisStore.connect(server.section, seal, instance)
    try:
        yield store
    finally:
        await store.aclose()
