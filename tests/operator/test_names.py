"""What principals and tools go by, and which names are known."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from doubles import Clock
from state.backends import SEAL

from proxy.authentication.tokens import mint
from proxy.config.model import Config
from proxy.exchange import Role
from proxy.operator.names import Names
from proxy.scope import Minting
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import TokenRecord

SLACK = {"signing_secret": "s" * 32, "allowed_users": ["U1"]}
CONFIG = Config.model_validate(
    {
        "gateway": {"paired_tokens": ["c0ffee00" * 8]},
        "principals": {"agent": {"role": "agent", "token": "t" * 40}},
        "tools": {
            "ref.*": {"effect": "read", "backend": "upstream"},
            "kb.find": {"effect": "read", "backend": "upstream"},
        },
        "channels_config": {"slack": SLACK},
    }
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    made = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    yield made
    await made.aclose()


async def token(store: SqliteStore) -> TokenRecord:
    _, record = mint(Role.CLIENT, Clock()(), Minting("phone"))
    await store.tokens.add(record)
    return record


async def test_tokens_go_by_their_labels(store: SqliteStore) -> None:
    record = await token(store)

    assert await Names(store.tokens, Clock()).labels() == {record.id: "phone"}


@pytest.mark.parametrize(
    ("pattern", "known"),
    [
        ("shell", True),
        ("file_*", True),
        ("ref.add", True),
        ("ref.*", True),
        ("*.find", True),
        ("*", True),
        ("kb.fin", False),
        ("kb", False),
        ("github.*", False),
        ("sell", False),
    ],
)
async def test_a_tool_is_known_that_an_entry_speaks_about(
    store: SqliteStore, pattern: str, *, known: bool
) -> None:
    assert Names.of(CONFIG, store.tokens, Clock()).tool(pattern) is known


@pytest.mark.parametrize(
    ("principal_id", "known"),
    [
        ("principal:agent", True),
        ("agent", True),
        ("listed-c0ffee00", True),
        ("slack:U7", True),
        ("anonymous", True),
        ("anonymous 10.0.0.1", True),
        ("principal:agnt", False),
        ("c0ffee00", False),
        ("discord:U7", False),
        ("slack", False),
        ("", False),
    ],
)
async def test_a_principal_is_known_that_the_configuration_admits(
    store: SqliteStore, principal_id: str, *, known: bool
) -> None:
    assert await Names.of(CONFIG, store.tokens, Clock()).principal(principal_id) is known


async def test_a_principal_is_known_that_has_a_token(store: SqliteStore) -> None:
    record = await token(store)

    assert await Names.of(CONFIG, store.tokens, Clock()).principal(record.id)
    assert not await Names.of(CONFIG, store.tokens, Clock()).principal("phone")
