"""The standard streams of a container, attached before it is started, or its first words are lost.

The client library has no way to end the standard input alone, which is what tells a command that
there is no more: it is done here, on the connection that the library keeps to itself.
"""

import asyncio
import contextlib

from aiodocker.containers import DockerContainer
from aiodocker.stream import Stream

from proxy.isolation.docker.engine import telling

_CHUNK = 65536


class Attachment:
    """Both ways; every failure is an OSError."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @classmethod
    async def to(
        cls, container: DockerContainer, *, stdin: bool, output: bool = True
    ) -> "Attachment":
        """Attach to a container that has not been started.

        With both, the output ends no sooner than the engine has got rid of the input, which may be
        long after a command ended that did not read it.
        """
        stream = container.attach(stdin=stdin, stdout=output, stderr=output, logs=False)
        attachment = cls(stream)
        try:
            with telling():
                await stream.__aenter__()
        except BaseException:
            await attachment.close()
            raise
        return attachment

    async def read(self) -> tuple[int, bytes] | None:
        """The next piece, with the number of its stream; None at the end of both."""
        with telling():
            message = await self._stream.read_out()
        return None if message is None else (message.stream, message.data)

    @property
    def open(self) -> bool:
        """Whether the connection still stands, as far as this side knows."""
        transport = self._transport()
        return transport is not None and not transport.is_closing()

    async def write(self, data: bytes) -> None:
        """Write to the standard input, as fast as it is taken."""
        try:
            with telling():
                for start in range(0, len(data), _CHUNK):
                    await self._stream.write_in(data[start : start + _CHUNK])
        except AssertionError as error:
            raise OSError("the container's streams are closed") from error

    async def feed(self, data: bytes) -> None:
        """Write to the standard input and end it."""
        with _hung_up():  # who reads no further has what it wants
            await self.write(data)
            transport = self._transport()
            if transport is not None and transport.can_write_eof():
                transport.write_eof()

    def _transport(self) -> asyncio.Transport | None:
        response = self._stream._resp  # noqa: SLF001 - see above
        connection = response.connection if response is not None else None
        return connection.transport if connection is not None else None

    async def close(self) -> None:
        """Let go, with what was not taken yet."""
        transport = self._transport()
        with _hung_up(), telling():
            await self._stream.close()
        if transport is not None:
            transport.abort()


def _hung_up() -> contextlib.suppress:
    """The other side closed the connection: the library asserts that it did not."""
    return contextlib.suppress(OSError, AssertionError)
