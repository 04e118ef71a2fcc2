"""The only place where Redis, or Valkey, is spoken to.

Every verb is one Lua script, which the server runs alone and whole. Laws of the scripts:

    One that fails has changed nothing: before it writes, but to clear away what is over, it has
    read all that it decides on, and each key that it writes to by a command of the key's kind.
    One that takes no room begins with what frees some: a server without memory lets it go on.
    Times are handed in. The server's own expiry only clears away what was over a day ago.
    A comparison is so turned that garbage, which is nan, refuses.
    Beneath the root, which is its one declared key, it finds the others by itself.

A script is sent once. Where its answer is lost, nobody knows whether it ran: that is an OSError,
and never a second try. A connection that fails is thrown away; the next verb makes another.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from redis import exceptions
from redis.asyncio import BlockingConnectionPool, Redis
from redis.commands.core import AsyncScript

from proxy.config.model import StateConfig

ROOT = "{sidegate}:"
"""What every key begins with. The braces keep them on one server of a cluster."""
DAY = 86_400_000
"""How much longer, in milliseconds, the server keeps what it may clear away."""
SECONDS = 1.5
"""Within which a verb is answered, connecting included, or is an OSError."""
_CONNECTIONS = 32

Argument = str | bytes | float | None
Reply = Any
T = TypeVar("T")

# What is told of an error: the first that fits.
_SENTENCES: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.AuthenticationError, "it refuses the user or the password"),
    (exceptions.NoPermissionError, "its user may not do what is needed there"),
    (exceptions.BusyLoadingError, "it is still loading its data"),
    (exceptions.ReadOnlyError, "it is a replica that may only be read"),
    (exceptions.OutOfMemoryError, "it is out of memory"),
    (ssl.SSLCertVerificationError, "its certificate is not trusted"),
    (exceptions.ConnectionError, "it cannot be reached"),
    (exceptions.TimeoutError, "it does not answer"),
    (OSError, "it does not answer"),
)


class Connection:
    """The way to one server, by as many sockets as are needed at one time."""

    def __init__(self, section: StateConfig) -> None:
        self.url = section.url
        password = section.password and section.password.get_secret_value()
        self.open = not section.url.startswith("unix:") and password is None
        # A peer that went without a word is found out while nobody waits for it.
        alive = {} if section.url.startswith("unix:") else {"socket_keepalive": True}
        pool = BlockingConnectionPool.from_url(
            section.url,
            max_connections=_CONNECTIONS,
            timeout=SECONDS,
            username=section.username,
            password=password,
            protocol=2,
            driver_info=None,
            socket_timeout=None,  # a limit for all of it is kept here, and costs no task
            socket_connect_timeout=SECONDS,
            **alive,
        )
        self._client = Redis(connection_pool=pool, protocol=2)
        self._scripts: dict[str, AsyncScript] = {}
        self._closed = False
        self._begun = 0
        self._idle = asyncio.Event()

    async def run(self, script: str, *arguments: Argument) -> Reply:
        """What the script answers; raises OSError where that cannot be known."""
        encoded = [_encoded(argument) for argument in arguments]
        return await self.ask(lambda _: self._script(script)(keys=[ROOT], args=encoded))

    async def ask(self, question: Callable[["Redis"], Awaitable[T]]) -> T:
        """What else the server answers; raises OSError where that cannot be known."""
        if self._closed:
            raise OSError(f"the state at {self.url} cannot be used: it was closed")
        self._begun += 1
        try:
            async with asyncio.timeout(SECONDS):
                return await question(self._client)
        except (exceptions.RedisError, OSError) as error:
            raise OSError(f"the state at {self.url} cannot be used: {_why(error)}") from error
        finally:
            self._begun -= 1
            if self._begun == 0:
                self._idle.set()

    async def aclose(self) -> None:
        """Close every socket, after what was begun."""
        self._closed = True
        self._idle.clear()
        if self._begun:
            await self._idle.wait()
        await self._client.aclose(close_connection_pool=True)

    def _script(self, text: str) -> AsyncScript:
        if text not in self._scripts:
            self._scripts[text] = self._client.register_script(text)
        return self._scripts[text]


@contextmanager
def reading() -> Iterator[None]:
    """What was stored is read in here: anything that no Sidegate writes is an OSError."""
    try:
        yield
    except (ValueError, TypeError, LookupError) as error:
        raise OSError("the state holds something that no sidegate wrote there") from error


def text(reply: Reply) -> str:
    """A string that was stored."""
    return str(reply, "utf-8", "surrogatepass")


def time(reply: Reply) -> float | None:
    """A time that was stored, or None where that was."""
    return None if reply == b"" else float(reply)


def _encoded(argument: Argument) -> bytes:
    if argument is None:
        return b""
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, str):
        return argument.encode("utf-8", "surrogatepass")
    return repr(argument).encode()


def _why(error: Exception) -> str:
    beneath = (error, error.__cause__, error.__context__)  # some are wrapped, and their kind lost
    for kind, sentence in _SENTENCES:
        if any(isinstance(each, kind) for each in beneath):
            return sentence
    return f"it answers: {error}"
