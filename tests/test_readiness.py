"""What is missing, in sentences."""

import asyncio
from dataclasses import dataclass

from doubles import Clock

from proxy.readiness import Readiness


@dataclass
class Part:
    """A part that lacks this, and counts how often it was asked."""

    sentence: str | None = None
    asked: int = 0

    async def missing(self) -> str | None:
        self.asked += 1
        return self.sentence


async def test_with_everything_there_nothing_is_missing() -> None:
    assert await Readiness((Part(), Part()), None, Clock()).missing() == []


async def test_each_thing_that_is_missing_has_its_sentence() -> None:
    readiness = Readiness((Part("no engine"), Part(), Part("no agent")), "no workspace", Clock())

    assert await readiness.missing() == ["no engine", "no agent", "no workspace"]


async def test_strangers_who_ask_often_make_no_work() -> None:
    clock, part = Clock(), Part("no engine")
    readiness = Readiness((part,), None, clock)

    for _ in range(10):
        assert await readiness.missing() == ["no engine"]
    assert part.asked == 1

    part.sentence = None
    clock.now += 2
    assert await readiness.missing() == []
    assert part.asked == 2


async def test_who_asks_has_an_answer_of_his_own() -> None:
    readiness = Readiness((Part("no engine"),), None, Clock())

    (await readiness.missing()).clear()

    assert await readiness.missing() == ["no engine"]


async def test_while_it_is_being_found_out_nobody_is_told_that_nothing_is_missing() -> None:
    """An engine that hangs takes its time to be found missing; until then it is not there."""
    answer = asyncio.Event()

    class Hung:
        async def missing(self) -> str | None:
            await answer.wait()
            return "no engine"

    readiness = Readiness((Hung(),), None, Clock())
    first = asyncio.create_task(readiness.missing())
    await asyncio.sleep(0)
    second = asyncio.create_task(readiness.missing())
    await asyncio.sleep(0)

    answer.set()

    assert await first == ["no engine"]
    assert await second != []


async def test_at_the_end_nobody_is_asked_any_more() -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    class Slow(Part):
        async def missing(self) -> str | None:
            asked.set()
            try:
                await asyncio.Event().wait()
            finally:
                gone.set()
            return None

    readiness = Readiness((Slow(),), None, Clock())
    asking = asyncio.create_task(readiness.missing())
    await asked.wait()
    await readiness.aclose()

    assert gone.is_set()
    await asyncio.wait({asking})
    assert asking.cancelled()
    await Readiness((), None, Clock()).aclose()
