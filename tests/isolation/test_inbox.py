"""A message is taken when it is on the disk, sealed, and not before; and only once."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from doubles import Clock, grant

from proxy.actions import Enqueue, Relay
from proxy.decision import Allow, Decision, Deny
from proxy.exchange import Content, Document
from proxy.isolation.inbox import DurableInbox, Posted, opened
from proxy.reasons import Reason
from proxy.seal import Seal
from proxy.state import letters
from proxy.state.letters import Condition, Letter, Put
from proxy.state.sqlite.store import SqliteStore
from proxy.values import Headers

SEAL = Seal(bytes(range(32)))
HEADERS = Headers((("Content-Type", "text/plain"), ("X-Note", "1"), ("X-Note", "\udcff")))
RELAY = Relay("POST", "/hooks/slack?a=1", HEADERS, b"the quick \xff fox")
PLAN = Enqueue(RELAY, "a" * 64, "slack", "/webhook/slack")
TAKEN: Decision[Content] = Allow(Document({"status": "queued"}))


@dataclass
class Bench:
    store: SqliteStore
    clock: Clock
    folder: Path
    woken: int = 0
    backend: DurableInbox = field(init=False)

    def __post_init__(self) -> None:
        self.backend = DurableInbox(self.store.inbox, SEAL, self.clock, self.wake)

    def wake(self) -> None:
        self.woken += 1

    async def put(self, plan: Enqueue = PLAN) -> Decision[Content]:
        return await self.backend.run(plan, grant(plan))

    async def letters(self) -> list[Letter]:
        return await self.store.inbox.list(self.clock())

    async def claimed(self) -> Letter:
        letter = await self.store.inbox.claim(self.clock(), self.clock() + 30)
        assert letter is not None
        return letter


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = SqliteStore(str(tmp_path / "state.db"), SEAL)
    yield Bench(made, Clock(), tmp_path)
    await made.aclose()


async def test_a_message_is_stored_as_it_came_and_the_worker_is_woken(bench: Bench) -> None:
    assert await bench.put() == TAKEN

    letter = await bench.claimed()
    assert opened(letter, SEAL) == Posted("request-1", "client-1", "/webhook/slack", "front", RELAY)
    now = bench.clock()
    assert dataclasses.replace(letter, content=b"") == Letter(
        "a" * 64, "slack", b"", now, now, 0, Condition.WAITING, ""
    )
    assert bench.woken == 1


async def test_what_is_stored_says_nothing_to_who_reads_the_disk(bench: Bench) -> None:
    await bench.put()

    kept = b"".join(each.read_bytes() for each in bench.folder.iterdir())

    assert b"a" * 64 in kept
    for said in (b"quick", b"X-Note", b"hooks", b"client-1"):
        assert said not in kept


async def test_a_message_that_is_known_is_taken_and_not_stored_again(bench: Bench) -> None:
    other = replace(PLAN, relay=replace(RELAY, body=b"sent again"))

    assert [await bench.put(), await bench.put(other)] == [TAKEN, TAKEN]

    assert len(await bench.letters()) == 1
    assert opened(await bench.claimed(), SEAL).relay == RELAY


async def test_a_message_that_was_delivered_is_known_still(bench: Bench) -> None:
    await bench.put()
    await bench.store.inbox.delivered((await bench.claimed()).id, bench.clock() + 100)

    assert await bench.put() == TAKEN

    assert await bench.letters() == []


async def test_a_message_without_a_key_is_always_another(bench: Bench) -> None:
    for _ in range(2):
        assert await bench.put(replace(PLAN, key="")) == TAKEN

    ids = [letter.id for letter in await bench.letters()]
    assert [len(each) for each in ids] == [64, 64]
    assert len(set(ids)) == 2


async def test_a_letter_put_in_the_place_of_another_is_not_read(bench: Bench) -> None:
    await bench.put()
    letter = await bench.claimed()

    for wrong in (replace(letter, id="b" * 64), replace(letter, content=letter.content[:-1])):
        with pytest.raises(ValueError, match="sealed"):
            opened(wrong, SEAL)
    with pytest.raises(ValueError, match="sealed"):
        opened(letter, Seal(bytes(32)))


@dataclass
class Told:
    """`letters.Inbox` of which only `put` is asked."""

    put_: Put | OSError
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, letter: Letter) -> Put:
        await self.go.wait()
        if isinstance(self.put_, OSError):
            raise self.put_
        return self.put_

    def __getattr__(self, name: str) -> object:
        raise AssertionError(name)


def told(put: Put | OSError) -> tuple[Told, DurableInbox, list[str]]:
    double, woken = Told(put), list[str]()
    inbox: letters.Inbox = double  # type: ignore[assignment]
    return double, DurableInbox(inbox, SEAL, Clock(), lambda: woken.append("woken")), woken


async def test_a_full_inbox_refuses() -> None:
    double, backend, woken = told(Put.FULL)
    double.go.set()

    assert await backend.run(PLAN, grant(PLAN)) == Deny(Reason.INBOX_FULL)
    assert woken == []


async def test_nothing_is_answered_before_it_is_on_the_disk() -> None:
    double, backend, _ = told(Put.STORED)
    call = asyncio.create_task(backend.run(PLAN, grant(PLAN)))
    await asyncio.sleep(0.05)
    early = call.done()

    double.go.set()

    assert await call == TAKEN
    assert not early


async def test_a_disk_that_fails_takes_nothing() -> None:
    """The trace answers 503, and the provider comes again."""
    double, backend, woken = told(OSError("no space left on device"))
    double.go.set()

    assert await backend.run(PLAN, grant(PLAN)) == Deny(Reason.STATE_UNAVAILABLE)
    assert woken == []
