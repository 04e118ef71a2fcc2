"""Open the sockets that connections come in by.

What is bound are the addresses that were judged, never a name that could mean others by now.
"""

import asyncio
import contextlib
import os
import socket
from contextlib import AsyncExitStack

import structlog

from proxy.exchange import Listener
from proxy.network.bind import Binding
from proxy.server import Door

log = structlog.get_logger()

LOCAL = Listener("admin.sock", None, None)


async def open_addresses(stack: AsyncExitStack, door: Door, binding: Binding) -> int:
    """Take connections at each address until the stack unwinds; the port that they share."""
    port = binding.port
    for address in binding.addresses:
        ends = _bound(str(address), port)
        port = ends.getsockname()[1]  # port 0: the first address finds a free one for all
        serving = await asyncio.get_running_loop().create_server(door, sock=ends)
        stack.callback(serving.close)
        log.info("listening", listener=binding.name, address=str(address), port=port)
    return port


async def open_local(stack: AsyncExitStack, door: Door, path: str) -> Door:
    """Take connections at a unix socket of mode 0600, in a folder that is locked for us.

    So a socket that lies there already is a dead one.
    """
    _unlink(path)
    before = os.umask(0o177)
    try:
        serving = await asyncio.get_running_loop().create_unix_server(door, path)
    finally:
        os.umask(before)
    stack.callback(_unlink, path)
    stack.callback(serving.close)
    return door


def _unlink(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):  # newer versions of asyncio do it themselves
        os.unlink(path)


def _bound(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    ends = socket.socket(family, socket.SOCK_STREAM)
    try:
        ends.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            ends.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        ends.bind((address, port))
    except OSError as error:
        ends.close()
        raise OSError(f"cannot listen on {address} port {port}: {error.strerror}") from error
    return ends
