"""Events for whoever watches: first all that there is, then each change."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from consenting import NoAsks
from desks import Bench, Reader
from doubles import OPERATOR, grant
from state.backends import SEAL
from wire import until

from proxy.actions import Halt, Ruling
from proxy.decision import Allow, Deny
from proxy.exchange import Raw, Stream
from proxy.isolation.answers import sealed_refusal
from proxy.operator.feed import Feed
from proxy.reasons import Reason
from proxy.state.approvals import Ask, Asks, Progress
from proxy.values import Json


class Counted(NoAsks):
    """`Asks` of another, of which it is known what was read whole."""

    def __init__(self, asks: Asks) -> None:
        self.asks = asks
        self.read: list[str] = []

    async def put(self, ask: Ask, now: float) -> Ask | None:
        return await self.asks.put(ask, now)

    async def get(self, ask_id: str, now: float) -> Ask | None:
        self.read.append(ask_id)
        return await self.asks.get(ask_id, now)

    async def list(self, now: float) -> list[Ask]:
        raise AssertionError("everything was read")

    async def progress(self, now: float) -> dict[str, Progress]:
        return await self.asks.progress(now)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(tmp_path)
    yield made
    await made.aclose()


def feed(bench: Bench, *, look: float = 0.01, beat: float = 60.0, most: int = 16) -> Feed:
    return Feed(bench.approvals, bench.stops, bench.desk.feed.views, most, look, beat)


async def reader(made: Feed) -> Reader:
    opened = await made.open()
    assert isinstance(opened, Allow)
    assert isinstance(opened.value, Stream)
    return Reader(opened.value)


async def test_first_comes_all_that_there_is(bench: Bench) -> None:
    ask = await bench.ask()
    stop = await bench.do("stops.add", "", Halt(tool="shell"))
    reading = await reader(feed(bench))

    name, data = await reading.next()

    assert reading.stream.status == 200
    assert reading.stream.headers.get("content-type") == "text/event-stream"
    assert name == "snapshot"
    assert data["approvals"] == (await bench.do("approvals.list"))["approvals"]
    assert [row["id"] for row in data["approvals"]] == [ask.id]
    assert [row["id"] for row in data["stops"]] == [stop["stopped"]]
    assert data["file"] is False


async def test_what_is_decided_is_no_part_of_what_comes_first(bench: Bench) -> None:
    ask, denied, _ = await bench.ask(), await bench.ask("file_read", {}), await bench.late()
    await bench.do("approvals.decide", denied.id, Ruling((denied.id,), approve=False))
    reading = await reader(feed(bench))

    _, data = await reading.next()

    assert [row["id"] for row in data["approvals"]] == [ask.id]
    await bench.store.asks.refuse(
        ask.id, sealed_refusal(SEAL, ask, Reason.APPROVAL_TIMED_OUT), bench.clock() + 60
    )
    late = {"id": ask.id, "standing": "expired", "decided_by": ""}
    assert await reading.next() == ("decided", late)


async def test_then_each_change_by_its_name(bench: Bench) -> None:
    reading = await reader(feed(bench))
    await reading.next()

    ask = await bench.ask(arguments={"command": "ls \u202e"})
    name, row = await reading.next()
    assert (name, row["id"], row["shown"]) == ("asked", ask.id, {"command": "ls \\u{202e}"})

    await bench.do("approvals.decide", ask.id, Ruling((ask.id,), approve=True))
    decided = {"id": ask.id, "standing": "approved", "decided_by": "uid-0"}
    assert await reading.next() == ("decided", decided)

    bench.clock.now += 7200
    assert await reading.next() == ("ended", {"id": ask.id})

    stop = (await bench.do("stops.add", "", Halt()))["stopped"]
    name, row = await reading.next()
    assert (name, row["id"], row["kind"]) == ("stopped", stop, "all")

    await bench.do("stops.resume")
    assert await reading.next() == ("lifted", {"id": stop})

    bench.file.touch()
    assert await reading.next() == ("file", {"stands": True})
    bench.file.unlink()
    assert await reading.next() == ("file", {"stands": False})


async def test_what_changes_here_is_told_without_a_look(bench: Bench) -> None:
    ask, made = await bench.ask(), feed(bench, look=3600.0)
    reading = await reader(made)
    await reading.next()
    coming = asyncio.create_task(reading.next())
    await asyncio.sleep(0.01)
    lasting = {ask.id: bench.clock() + 60}
    await bench.store.asks.decide(lasting, approve=False, by="uid-0", now=bench.clock())

    made.wake()

    assert (await coming)[0] == "decided"


async def test_a_change_between_two_readings_is_not_missed(bench: Bench) -> None:
    made = feed(bench, look=3600.0)
    reading = await reader(made)
    await reading.next()

    await bench.ask()
    made.wake()  # nobody waits at this moment

    assert (await reading.next())[0] == "asked"


async def test_what_is_taken_by_one_who_waited_has_ended(bench: Bench) -> None:
    held = await bench.held()
    reading = await reader(feed(bench))
    await reading.next()
    await bench.do("approvals.decide", held.id, Ruling((held.id,), approve=True))
    name, decided = await reading.next()
    assert (name, decided["id"], decided["standing"]) == ("decided", held.id, "approved")

    assert await bench.store.asks.take(held.id, held.binding, "holder-1", bench.clock())

    assert await reading.next() == ("ended", {"id": held.id})


async def test_what_is_told_is_read_once_however_many_watch(bench: Bench) -> None:
    """And nothing is read whole that did not change."""
    counting = Counted(bench.store.asks)
    bench.approvals.asks = counting
    made = feed(bench, look=3600.0)
    readings = [await reader(made) for _ in range(3)]
    for each in readings:
        await each.next()
    first, second = await bench.ask(), await bench.ask("file_read", {"path": "a"})
    made.wake()
    for each in readings:
        assert [(await each.next())[0] for _ in range(2)] == ["asked", "asked"]

    assert sorted(counting.read) == sorted([first.id, second.id])


async def test_while_nothing_changes_a_comment_says_so(bench: Bench) -> None:
    reading = await reader(feed(bench, beat=0.02))
    await reading.next()

    assert await reading.next() == ("", ": still here")
    assert await reading.next() == ("", ": still here")


async def test_nothing_that_is_asked_can_end_an_event_or_begin_another(bench: Bench) -> None:
    await bench.ask(arguments={"command": "x\n\nevent: decided\ndata: {}\n\n\r\r\u2028"})
    reading = await reader(feed(bench))

    await reading.next()

    assert reading.frames[0].data.count(b"\n") == 3
    assert reading.frames[0].data.count(b"\r") == 0


async def test_nothing_that_is_asked_can_break_an_event(bench: Bench) -> None:
    """Layer 5 masks in the JSON itself, and no more of it than what Sidegate holds."""
    arguments: dict[str, Json] = {
        "a": ["token=\\\\", 12345678901, 2],
        "password": "rm -rf /; echo x",
        "b": 'secret: "',
        "c": '", "token": "abcdefgh.ij',
    }
    await bench.ask(arguments=arguments)
    reading = await reader(feed(bench))

    clean = await bench.redactor.redact(Raw(grant(principal=OPERATOR), reading.stream))

    assert isinstance(clean, Allow)
    assert isinstance(clean.value.content, Stream)
    _, data = await Reader(clean.value.content).next()
    assert data["approvals"][0]["shown"] == arguments


async def test_what_is_shown_is_written_once_however_many_watch(bench: Bench) -> None:
    searched: list[str] = []

    def find(text: str, key: str) -> Sequence[tuple[int, int, str]]:  # noqa: ARG001
        searched.append(text)
        return ()

    views = replace(bench.desk.feed.views, find=find)
    made = Feed(bench.approvals, bench.stops, views, look=3600.0)
    await bench.ask()
    readings = [await reader(made) for _ in range(3)]
    await asyncio.gather(*(each.next() for each in readings))
    await bench.ask(arguments={"command": "id"})
    made.wake()
    await asyncio.gather(*(each.next() for each in readings))

    assert searched == ["command", "ls", "command", "id"]


async def test_readers_are_bounded_and_one_that_left_makes_room(bench: Bench) -> None:
    made = feed(bench, most=2)
    first, _ = await reader(made), await reader(made)

    assert await made.open() == Deny(Reason.EVENTS_FULL)

    first.stream.release()
    first.stream.release()
    await reader(made)
    assert await made.open() == Deny(Reason.EVENTS_FULL)
    assert len(made) == 2


async def test_where_the_state_goes_away_the_stream_breaks(bench: Bench) -> None:
    """Silence would look like nothing that waits."""
    reading = await reader(feed(bench))
    await reading.next()
    await bench.store.aclose()

    with pytest.raises(OSError, match="closed"):
        await reading.next()


async def test_what_waits_is_counted_whether_or_not_somebody_reads(bench: Bench) -> None:
    made = feed(bench)
    counting = asyncio.create_task(made.count(0.01))
    ask, _ = await bench.ask(), await bench.ask("file_read", {"path": "a"})

    await until(lambda: made.pending == 2)
    await bench.do("approvals.decide", ask.id, Ruling((ask.id,), approve=True))
    await until(lambda: made.pending == 1)

    counting.cancel()
    await asyncio.wait({counting})
