"""A docker-guard in front of an engine that only remembers what it is asked."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wire import Received, Reply

from proxy.guard.engine import Engine
from proxy.guard.intake import Intake
from proxy.guard.listener import listening
from proxy.guard.rules import Rules
from proxy.guard.server import Guard
from proxy.isolation.docker.container import Mount, Profile
from proxy.isolation.owner import Owner

GIB = 1 << 30
SEEN = Mount("/srv/workspace", Owner(1000, 1001))
KIND = Profile("sandbox:1", SEEN, True, GIB, 1.0)  # noqa: FBT003
RULES = Rules("ours", (KIND,), containers=4)
OURS, FOREIGN, MADE = "a" * 64, "f" * 64, "c" * 64
NAME = f"sidegate-{'1' * 32}"
MOUNT: dict[str, Any] = {
    "Type": "bind",
    "Source": "/srv/workspace",
    "Target": "/workspace",
    "ReadOnly": False,
    "BindOptions": {"Propagation": "rprivate"},
}
HOST: dict[str, Any] = {
    "NetworkMode": "none",
    "ReadonlyRootfs": True,
    "CapDrop": ["ALL"],
    "SecurityOpt": ["no-new-privileges"],
    "PidsLimit": 128,
    "Memory": 1 << 29,
    "MemorySwap": 1 << 29,
    "NanoCpus": 500_000_000,
    "IpcMode": "none",
    "Ulimits": [
        {"Name": "nofile", "Soft": 1024, "Hard": 1024},
        {"Name": "msgqueue", "Soft": 0, "Hard": 0},
        {"Name": "core", "Soft": 0, "Hard": 0},
    ],
    "Tmpfs": {"/tmp": "rw,nosuid,nodev,noexec,size=16m,uid=1000,gid=1001"},
    "LogConfig": {"Type": "none"},
    "Init": True,
    "Mounts": [MOUNT],
}
BODY: dict[str, Any] = {
    "Image": "sandbox:1",
    "Entrypoint": ["sh"],
    "Cmd": ["-c", "echo grüße"],
    "User": "1000:1001",
    "WorkingDir": "/workspace",
    "Env": ["HOME=/tmp", "TOKEN=a=b"],
    "Hostname": "sandbox",
    "Labels": {"sidegate.owner": "instance", "sidegate.boot": "boot", "sidegate.request": "r-1"},
    "AttachStdin": False,
    "AttachStdout": True,
    "AttachStderr": True,
    "OpenStdin": False,
    "StdinOnce": False,
    "Tty": False,
    "NetworkDisabled": True,
    "HostConfig": HOST,
}


def body(host: Mapping[str, Any] | None = None, /, **changes: Any) -> dict[str, Any]:
    """What Sidegate sends to create a container, with changes; `...` leaves a key out."""
    return _without(BODY | {"HostConfig": _without(HOST | dict(host or {}))} | changes)


def _without(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: each for key, each in value.items() if each is not ...}


def call(method: str, target: str, *fields: str, data: bytes = b"") -> bytes:
    """A request as aiodocker writes it; a field that is given replaces its own."""
    known = {"Host": "localhost", "Content-Type": "application/json", "Accept": "*/*"}
    if method != "GET":
        known["Content-Length"] = str(len(data))
    for each in fields:
        name, _, value = each.partition(": ")
        known[name] = value
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in known.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def create(value: object, name: str = NAME) -> bytes:
    """A create call with this value, or these bytes, as its body."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return call("POST", f"/v1.41/containers/create?name={name}", data=data)


def attach(container: str, *fields: str) -> bytes:
    """An attach call for all streams."""
    query = "detachKeys=&logs=0&stdin=1&stdout=1&stderr=1&stream=1"
    upgrade = fields or ("Connection: Upgrade", "Upgrade: tcp")
    return call("POST", f"/v1.41/containers/{container}/attach?{query}", *upgrade)


def answer(status: str, value: object = None) -> bytes:
    """An answer of an engine."""
    data = b"" if value is None else json.dumps(value).encode()
    return f"HTTP/1.1 {status}\r\n{_JSON}Content-Length: {len(data)}\r\n\r\n".encode() + data


SWITCHED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
_JSON = "Content-Type: application/json\r\n"
OWN_LIST = "GET /containers/json?all=1&filters="


@dataclass
class FakeEngine:
    """An engine: what came on each connection, and how it answers.

    `answers` by the beginning of a request line; a stream that was switched to is echoed. `held`
    keeps back the answers to what is created.
    """

    seen: list[Received] = field(default_factory=list)
    answers: dict[str, bytes] = field(default_factory=dict)
    listed: list[dict[str, object]] = field(
        default_factory=lambda: [{"Id": OURS, "Names": [f"/{NAME}"]}]
    )
    held: asyncio.Event = field(default_factory=asyncio.Event)
    left: int = 0

    def __post_init__(self) -> None:
        self.held.set()

    @property
    def asked(self) -> list[str]:
        """The request lines, without the guard's own questions."""
        return [each.line for each in self.seen if not each.line.startswith(OWN_LIST)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            received = Received((await reader.readuntil(b"\r\n\r\n"))[:-4])
            self.seen.append(received)
            length = int((received.all("content-length") or ["0"])[0])
            received.body = await reader.readexactly(length)
            reply = await self._reply(received.line)
            writer.write(reply)
            await writer.drain()
            while received.all("upgrade") and (piece := await reader.read(65536)):
                received.body += piece
                writer.write(piece)
                await writer.drain()
            if not reply:  # it never answers
                await reader.read()
                self.left += 1
        except (ConnectionError, asyncio.IncompleteReadError):
            self.left += 1
        finally:
            writer.close()

    async def _reply(self, line: str) -> bytes:
        for beginning, reply in self.answers.items():
            if line.startswith(beginning):
                return reply
        if "/containers/create" in line:
            await self.held.wait()
            return answer("201 Created", {"Id": MADE, "Warnings": []})
        if line.startswith(OWN_LIST) or "/containers/json?" in line:
            return answer("200 OK", self.listed)
        return SWITCHED if "/attach?" in line else answer("200 OK", {"said": line})


@dataclass
class Guarded:
    """A guard at work."""

    guard: Guard
    engine: FakeEngine
    path: str

    async def send(self, *pieces: bytes, half: bool = False, seconds: float = 5.0) -> Reply:
        """Send bytes, each piece when the one before has gone, and read to the end."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        data = b""
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if half:
                writer.write_eof()
            async with asyncio.timeout(seconds):
                while piece := await reader.read(65536):
                    data += piece
        except ConnectionError:
            return Reply(data, cut=True)
        finally:
            writer.transport.abort()
        return Reply(data)


@asynccontextmanager
async def serving(engine: FakeEngine, path: str) -> AsyncIterator[None]:
    """The engine at a socket."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(engine.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_unix_server(accept, path)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@asynccontextmanager
async def guarded(
    folder: Path, rules: Rules = RULES, seconds: float = 5.0
) -> AsyncIterator[Guarded]:
    """A guard in front of such an engine."""
    engine, upstream, path = FakeEngine(), str(folder / "engine.sock"), str(folder / "guard.sock")
    guard = Guard(Engine(upstream), rules, Intake(seconds))
    async with serving(engine, upstream), listening(guard, path):
        yield Guarded(guard, engine, path)


def with_kind(**changes: Any) -> Rules:
    """The rules with another kind of container."""
    return replace(RULES, kinds=(replace(KIND, **changes),))


def with_mount(**changes: Any) -> Rules:
    """The rules with another mount."""
    return with_kind(mount=replace(SEEN, **changes))
