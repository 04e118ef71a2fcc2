"""The standard streams of a real container, both ways."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiodocker
import pytest
from aiodocker.containers import DockerContainer
from conftest import IMAGE, engine_host

from proxy.isolation.docker.attachment import Attachment

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]


@asynccontextmanager
async def container(*argv: str) -> AsyncIterator[DockerContainer]:
    body: dict[str, Any] = {
        "Image": IMAGE,
        "Cmd": list(argv),
        "OpenStdin": True,
        "StdinOnce": True,
        "NetworkDisabled": True,
        "Labels": {"sidegate.owner": f"test-{uuid.uuid4().hex}"},
    }
    async with aiodocker.Docker(url=engine_host()) as docker:
        made = await docker.containers.create(body)
        try:
            yield made
        finally:
            await made.delete(force=True)


async def all_of(attached: Attachment) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while piece := await attached.read():
        found[piece[0]] = found.get(piece[0], b"") + piece[1]
    return found


async def test_the_end_of_the_input_is_told_and_output_comes_after_it() -> None:
    async with container("sh", "-c", "cat; echo end; echo err >&2") as made:
        attached = await Attachment.to(made, stdin=True)
        await made.start()

        await attached.feed(b"in\n")

        async with asyncio.timeout(10):
            assert await all_of(attached) == {1: b"in\nend\n", 2: b"err\n"}
        await attached.close()


async def test_output_of_its_own_ends_although_nobody_reads_the_input() -> None:
    async with container("sh", "-c", "echo out") as made:
        output = await Attachment.to(made, stdin=False)
        source = await Attachment.to(made, stdin=True, output=False)
        await made.start()
        feeding = asyncio.create_task(source.feed(b"x" * 5_000_000))

        async with asyncio.timeout(5):
            assert await all_of(output) == {1: b"out\n"}

        feeding.cancel()
        await asyncio.wait({feeding})
        await source.close()
        await output.close()


async def test_it_knows_whether_it_is_open() -> None:
    async with container("sleep", "60") as made:
        attached = await Attachment.to(made, stdin=True)
        assert attached.open

        await attached.close()
        await attached.close()

        assert not attached.open


async def test_what_cannot_be_attached_to_is_an_os_error() -> None:
    async with aiodocker.Docker(url=engine_host()) as docker:
        with pytest.raises(OSError, match="No such container"):
            await Attachment.to(docker.containers.container("no-such-thing"), stdin=True)


async def test_feeding_what_is_gone_harms_nobody() -> None:
    async with container("true") as made:
        attached = await Attachment.to(made, stdin=True)
        await made.start()
        await made.wait()
        await attached.feed(b"x" * 100_000)
        await attached.close()
