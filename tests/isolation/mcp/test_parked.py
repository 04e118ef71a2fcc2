"""Answers that wait for a person."""

import asyncio

from proxy.isolation.mcp.parked import MAX_ALL, MAX_OWNED, Parked


class Left:
    def __init__(self) -> None:
        self.count = 0

    def leave(self) -> None:
        self.count += 1


async def test_only_who_left_it_takes_it_and_once() -> None:
    parked = Parked[Left]()
    key = parked.put("ann", "call", what := Left())
    assert parked.take("bob", "call", key) is None
    assert parked.take("ann", "another", key) is None
    assert parked.take("ann", "call", "guess") is None
    assert parked.take("ann", "call", key) is what
    assert parked.take("ann", "call", key) is None
    assert what.count == 0


async def test_nothing_waits_for_ever() -> None:
    parked = Parked[Left](seconds=0.01)
    key = parked.put("ann", "call", what := Left())
    await asyncio.sleep(0.03)
    assert (parked.take("ann", "call", key), what.count, len(parked)) == (None, 1, 0)


async def test_there_is_room_for_so_many_of_one_and_of_all() -> None:
    parked = Parked[Left]()
    for n in range(MAX_ALL):
        owner = f"owner-{n // MAX_OWNED}"
        assert parked.room(owner)
        parked.put(owner, "", Left())
        assert parked.room(owner) == ((n + 1) % MAX_OWNED != 0 and n + 1 < MAX_ALL)
    assert not parked.room("another")
    parked.close()
    assert parked.room("another")


async def test_what_is_closed_is_left() -> None:
    parked = Parked[Left]()
    parked.put("ann", "", what := Left())
    parked.close()
    parked.close()
    assert what.count == 1
