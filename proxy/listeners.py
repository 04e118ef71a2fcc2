"""The sockets: opened, counted, looked at and cut.

What is bound are the addresses that were judged, never a name that could mean others by now. The
counterpart is `connection`, which is one of a `Crowd`.
"""

import asyncio
import contextlib
import fcntl
import ipaddress
import os
import resource
import socket
import struct
import termios
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol, TypeVar

import structlog

from proxy.exchange import Listener
from proxy.limits import Share
from proxy.network.bind import Binding
from proxy.network.forwarded import TUNNEL, is_trusted
from proxy.network.ingress import peer_key
from proxy.origin import Address, Connection

Door = TypeVar("Door", bound=Callable[[], asyncio.BaseProtocol])
log = structlog.get_logger()

LOCAL = Listener("admin.sock", None, None)
_MOST_DESCRIPTORS = 65536


class Member(Protocol):
    """One of a crowd."""

    def cut(self) -> None:
        """End at once."""
        ...


class Crowd:
    """The connections of one listener: how many there may be, and which is given up for another.

    It is the oldest on which nobody has authenticated: who holds connections loses them, who uses
    one soon has authenticated, and so strangers cannot lock the owner out. `most_per_peer` counts
    those of strangers. None is no limit.
    """

    def __init__(self, listener: Listener, most: int | None, most_per_peer: int | None) -> None:
        self._listener = listener
        self._most = most
        self._most_per_peer = most_per_peer
        self._strangers: dict[Member, str | None] = {}
        self._known: set[Member] = set()
        self._counts: Counter[str] = Counter()
        self._told = Share(1, time.time)

    def __len__(self) -> int:
        return len(self._strangers) + len(self._known)

    def enter(self, member: Member, ends: Connection) -> bool:
        """Whether it may stay. Who may open our own socket is not counted."""
        if ends.uid is not None:
            return True
        key, most = self._key(ends), self._most_per_peer
        crowded = key is not None and most is not None and self._counts[key] >= most
        if (crowded and not self._gave_up(key)) or not self._has_room():
            self._tell("connections refused")
            return False
        self._count(member, key)
        return True

    def know(self, member: Member) -> None:
        """Somebody has authenticated on it."""
        if member in self._strangers:
            self.leave(member)
            self._known.add(member)

    def doubt(self, member: Member, ends: Connection) -> None:
        """It was used without: who was known once, and is no more, holds nothing for good."""
        if member in self._known:
            self.leave(member)
            self._count(member, self._key(ends))

    def leave(self, member: Member) -> None:
        """It is over."""
        self._known.discard(member)
        key = self._strangers.pop(member, None)
        if key is not None:
            self._counts[key] -= 1
            if not self._counts[key]:
                del self._counts[key]

    def _count(self, member: Member, key: str | None) -> None:
        self._strangers[member] = key
        if key is not None:
            self._counts[key] += 1

    def _key(self, ends: Connection) -> str | None:
        """What it is counted by; None for who brings the connections of many."""
        if self._listener.name == TUNNEL or is_trusted(self._listener, ends.address):
            return None
        return peer_key(ends)

    def _has_room(self) -> bool:
        if self._most is None or len(self) < self._most:
            return True
        return self._gave_up()

    def _gave_up(self, key: str | None = None) -> bool:
        """Whether the oldest of strangers, or of those of one address, was there to be cut."""
        oldest = next((one for one, of in self._strangers.items() if key in (None, of)), None)
        if oldest is None:
            return False
        self._tell("connections of strangers cut")
        self.leave(oldest)
        oldest.cut()
        return True

    def _tell(self, event: str) -> None:
        left_out = self._told.take()
        if left_out is not None:
            log.warning(event, listener=self._listener.name, left_out=left_out)


def raise_descriptors() -> int:
    """Let this process hold as many connections as it may, and say how many those are.

    With the usual 1024 a flood at one listener would leave none for the operator's.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _MOST_DESCRIPTORS)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        return wanted
    return now


async def open_addresses(
    stack: AsyncExitStack, door: Callable[[], asyncio.BaseProtocol], binding: Binding
) -> int:
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


def ends_of(transport: asyncio.Transport) -> Connection:
    """Who is at the other end, as the kernel says; a closed connection is nobody."""
    ends = transport.get_extra_info("socket")
    if ends is not None and ends.family == socket.AF_UNIX:
        credentials = ends.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return Connection(None, uid=struct.unpack("3i", credentials)[1])
    return Connection(
        _address(transport.get_extra_info("peername")),
        _address(transport.get_extra_info("sockname")),
    )


def _address(name: tuple[str, int] | None) -> Address | None:
    return ipaddress.ip_address(name[0].partition("%")[0]) if name else None


def unsent(transport: asyncio.Transport) -> int:
    """The bytes that the other side has not taken, those in the kernel included (tcp(7))."""
    ends = transport.get_extra_info("socket")
    queued = fcntl.ioctl(ends.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    return transport.get_write_buffer_size() + int(struct.unpack("i", queued)[0])


def reset(transport: asyncio.Transport) -> None:
    """Cut the connection so that the client sees an error, even where the end is the end (1.0)."""
    ends = transport.get_extra_info("socket")
    if ends is not None and ends.family != socket.AF_UNIX:
        ends.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
