from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis_server import Server, replica, running

from proxy.state.redis.store import RedisStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a state may be, in a folder of its own."""
    folder = tmp_path / "state"
    folder.mkdir()
    return folder / "sidegate.db"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A Redis server of the test's own."""
    with running(tmp_path / "redis") as server:
        yield server


@pytest.fixture
async def one(server: Server) -> AsyncIterator[RedisStore]:
    """A replica on it."""
    async with replica(server, "one") as store:
        yield store


@pytest.fixture
async def two(server: Server) -> AsyncIterator[RedisStore]:
    """Another one."""
    async with replica(server, "two") as store:
        yield store
