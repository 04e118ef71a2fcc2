"""What goes up and what comes down."""

import asyncio
from pathlib import Path
from typing import Self

import pytest
from guarding import MADE, NAME, OURS, SWITCHED, FakeEngine, answer, serving
from wire import until

from proxy.guard.calls import Call, Verb
from proxy.guard.engine import Ends, Engine
from proxy.guard.refusal import SILENT
from proxy.guard.relay import attach, forward, request

CALL = Call(Verb.START, "POST", "/v1.41", f"/containers/{OURS}/start", {}, OURS)


def test_a_request_is_written_anew() -> None:
    start = request(CALL, MADE).decode()
    version = request(Call(Verb.VERSION, "GET", "", "/version", {})).decode()

    assert start == (
        f"POST /v1.41/containers/{MADE}/start HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    )
    assert version == "GET /version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"


def test_a_body_and_an_upgrade_are_said() -> None:
    create = Call(Verb.CREATE, "POST", "/v1.41", "/containers/create", {"name": NAME})

    assert request(create, body=b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")
    assert b"Connection: Upgrade\r\nUpgrade: tcp\r\n" in request(CALL, upgrade=True)


class Client:
    """A client of a relay, over a real connection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ends: asyncio.Queue[Ends] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        path = str(self.folder / "client.sock")
        self.server = await asyncio.start_unix_server(
            lambda reader, writer: self.ends.put_nowait(Ends(reader, writer)), path
        )
        self.reader, self.writer = await asyncio.open_unix_connection(path)
        self.relayed = await self.ends.get()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        self.relayed.writer.transport.abort()
        self.server.close()
        await asyncio.sleep(0)

    async def read(self) -> bytes:
        self.relayed.writer.close()
        return await self.reader.read()


async def test_an_answer_comes_down_as_it_is(tmp_path: Path) -> None:
    reply = b"HTTP/1.1 200 OK\r\nX: \xff\r\n\r\n" + bytes(range(256)) * 1000
    engine, path = FakeEngine(answers={"GET": reply}), str(tmp_path / "engine.sock")
    async with serving(engine, path), Client(tmp_path) as client:
        found = asyncio.create_task(
            forward(client.relayed, Engine(path), b"GET / HTTP/1.1\r\n\r\n")
        )
        data = await client.reader.readexactly(len(reply))

        assert (await found, data) == (None, reply)


async def test_an_engine_that_says_nothing_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "engine.sock")

    async def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_unix_server(close, path)
    async with Client(tmp_path) as client:
        for verb in (forward, attach):
            assert await verb(client.relayed, Engine(path), b"") == SILENT
    server.close()


@pytest.mark.parametrize("more", [b"", b"GET /info HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_client_that_leaves_or_speaks_again_ends_the_request(
    tmp_path: Path, more: bytes
) -> None:
    engine, path = FakeEngine(answers={"POST": b""}), str(tmp_path / "engine.sock")
    async with serving(engine, path), Client(tmp_path) as client:
        asking = asyncio.create_task(forward(client.relayed, Engine(path), request(CALL)))
        await until(lambda: engine.seen)
        if more:
            client.writer.write(more)
        else:
            client.writer.close()

        assert await asking is None
        await until(lambda: engine.left)
        assert len(engine.seen) == 1
        assert engine.seen[0].body == b""


async def test_a_refused_upgrade_lets_nothing_of_the_client_up(tmp_path: Path) -> None:
    refused = answer("409 Conflict", {"message": "not running"})
    engine, path = FakeEngine(answers={"POST": refused}), str(tmp_path / "engine.sock")
    async with serving(engine, path), Client(tmp_path) as client:
        client.writer.write(b"POST /containers/create HTTP/1.1\r\n\r\n")
        message = request(CALL, upgrade=True)

        assert await attach(client.relayed, Engine(path), message) is None
        assert engine.seen[0].body == b""
        assert len(engine.seen) == 1
        data = await client.read()
        assert data.startswith(b"HTTP/1.1 409 Conflict\r\n")
        assert b"\r\nConnection: close\r\n" in data


async def test_both_ways_with_the_end_of_each_passed_on(tmp_path: Path) -> None:
    engine, path = FakeEngine(), str(tmp_path / "engine.sock")
    engine.answers["POST"] = SWITCHED
    async with serving(engine, path), Client(tmp_path) as client:
        message = request(CALL, upgrade=True)
        joined = asyncio.create_task(attach(client.relayed, Engine(path), message))
        assert await client.reader.readexactly(len(SWITCHED)) == SWITCHED
        client.writer.write(b"x" * 3_000_000)
        client.writer.write_eof()
        echoed = await client.reader.readexactly(3_000_000)

        assert await joined is None
        assert echoed == engine.seen[0].body == b"x" * 3_000_000


@pytest.mark.parametrize("ended_first", [False, True])
async def test_a_client_that_is_gone_does_not_keep_a_silent_container(
    tmp_path: Path, *, ended_first: bool
) -> None:
    """Else its connections add up until none is left to remove the container by."""
    path, held, ends = str(tmp_path / "engine.sock"), asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(SWITCHED)
        await reader.read()
        ends.set()
        await held.wait()
        writer.close()

    server = await asyncio.start_unix_server(hold, path)
    async with Client(tmp_path) as client:
        message = request(CALL, upgrade=True)
        joined = asyncio.create_task(attach(client.relayed, Engine(path), message))
        assert await client.reader.readexactly(len(SWITCHED)) == SWITCHED
        if ended_first:
            client.writer.write_eof()
            await ends.wait()
            assert not joined.done()
        client.writer.close()

        async with asyncio.timeout(5):
            assert await joined is None
    held.set()
    server.close()
