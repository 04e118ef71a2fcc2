"""The machine's own resolver, asked for the one name that needs no network."""

import asyncio
import ipaddress
import threading
from collections.abc import Iterator, Sequence

import pytest
from wire import until

from proxy.authorization.urls.resolver import AT_ONCE, SHARE, OneCall, SystemResolver


class Names:
    """What finds addresses only once it may; `asked` is for which."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may = threading.Event()

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        if host.startswith("slow"):
            self.may.wait()
        return ["1.1.1.1"]


@pytest.fixture
def names() -> Iterator[Names]:
    found = Names()
    yield found
    found.may.set()


async def test_localhost_is_this_machine() -> None:
    resolve = SystemResolver()

    found = await resolve("localhost")

    assert found
    assert all(ipaddress.ip_address(address).is_loopback for address in found)
    resolve.close()


@pytest.mark.parametrize("host", ["none.invalid", "a" * 64 + ".invalid", "a..b"])
async def test_what_has_no_address_is_an_error(host: str) -> None:
    resolve = SystemResolver(seconds=60)

    with pytest.raises((OSError, UnicodeError)):
        await resolve(host)
    resolve.close()


async def test_what_takes_too_long_is_an_error_and_keeps_its_place_until_it_ends(
    names: Names,
) -> None:
    slow = SystemResolver(names, seconds=0)
    for owner in range(AT_ONCE + 1):
        with pytest.raises(TimeoutError):
            await slow("slow", str(owner))
    await until(lambda: len(names.asked) == AT_ONCE)

    assert slow.free == 0
    names.may.set()
    await until(lambda: slow.free == AT_ONCE)
    assert len(names.asked) == AT_ONCE
    slow.close()


async def test_nobody_takes_more_than_a_share(names: Names) -> None:
    resolve = SystemResolver(names, seconds=60)
    waiting = [asyncio.ensure_future(resolve("slow", "greedy")) for _ in range(20)]
    await until(lambda: len(names.asked) == SHARE)

    assert await resolve("fast", "other") == ["1.1.1.1"]
    assert resolve.free == AT_ONCE - SHARE
    names.may.set()
    assert await asyncio.gather(*waiting) == [["1.1.1.1"]] * 20
    assert resolve.free == AT_ONCE
    resolve.close()


async def test_who_finds_no_place_waits_for_one(names: Names) -> None:
    resolve = SystemResolver(names, seconds=60)
    owners = [str(at % (AT_ONCE // SHARE)) for at in range(AT_ONCE)]
    waiting = [asyncio.ensure_future(resolve("slow", owner)) for owner in owners]
    await until(lambda: resolve.free == 0)
    late = asyncio.ensure_future(resolve("late", "late"))
    await asyncio.sleep(0)

    assert not late.done()
    names.may.set()
    assert await late == ["1.1.1.1"]
    await asyncio.gather(*waiting)
    resolve.close()


async def test_who_no_longer_waits_takes_no_place(names: Names) -> None:
    resolve = SystemResolver(names, seconds=60)
    first = [asyncio.ensure_future(resolve("slow", "one")) for _ in range(SHARE)]
    gone = asyncio.ensure_future(resolve("gone", "one"))
    await until(lambda: len(names.asked) == SHARE)
    gone.cancel()
    names.may.set()
    await asyncio.gather(*first, return_exceptions=True)
    await until(lambda: resolve.free == AT_ONCE)

    assert "gone" not in names.asked
    resolve.close()


async def test_a_call_has_one_time_for_all_its_names_and_its_owner_s_places() -> None:
    asked: list[tuple[str, str]] = []

    async def resolve(host: str, owner: str = "", /) -> Sequence[str]:
        asked.append((host, owner))
        if host == "slow":
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return ["1.1.1.1"]

    one, spent = OneCall(resolve, "me", seconds=60), OneCall(resolve, "me", seconds=0)

    assert await one("a") == await one("b") == ["1.1.1.1"]
    for host in ("slow", "slow"):
        with pytest.raises(TimeoutError):
            await spent(host)
    assert asked == [("a", "me"), ("b", "me"), ("slow", "me"), ("slow", "me")]
