"""The rates of the configuration, as they are counted."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from consenting import SEAL

from proxy.config.model import Config
from proxy.limiters import keys_of, limiters, tool_limiter
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import Store

RATES = {
    "gateway": {
        "pair_rate_limit_per_minute": 1,
        "webhook_rate_limit_per_minute": 2,
        "tool_rate_limit_per_minute": None,
    },
    "autonomy": {"max_actions_per_hour": 3},
}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    yield made
    await made.aclose()


async def test_each_rate_is_the_configured_one(store: Store) -> None:
    made = limiters(Config.model_validate(RATES), store)
    quotas = {name: await limiter.hit("k") for name, limiter in made.items()}

    assert {name: quota and (quota.limit, quota.window) for name, quota in quotas.items()} == {
        "pair": (1, 60),
        "webhook": (2, 60),
        "tools": None,
        "actions": (3, 3600),
    }
    assert keys_of(made)() == 3


async def test_a_tool_s_own_rate_is_counted_apart(store: Store) -> None:
    limiter = tool_limiter(Config(), store, 1)
    quotas = [await limiter.hit(key) for key in ("a", "a", "b")]

    assert [quota is not None and quota.wait is None for quota in quotas] == [True, False, True]
