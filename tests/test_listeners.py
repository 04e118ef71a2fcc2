"""Sockets: who can connect, and what is left of them."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest

from proxy.exchange import Address
from proxy.listeners import LOCAL, open_addresses, open_local
from proxy.network.bind import Binding
from proxy.server import Door

LOOPBACK = ip_address("127.0.0.1")


class Answering(asyncio.Protocol):
    """A connection that says hello and ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).write(b"hello")
        transport.close()


DOOR = cast("Door", Answering)


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
