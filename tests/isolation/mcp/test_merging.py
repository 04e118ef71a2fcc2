"""Several streams as one."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from mcp_doubles import Live

from proxy.decision import Denied, Deny
from proxy.isolation.mcp.hearing import unreadable
from proxy.isolation.mcp.link import Event
from proxy.isolation.mcp.merging import Merged, opened
from proxy.reasons import Reason


class Held:
    def __init__(self) -> None:
        self.released = 0

    def release(self) -> None:
        self.released += 1


async def said(*ids: str, broken: bool = False) -> AsyncIterator[Event]:
    for each in ids:
        yield Event(None, each)
    if broken:
        raise unreadable()


async def test_all_is_heard_and_one_fault_is_not() -> None:
    held = Held()
    merged = Merged([said("a", broken=True), said("b", "c", "d", "e")], [held])
    assert {event.id async for event in merged.events()} == {"a", "b", "c", "d", "e"}
    assert held.released


async def test_the_fault_of_the_last_is() -> None:
    with pytest.raises(Denied):
        assert [event async for event in Merged([said(broken=True)], []).events()]


async def test_released_it_reads_nothing_more() -> None:
    live, held = Live(), Held()
    merged = Merged([live.replies().events], [held])
    events = merged.events()
    live.say(Event(None, "a"))
    assert (await anext(events)).id == "a"
    merged.release()
    merged.release()
    await asyncio.sleep(0)
    assert held.released == 2
    assert all(task.done() for task in merged._tasks)


async def failing() -> AsyncIterator[Event]:
    yield Event(None, "a")
    raise OSError("the state cannot be used")


async def test_a_stream_that_fails_in_any_way_keeps_nobody_waiting() -> None:
    merged = Merged([failing(), said("b")], [])
    async with asyncio.timeout(2):
        assert {event.id async for event in merged.events()} == {"a", "b"}

    with pytest.raises(Denied) as caught:
        assert [event async for event in Merged([failing()], []).events()]
    assert caught.value.reason is Reason.LAYER_FAILED


async def test_what_was_opened_is_given_back_where_the_rest_is_given_up() -> None:
    async def at_once() -> Deny | None:
        return None

    async def never() -> Deny | None:
        await asyncio.Event().wait()
        return None

    one, two = Held(), Held()
    opening = asyncio.create_task(opened([one, two], [at_once(), never()]))
    await asyncio.sleep(0.01)
    opening.cancel()
    await asyncio.wait({opening})
    assert opening.cancelled()
    assert (one.released, two.released) == (1, 1)
