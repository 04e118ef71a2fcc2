"""Each plan goes to its own place, and what comes back is handed on as it is."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from doubles import Clock, FakeBackend, grant

from proxy.actions import (
    Collect,
    Command,
    Enqueue,
    FileList,
    FileRead,
    FileWrite,
    Invoke,
    Known,
    OpenPath,
    Operate,
    Plan,
    Relay,
)
from proxy.decision import Allow, Deny, Facts
from proxy.exchange import Document, OnceKey, Raw
from proxy.isolation.executor import Executor
from proxy.isolation.once import Keeping, Once
from proxy.jsonrpc import Request
from proxy.mcp import Client, Era, McpCall, McpTalk, Rpc
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.state.sqlite.store import SqliteStore
from proxy.values import Headers

FILE = OpenPath(-1, "a")  # no double opens it
PLACES = ("sandbox", "files", "upstream", "inbox", "operations", "answers", "servers")
RELAY = Relay("POST", "/", Headers(), b"")

Make = Callable[..., Executor]


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[Make]:
    seal = Seal(bytes(32))
    store = SqliteStore(str(tmp_path / "state.db"), seal)
    once = Once(store.once, seal, Clock(), Keeping())

    def make(**places: FakeBackend) -> Executor:
        given = {place: places.get(place, FakeBackend()) for place in PLACES}
        return Executor(**given, once=once)

    yield make
    await once.aclose()
    await store.aclose()


@pytest.mark.parametrize(
    ("plan", "place"),
    [
        (Command(("id",), 1.0, writes=True), "sandbox"),
        (FileRead(FILE), "files"),
        (FileWrite(FILE, "x"), "files"),
        (FileList(FILE), "files"),
        (Invoke("/tools/add", {}, 1.0), "upstream"),
        (Relay("GET", "/", Headers(), b""), "upstream"),
        (Enqueue(RELAY, "k"), "inbox"),
        (Operate("status"), "operations"),
        (Collect("r_1", "client-1"), "answers"),
        (McpCall("github", Request(1, "tools/call"), 1.0), "servers"),
        (McpTalk(Rpc(Request(1, "ping"), Client(Era.MODERN, "2026-07-28")), "c", {}), "servers"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_a_plan_is_done_in_its_one_place(executor: Make, plan: Plan, place: str) -> None:
    backends = {each: FakeBackend() for each in PLACES}
    given = grant(plan)

    done = await executor(**backends).execute(given)

    assert done == Allow(Raw(given, Document({"ran": True})))
    assert {each: backend.plans for each, backend in backends.items()} == {
        each: [plan] if each == place else [] for each in PLACES
    }


async def test_what_the_decision_knew_needs_no_place(executor: Make) -> None:
    given = grant(Known({"tools": []}))

    assert await executor().execute(given) == Allow(Raw(given, Document({"tools": []})))


async def test_a_denial_and_its_facts_pass_on(executor: Make) -> None:
    busy = Deny(Reason.SANDBOX_BUSY, "queue", Facts(retry_after=1.0))

    done = await executor(sandbox=FakeBackend(busy)).execute(
        grant(Command(("id",), 1.0, writes=True))
    )

    assert done is busy


async def test_the_facts_of_an_answer_pass_on(executor: Make) -> None:
    facts = Facts(runtime="docker", result="ok")
    backend = FakeBackend(Allow(Document({}), facts))

    done = await executor(sandbox=backend).execute(grant(Command(("id",), 1.0, writes=True)))

    assert done.facts == facts


async def test_under_a_key_it_is_done_once(executor: Make) -> None:
    """And the grant, which is what the trace gives back, is the one that was given."""
    backend = FakeBackend()
    layer = executor(upstream=backend)
    given = replace(grant(RELAY), once=OnceKey("k", "f"))

    first = await layer.execute(given)
    second = await layer.execute(given)

    assert first == Allow(Raw(given, Document({"ran": True})))
    assert second == Allow(Raw(given, Document({"ran": True}), replayed=True))
    assert backend.plans == [RELAY]


SPENT = (Reason.UPSTREAM_REFUSED, Reason.UPSTREAM_LATE, Reason.UPSTREAM_UNREADABLE)
GIVEN_BACK = (Reason.SANDBOX_UNAVAILABLE, Reason.SANDBOX_BUSY, Reason.UPSTREAM_MISSING)


@pytest.mark.parametrize("reason", [*SPENT, *GIVEN_BACK], ids=lambda reason: reason.code)
async def test_only_what_was_certainly_not_begun_is_given_back(
    executor: Make, reason: Reason
) -> None:
    """An agent that does the work and then says that it failed does not act for free."""
    given_back = []

    async def unspent() -> None:
        given_back.append(reason)

    plan = Invoke("/tools/add", {}, 1.0)
    backend = FakeBackend(Deny(reason))
    await executor(upstream=backend).execute(replace(grant(plan), unspent=unspent))

    assert given_back == ([reason] if reason in GIVEN_BACK else [])
