"""The guard's own socket. Whoever may write to it may do what the guard allows, and no more."""

import asyncio
import contextlib
import os
import socket
import stat
from collections.abc import AsyncIterator

from proxy.guard.server import Guard


@contextlib.asynccontextmanager
async def listening(guard: Guard, path: str, group: int | None = None) -> AsyncIterator[None]:
    """Serve at a unix socket that its owner and group may write to; raises OSError."""
    ends = _bound(path, group)
    serving = await asyncio.start_unix_server(guard.accept, sock=ends)
    mine = os.stat(path).st_ino
    try:
        yield
    finally:
        serving.close()
        await guard.aclose()
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ino == mine:
                os.unlink(path)


def _bound(path: str, group: int | None) -> socket.socket:
    """Nobody can connect before the group is right, since only who listens is connected to."""
    _clear(path)
    ends = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        ends.bind(path)
        if group is not None:
            os.chown(path, -1, group)
    except OSError as error:
        ends.close()
        raise OSError(f"cannot listen at {path}: {error.strerror}") from error
    finally:
        os.umask(before)
    return ends


def _clear(path: str) -> None:
    """Remove the socket of a guard that is no more; raises OSError for anything else."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(f"cannot listen at {path}: it is there, and is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
                return
        raise OSError(f"cannot listen at {path}: somebody serves there")
