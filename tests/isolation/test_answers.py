"""What was kept of a call that was done apart, sealed, and for its caller alone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from consenting import SEAL
from doubles import Clock, grant

from proxy.actions import Collect
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document
from proxy.isolation.answers import (
    MAX_ANSWER,
    Answers,
    refusal_of,
    sealed_answer,
    sealed_refusal,
)
from proxy.reasons import Reason
from proxy.state.approvals import Ask, Standing
from proxy.state.sqlite.store import SqliteStore
from proxy.state.store import Store

NOW = Clock()
ASK = Ask("r_1", "client-1", "add", "b", b"", True, NOW(), NOW() + 60, Standing.APPROVED)  # noqa: FBT003
SECRET = "what the agent answered"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = SqliteStore(str(tmp_path / "sidegate.db"), SEAL)
    await made.asks.put(ASK, NOW())
    yield made
    await made.aclose()


async def read(store: Store, owner: str = "client-1", ask_id: str = "r_1") -> Decision[Content]:
    plan = Collect(ask_id, owner)
    return await Answers(store.asks, SEAL, NOW).run(plan, grant(plan))


async def finish(store: Store, answer: bytes) -> None:
    assert await store.asks.take("r_1", "b", "holder", NOW())
    await store.asks.finish("r_1", "holder", answer, NOW() + 60)


async def test_an_answer_is_read_as_it_was_kept_and_is_sealed_meanwhile(
    store: Store, tmp_path: Path
) -> None:
    await finish(store, sealed_answer(SEAL, ASK, Document({"text": SECRET})))

    assert await read(store) == Allow(Document({"text": SECRET}))
    assert all(SECRET.encode() not in file.read_bytes() for file in tmp_path.iterdir())


async def test_a_refusal_is_read_as_one(store: Store) -> None:
    await finish(store, sealed_refusal(SEAL, ASK, Reason.SANDBOX_BUSY))

    assert await read(store) == Deny(Reason.SANDBOX_BUSY)


async def test_an_answer_too_large_to_keep_is_said_to_be_lost(store: Store) -> None:
    await finish(store, sealed_answer(SEAL, ASK, Document("x" * (MAX_ANSWER + 1))))

    assert await read(store) == Deny(Reason.IDEMPOTENCY_ANSWER_LOST)


async def test_an_answer_that_was_changed_is_none(store: Store) -> None:
    await finish(store, sealed_answer(SEAL, ASK, Document("x"))[:-1] + b"\x00")

    assert await read(store) == Deny(Reason.REQUEST_LOST)


@pytest.mark.parametrize(("owner", "ask_id"), [("client-2", "r_1"), ("client-1", "r_2")])
async def test_of_what_is_not_ones_own_nothing_is_told(
    store: Store, owner: str, ask_id: str
) -> None:
    assert await read(store, owner, ask_id) == Deny(Reason.REQUEST_UNKNOWN)


async def test_what_is_not_done_yet_comes_later(store: Store) -> None:
    later = {"request_id": "r_1", "status": "running"}

    assert await read(store) == Allow(Document(later, 202))


async def test_what_expired_is_unknown(store: Store) -> None:
    NOW.now += 61
    try:
        assert await read(store) == Deny(Reason.REQUEST_UNKNOWN)
    finally:
        NOW.now -= 61


def test_why_a_call_was_refused_is_known_where_it_was_written_down() -> None:
    written = sealed_refusal(SEAL, ASK, Reason.APPROVAL_TIMED_OUT)

    assert refusal_of(SEAL, replace(ASK, answer=written)) is Reason.APPROVAL_TIMED_OUT
    for answer in (None, b"", b"of another", sealed_answer(SEAL, ASK, Document({"code": 1}))):
        assert refusal_of(SEAL, replace(ASK, answer=answer)) is None
