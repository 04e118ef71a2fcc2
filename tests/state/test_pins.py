"""The laws of pinned definitions, and that every store keeps them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import pytest
from state.backends import BACKENDS, NAMES

from proxy.state.pins import (
    MAX_ACCEPTED,
    MAX_DEFINITION_BYTES,
    MAX_DIGESTS,
    MAX_PINNED,
    MAX_SERVER_BYTES,
    Pin,
    Seen,
)
from proxy.state.store import Store

NOW = 1_700_000_000.0
ONE, OTHER = "1" * 64, "2" * 64

Reopen = Callable[[], AbstractAsyncContextManager[Store]]


@pytest.fixture(params=NAMES)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Reopen:
    folder = tmp_path / "state"
    folder.mkdir()
    return partial(BACKENDS[request.param], folder)


@pytest.fixture
async def store(reopen: Reopen) -> AsyncIterator[Store]:
    async with reopen() as store:
        yield store


def seen(digest: str = ONE, tool: str = "get_me", note: str = "", content: bytes = b"{}") -> Seen:
    return Seen(tool, digest, content, note)


async def see(store: Store, *tools: Seen, server: str = "github", now: float = NOW) -> set[str]:
    return set(await store.pins.see(server, tools, now))


async def standings(store: Store, tool: str = "get_me") -> list[tuple[str, float | None]]:
    return [(pin.digest, pin.accepted) for pin in await store.pins.get("github", tool)]


async def test_the_first_definition_of_a_tool_is_trusted(store: Store) -> None:
    assert await see(store, seen()) == {"get_me"}
    assert await see(store, seen(), now=NOW + 9) == {"get_me"}

    pin = Pin("github", "get_me", ONE, "", NOW, NOW, b"{}")
    assert await store.pins.get("github", "get_me") == [pin]


async def test_another_definition_waits(store: Store) -> None:
    await see(store, seen())

    assert await see(store, seen(OTHER), now=NOW + 1) == set()
    assert await see(store, seen(OTHER), now=NOW + 2) == set()
    assert await standings(store) == [(ONE, NOW), (OTHER, None)]


async def test_going_back_to_what_is_trusted_is_fine(store: Store) -> None:
    await see(store, seen())
    await see(store, seen(OTHER))

    assert await see(store, seen()) == {"get_me"}


async def test_what_has_a_note_waits_and_so_does_what_follows_it(store: Store) -> None:
    assert await see(store, seen(note="zero-width characters")) == set()
    assert await see(store, seen(OTHER)) == set()
    assert [pin.note for pin in await store.pins.get("github", "get_me")] == [
        "zero-width characters",
        "",
    ]


async def test_exactly_what_is_accepted_is_trusted(store: Store) -> None:
    await see(store, seen())
    await see(store, seen(OTHER))
    await see(store, seen("3" * 64))

    assert await store.pins.accept("github", "get_me", OTHER, NOW + 5)
    assert await store.pins.accept("github", "get_me", OTHER, NOW + 6)

    assert await see(store, seen(OTHER)) == {"get_me"}
    assert await see(store, seen()) == {"get_me"}
    assert await see(store, seen("3" * 64)) == set()
    assert await standings(store) == [(ONE, NOW), (OTHER, NOW + 5), ("3" * 64, None)]


@pytest.mark.parametrize(
    ("server", "tool", "digest"),
    [
        ("github", "get_me", "3" * 64),
        ("github", "get_me", ""),
        ("github", "get", ONE),
        ("git", "get_me", ONE),
        ("github:get_me", "", ONE),
        ("\ud800", "\x00", "\udfff"),
    ],
)
async def test_what_is_not_remembered_is_not_accepted(
    store: Store, server: str, tool: str, digest: str
) -> None:
    await see(store, seen(note="hidden"))

    assert not await store.pins.accept(server, tool, digest, NOW)
    assert await standings(store) == [(ONE, None)]


async def test_tools_of_other_servers_are_others(store: Store) -> None:
    await see(store, seen())

    assert await see(store, seen(OTHER), server="gitlab") == {"get_me"}
    assert await see(store, seen(OTHER, "get_you")) == {"get_you"}
    assert await standings(store) == [(ONE, NOW)]


async def test_a_whole_list_is_seen_at_once(store: Store) -> None:
    await see(store, seen(ONE, "a"), seen(ONE, "b"))

    assert await see(
        store, seen(ONE, "a"), seen(OTHER, "b"), seen(OTHER, "c"), seen(OTHER, "d", "hidden")
    ) == {"a", "c"}
    assert await see(store) == set()


async def test_a_tool_that_is_shown_twice_is_not_trusted(store: Store) -> None:
    assert await see(store, seen(), seen(OTHER), seen(ONE, "a")) == {"a"}
    assert await standings(store) == []


async def test_who_sees_first_at_one_time_is_one(store: Store) -> None:
    digests = [f"{number:064}" for number in range(6)]

    trusted = await asyncio.gather(*(see(store, seen(digest)) for digest in digests))

    assert sum(map(bool, trusted)) == 1
    assert [accepted for _, accepted in await standings(store)].count(NOW) == 1


async def test_what_is_too_large_is_neither_kept_nor_trusted(store: Store) -> None:
    most = seen(content=b"x" * MAX_DEFINITION_BYTES)
    more = seen(OTHER, "large", content=b"x" * (MAX_DEFINITION_BYTES + 1))

    assert await see(store, most, more) == {"get_me"}
    assert await standings(store, "large") == []
    assert (await store.pins.get("github", "get_me"))[0].content == most.content


async def test_what_waits_makes_room_the_oldest_first(store: Store) -> None:
    for number in range(MAX_DIGESTS + 3):
        await see(store, seen(f"{number:064}"), now=NOW + number)

    found = [int(digest) for digest, _ in await standings(store)]
    assert found == [0, *range(4, MAX_DIGESTS + 3)]
    assert await see(store, seen(f"{0:064}")) == {"get_me"}
    assert await see(store, seen(f"{1:064}")) == set()


async def test_what_was_accepted_first_makes_room_for_what_is(store: Store) -> None:
    for number in range(MAX_ACCEPTED + 2):
        await see(store, seen(f"{number:064}"), now=NOW + number)
        assert await store.pins.accept("github", "get_me", f"{number:064}", NOW + number)

    found = [(int(digest), accepted) for digest, accepted in await standings(store)]
    assert found == [(number, NOW + number) for number in range(2, MAX_ACCEPTED + 2)]
    assert await see(store, seen(OTHER)) == set()
    assert len(await standings(store)) == MAX_DIGESTS


async def test_a_server_has_no_more_tools_than_are_kept(store: Store) -> None:
    everything = [seen(ONE, f"tool{number}") for number in range(MAX_PINNED)]

    assert len(await see(store, *everything)) == MAX_PINNED
    assert await see(store, seen(ONE, "more"), seen(ONE, "tool7")) == {"tool7"}
    assert await see(store, seen(ONE, "more"), server="gitlab") == {"more"}
    assert len(await store.pins.list(MAX_PINNED * 2)) == MAX_PINNED + 1
    assert len(await store.pins.list(7)) == 7

    await store.pins.forget("github", "tool7")
    assert await see(store, seen(ONE, "more")) == {"more"}


async def test_a_server_has_no_more_bytes_than_are_kept(store: Store) -> None:
    content = bytes(MAX_DEFINITION_BYTES)
    most = MAX_SERVER_BYTES // MAX_DEFINITION_BYTES
    for start in range(0, most, 32):
        tools = [seen(ONE, f"tool{start + each}", content=content) for each in range(32)]
        assert len(await see(store, *tools)) == 32

    assert await see(store, seen(ONE, "more")) == set()
    assert await see(store, seen(OTHER, "tool1", content=b"{}")) == set()
    assert await store.pins.forget("github", "tool1") == 1
    assert await see(store, seen(ONE, "more")) == {"more"}


async def test_lists_have_what_waits_first_and_no_content(store: Store) -> None:
    await see(store, seen(ONE, "b"), seen(ONE, "a"))
    await see(store, seen(OTHER, "b", "hidden"), now=NOW + 1)
    await see(store, seen(ONE, "c"), server="a")

    assert await store.pins.list(9) == [
        Pin("github", "b", OTHER, "hidden", NOW + 1, None),
        Pin("a", "c", ONE, "", NOW, NOW),
        Pin("github", "a", ONE, "", NOW, NOW),
        Pin("github", "b", ONE, "", NOW, NOW),
    ]
    assert [pin.tool for pin in await store.pins.list(2)] == ["b", "c"]


async def test_what_is_forgotten_is_new_again(store: Store) -> None:
    await see(store, seen())
    await see(store, seen(OTHER))

    assert await store.pins.forget("github", "get_me") == 2
    assert await store.pins.forget("github", "get_me") == 0
    assert await store.pins.forget("\ud800", "a") == 0
    assert await store.pins.list(9) == []
    assert await store.pins.get("github", "get_me") == []
    assert await see(store, seen(OTHER)) == {"get_me"}


async def test_all_of_it_is_there_after_a_restart(reopen: Reopen) -> None:
    async with reopen() as store:
        await see(store, seen())
        await see(store, seen(OTHER, content=b'{"a":"\xc3\xa9"}'))
        before = await store.pins.get("github", "get_me")

    async with reopen() as store:
        assert await store.pins.get("github", "get_me") == before
        assert await see(store, seen(OTHER)) == set()
