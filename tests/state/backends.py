"""The stores that keep the laws of `test_store.py`, by name."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from redis_server import DURABLE, running

from proxy.seal import Seal
from proxy.state.redis.store import RedisStore
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import Store

Open = Callable[[Path], AbstractAsyncContextManager[Store]]
"""Opens the store of a folder. Opened again, when the first is closed, it has the same data."""

SEAL = Seal(bytes(range(32)))


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Store]:
    store = SqliteStore(str(folder / "sidegate.db"), SEAL)
    yield store
    await store.aclose()


@asynccontextmanager
async def _redis(folder: Path) -> AsyncIterator[Store]:
    """The server is killed with the store: what survives that is on the disk."""
    with running(folder, *DURABLE) as server:
        store = await RedisStore.connect(server.section, SEAL, "instance")
        try:
            yield store
        finally:
            await store.aclose()


BACKENDS: Mapping[str, Open] = {"sqlite": _sqlite, "redis": _redis}
NAMES = ("sqlite", pytest.param("redis", marks=pytest.mark.redis))
