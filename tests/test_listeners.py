"""Sockets: who can connect, and what is left of them."""

import asyncio
import os
import resource
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from proxy.exchange import Listener
from proxy.listeners import (
    LOCAL,
    Crowd,
    ends_of,
    open_addresses,
    open_local,
    raise_descriptors,
    reset,
    unsent,
)
from proxy.network.bind import Binding
from proxy.network.forwarded import TUNNEL
from proxy.origin import Address, Connection

LOOPBACK = ip_address("127.0.0.1")


class Answering(asyncio.Protocol):
    """A connection that says hello and ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(b"hello")
        transport.close()


DOOR = Answering


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


def binding(*addresses: Address, port: int = 0) -> Binding:
    return Binding("gateway", addresses, port)


async def greeting(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_free_port_is_found_and_told(stack: AsyncExitStack) -> None:
    port = await open_addresses(stack, DOOR, binding(LOOPBACK))

    assert port > 0
    assert await greeting("127.0.0.1", port) == b"hello"


@pytest.mark.parametrize(
    "second", [ip_address("127.0.0.2"), ip_address("::1")], ids=["of one kind", "of both kinds"]
)
async def test_all_addresses_of_a_name_share_one_port(
    stack: AsyncExitStack, second: Address
) -> None:
    port = await open_addresses(stack, DOOR, binding(LOOPBACK, second))

    assert await greeting("127.0.0.1", port) == b"hello"
    assert await greeting(str(second), port) == b"hello"


async def test_only_the_addresses_that_were_judged_are_bound(stack: AsyncExitStack) -> None:
    port = await open_addresses(stack, DOOR, binding(LOOPBACK))

    with pytest.raises(ConnectionRefusedError):
        await greeting("127.0.0.2", port)


async def test_the_sixth_version_does_not_bring_the_fourth_with_it(stack: AsyncExitStack) -> None:
    """`::` would take IPv4 too, on a machine that says so; what was judged was `::`."""
    port = await open_addresses(stack, DOOR, binding(ip_address("::")))

    assert await greeting("::1", port) == b"hello"
    with pytest.raises(ConnectionRefusedError):
        await greeting("127.0.0.1", port)


async def test_a_taken_port_is_named(stack: AsyncExitStack) -> None:
    port = await open_addresses(stack, DOOR, binding(LOOPBACK))

    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1 port {port}: Address already"):
        await open_addresses(stack, DOOR, binding(LOOPBACK, port=port))


async def test_an_address_of_another_machine_is_named(stack: AsyncExitStack) -> None:
    with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1 port 0: Cannot assign"):
        await open_addresses(stack, DOOR, binding(ip_address("192.0.2.1")))


async def test_when_it_is_over_nobody_connects() -> None:
    async with AsyncExitStack() as stack:
        port = await open_addresses(stack, DOOR, binding(LOOPBACK))

    with pytest.raises(ConnectionRefusedError):
        await greeting("127.0.0.1", port)


# The operator's socket


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_the_operators_socket_is_the_operators_alone(
    stack: AsyncExitStack, tmp_path: Path, umask: int
) -> None:
    path = tmp_path / "admin.sock"
    before = os.umask(umask)
    try:
        await open_local(stack, DOOR, str(path))
        assert os.umask(umask) == umask
    finally:
        os.umask(before)

    status = path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    reader, writer = await asyncio.open_unix_connection(str(path))
    assert await reader.read() == b"hello"
    writer.close()


@pytest.mark.parametrize("left", ["a socket", "a file", "a link to nowhere"])
async def test_what_an_earlier_run_left_is_replaced(
    stack: AsyncExitStack, tmp_path: Path, left: str
) -> None:
    path = tmp_path / "admin.sock"
    match left:
        case "a socket":
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(path))
        case "a file":
            path.write_text("x")
        case _:
            path.symlink_to(tmp_path / "nowhere")

    await open_local(stack, DOOR, str(path))

    assert stat.S_ISSOCK(path.lstat().st_mode)
    assert not (tmp_path / "nowhere").exists()


async def test_the_operators_socket_goes_with_us(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        await open_local(stack, DOOR, str(tmp_path / "admin.sock"))

    assert os.listdir(tmp_path) == []


async def test_a_place_for_no_socket_is_an_error(stack: AsyncExitStack, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="path too long"):
        await open_local(stack, DOOR, str(tmp_path / ("x" * 110)))


def test_the_operators_socket_is_reached_by_no_browser() -> None:
    assert (LOCAL.name, LOCAL.networks, LOCAL.hosts) == ("admin.sock", None, None)


# Who may come in


class Held:
    """A connection that can be cut."""

    def __init__(self, address: str | None) -> None:
        self.ends = Connection(ip_address(address) if address else None)
        self.is_cut = False

    def cut(self) -> None:
        assert not self.is_cut
        self.is_cut = True


GATEWAY = Listener("gateway", None, None)
PROXIED = Listener("gateway", None, None, proxies=(ip_network("10.0.0.0/8"),))


def enter(crowd: Crowd, *addresses: str | None) -> list[Held]:
    """Those that came in."""
    held = [Held(address) for address in addresses]
    return [each for each in held if crowd.enter(each, each.ends)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1", "::ffff:192.0.2.1"),
        ("2001:db8::1", "2001:db8::ffff:1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
        (None, None),
    ],
)
def test_one_customer_has_so_many_connections(one: str | None, other: str | None) -> None:
    crowd = Crowd(GATEWAY, None, 2)

    entered = enter(crowd, one, other, one, other)

    assert [each.is_cut for each in entered] == [True, True, False, False]
    assert len(enter(crowd, "192.0.2.99", "2001:db8:0:1::1")) == 2
    assert len(crowd) == 4


@pytest.mark.parametrize(
    ("listener", "address"),
    [
        (PROXIED, "10.1.2.3"),
        (PROXIED, "::ffff:10.1.2.3"),
        (Listener(TUNNEL, None, None), "127.0.0.1"),
    ],
)
def test_who_brings_many_has_as_many_as_there_are(listener: Listener, address: str) -> None:
    crowd = Crowd(listener, 5, 1)

    assert len(enter(crowd, *[address] * 7)) == 7
    assert len(crowd) == 5


def test_a_proxy_of_another_listener_is_anybody_here() -> None:
    first, second = enter(Crowd(PROXIED, None, 1), "11.0.0.1", "11.0.0.1")

    assert (first.is_cut, second.is_cut) == (True, False)


def test_who_is_known_takes_nobodys_place() -> None:
    crowd = Crowd(GATEWAY, None, 1)
    for _ in range(5):
        (friend,) = enter(crowd, "192.0.2.1")
        crowd.know(friend)

    first, second = enter(crowd, "192.0.2.1", "192.0.2.1")

    assert (first.is_cut, second.is_cut) == (True, False)
    assert len(crowd) == 6


def test_who_is_known_no_more_is_a_stranger_again() -> None:
    """A token that was revoked must not go on holding a place."""
    crowd = Crowd(GATEWAY, 2, 1)
    first, second = enter(crowd, "192.0.2.1", "192.0.2.2")
    for friend in (first, second):
        crowd.know(friend)
    crowd.doubt(first, first.ends)
    crowd.doubt(first, first.ends)

    (third,) = enter(crowd, "192.0.2.1")
    assert (first.is_cut, second.is_cut, third.is_cut) == (True, False, False)
    assert len(crowd) == 2


def test_the_place_of_who_left_is_free() -> None:
    crowd = Crowd(GATEWAY, None, 1)
    for _ in range(5):
        (held,) = enter(crowd, "192.0.2.1")
        crowd.leave(held)
        crowd.leave(held)

    assert len(crowd) == 0


def test_the_oldest_stranger_goes_first_and_a_friend_never() -> None:
    crowd = Crowd(GATEWAY, 3, None)
    friend, first, second = enter(crowd, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    crowd.know(friend)

    third, fourth = enter(crowd, "192.0.2.4", "192.0.2.5")

    assert (first.is_cut, second.is_cut) == (True, True)
    crowd.leave(first)  # as its connection does when it is lost
    assert len(crowd) == 3
    assert [each.is_cut for each in (friend, third, fourth)] == [False] * 3


def test_one_who_comes_too_often_cuts_an_own_connection_and_nobody_else_s() -> None:
    """Idle connections of a stranger must not shut out the owner at the same address."""
    crowd = Crowd(GATEWAY, 2, 1)
    first, second = enter(crowd, "192.0.2.1", "192.0.2.2")

    (third,) = enter(crowd, "192.0.2.2")
    assert (first.is_cut, second.is_cut, third.is_cut) == (False, True, False)


def test_a_room_full_of_friends_is_full() -> None:
    crowd = Crowd(GATEWAY, 2, None)
    for friend in enter(crowd, "192.0.2.1", "192.0.2.2"):
        crowd.know(friend)

    assert enter(crowd, "192.0.2.3") == []


@pytest.mark.parametrize(("most", "each"), [(0, None), (None, 0), (0, 0)])
def test_none_is_none(most: int | None, each: int | None) -> None:
    assert enter(Crowd(GATEWAY, most, each), "192.0.2.1") == []


def test_our_own_socket_is_not_counted() -> None:
    crowd = Crowd(LOCAL, 0, 0)
    ends = Connection(None, uid=os.geteuid())

    assert all(crowd.enter(Held(None), ends) for _ in range(5))
    assert len(crowd) == 0


def test_a_crowd_that_was_forgotten_leaves_nothing_behind() -> None:
    crowd = Crowd(GATEWAY, None, None)
    for held in enter(crowd, *(f"192.0.2.{number}" for number in range(200))):
        crowd.leave(held)

    assert len(crowd) == 0
    assert not crowd._counts


@pytest.mark.parametrize(
    ("crowd", "event"),
    [
        (Crowd(GATEWAY, 1, None), "connections of strangers cut"),
        (Crowd(GATEWAY, None, 1), "connections of strangers cut"),
        (Crowd(GATEWAY, 0, None), "connections refused"),
    ],
)
def test_a_flood_is_told_once_a_minute(crowd: Crowd, event: str) -> None:
    with capture_logs() as lines:
        enter(crowd, *["192.0.2.1"] * 50)

    assert 1 <= len(lines) <= 2  # the minute may end
    line = {"event": event, "listener": "gateway", "log_level": "warning"}
    assert line.items() <= lines[0].items()


def test_so_many_may_come_as_the_system_allows() -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    raised = raise_descriptors()

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (raised, most)
    assert raised >= min(most, 65536)
    assert raise_descriptors() == raised


# What the kernel says


@dataclass
class Pair:
    """Both ends of a connection: ours, and a plain socket."""

    ours: asyncio.Transport
    theirs: socket.socket


@pytest.fixture(params=["address", "unix"])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    if request.param == "unix":
        ours, theirs = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            theirs = socket.create_connection(listening.getsockname())
            ours, _ = listening.accept()
    theirs.settimeout(5)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
    yield Pair(transport, theirs)
    transport.abort()
    theirs.close()


async def test_the_other_end_is_who_the_kernel_says(pair: Pair) -> None:
    ends = ends_of(pair.ours)

    if pair.theirs.family == socket.AF_UNIX:
        assert ends == Connection(None, uid=os.geteuid())
    else:
        assert ends == Connection(LOOPBACK, LOOPBACK)


async def test_what_is_not_taken_is_known(pair: Pair) -> None:
    assert unsent(pair.ours) == 0
    sent = 32 << 20
    pair.ours.write(bytes(sent))
    await asyncio.sleep(0.1)
    before = unsent(pair.ours)
    assert before > 0

    pair.theirs.recv(1 << 20, socket.MSG_WAITALL)
    await asyncio.sleep(0.1)

    assert unsent(pair.ours) < before


async def test_a_cut_is_no_end(pair: Pair) -> None:
    """Of an answer without a length the end of the connection would be the end."""
    pair.ours.write(b"the beginning")
    await asyncio.sleep(0.05)
    reset(pair.ours)
    await asyncio.sleep(0.05)

    assert pair.theirs.recv(100) == b"the beginning"
    if pair.theirs.family == socket.AF_UNIX:
        assert pair.theirs.recv(100) == b""
    else:
        with pytest.raises(ConnectionResetError):
            pair.theirs.recv(100)
