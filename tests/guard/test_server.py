"""The guard as a whole: what a client reaches, and what a hostile one does not."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiodocker
import pytest
from guarding import (
    FOREIGN,
    MADE,
    MOUNT,
    NAME,
    OURS,
    OWN_LIST,
    RULES,
    SWITCHED,
    Guarded,
    answer,
    attach,
    body,
    call,
    create,
    guarded,
)
from structlog.testing import capture_logs
from wire import until, until_done

from proxy.guard.engine import UNIX, Engine
from proxy.guard.intake import Intake
from proxy.guard.listener import listening
from proxy.guard.server import Guard


@pytest.fixture
async def guard(tmp_path: Path) -> AsyncIterator[Guarded]:
    async with guarded(tmp_path) as running:
        yield running


# What it lets through


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (call("GET", "/version"), "GET /version HTTP/1.1"),
        (call("GET", "/_ping"), "GET /_ping HTTP/1.1"),
        (
            call("GET", "/v1.41/images/sandbox:1/json"),
            "GET /v1.41/images/sandbox:1/json HTTP/1.1",
        ),
        (
            call("GET", f"/v1.41/containers/{OURS}/json"),
            f"GET /v1.41/containers/{OURS}/json HTTP/1.1",
        ),
        (
            call("DELETE", f"/v1.41/containers/{NAME}?force=1&v=1"),
            f"DELETE /v1.41/containers/{OURS}?force=1&v=1 HTTP/1.1",
        ),
    ],
)
async def test_a_call_is_asked_of_the_engine(guard: Guarded, data: bytes, line: str) -> None:
    reply = await guard.send(data)

    assert (reply.status, reply.json()) == (200, {"said": line})
    assert guard.engine.asked == [line]


async def test_of_the_engine_it_tells_what_sidegate_looks_at(guard: Guarded) -> None:
    said = {"MemoryLimit": True, "CgroupVersion": "2", "HttpProxy": "hunter2", "ID": "x"}
    guard.engine.answers["GET /info"] = answer("200 OK", said)

    reply = await guard.send(call("GET", "/v1.41/info"))

    assert reply.json() == {"MemoryLimit": True, "CgroupVersion": "2"}


async def test_a_creation_goes_up_anew_and_is_known(guard: Guarded) -> None:
    reply = await guard.send(create(body()))

    assert reply.json()["Id"] == MADE
    [seen] = guard.engine.seen
    assert seen.line == f"POST /v1.41/containers/create?name={NAME} HTTP/1.1"
    sent = json.loads(seen.body)
    assert sent.pop("Labels") == {**body()["Labels"], "sidegate.guard": "ours"}
    assert sent == {key: value for key, value in body().items() if key != "Labels"}
    assert (await guard.send(call("POST", f"/v1.41/containers/{MADE}/start"))).status == 200
    assert len(guard.engine.seen) == 2


async def test_nothing_of_a_clients_head_goes_up(guard: Guarded) -> None:
    await guard.send(call("GET", "/version", "X-Registry-Auth: x", "Cookie: hunter2"))

    assert guard.engine.seen[0].fields == [("host", "docker"), ("connection", "close")]


async def test_a_creation_is_brought_to_its_end_though_the_client_left(guard: Guarded) -> None:
    guard.engine.held.clear()
    _, writer = await asyncio.open_unix_connection(guard.path)
    writer.write(create(body()))
    await until(lambda: guard.engine.seen)
    removing = asyncio.create_task(guard.send(call("DELETE", f"/v1.41/containers/{NAME}?force=1")))
    writer.transport.abort()
    guard.engine.held.set()

    reply = await removing

    assert reply.json()["said"] == f"DELETE /v1.41/containers/{MADE}?force=1 HTTP/1.1"


async def test_a_command_line_may_be_as_long_as_linux_takes(guard: Guarded) -> None:
    long = ["x" * 131_071] * 15

    reply = await guard.send(create(body(Cmd=long)))

    assert reply.status == 201
    assert json.loads(guard.engine.seen[0].body)["Cmd"] == long


async def test_streams_are_joined(guard: Guarded) -> None:
    reply = await guard.send(attach(OURS), half=True)

    assert reply.data == SWITCHED


# What it does not


HOSTILE: dict[str, tuple[bytes, ...]] = {
    "a second call behind a creation": (create(body()) + call("GET", "/info"),),
    "a second call behind a call": (call("GET", "/version") + call("GET", "/info"),),
    "a second call behind an upgrade": (attach(OURS) + create(body({"Privileged": True})),),
    "input before the upgrade": (attach(OURS) + b"rm -rf /\n",),
    "a body in chunks": (
        create(body()).replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX: "),
    ),
    "chunks and a length": (create(body()).replace(b"Accept: */*", b"Transfer-Encoding: chunked"),),
    "two lengths": (create(body()).replace(b"Accept: */*", b"content-length: 2"),),
    "a body that is longer than told": (
        call("POST", f"/v1.41/containers/create?name={NAME}", "Content-Length: 5", data=b"{}....x"),
    ),
    "a body that is shorter than told": (create(body())[:-5],),
    "a body of another type": (create(body()).replace(b"application/json", b"text/plain"),),
    "a body in another character set": (
        create(body()).replace(b"application/json", b"application/json; charset=utf-16"),
    ),
    "a form": (create(body()).replace(b"application/json", b"application/x-www-form-urlencoded"),),
    "a body that waits for leave": (
        create(body()).replace(b"Accept: */*", b"Expect: 100-continue"),
    ),
    "an upgrade of a creation": (
        create(body()).replace(b"Accept: */*", b"Connection: Upgrade\r\nUpgrade: tcp"),
    ),
    "an upgrade of a start": (
        call("POST", f"/v1.41/containers/{OURS}/start", "Connection: Upgrade", "Upgrade: tcp"),
    ),
    "an upgrade to HTTP/2": (attach(OURS, "Connection: Upgrade", "Upgrade: h2c"),),
    "an upgrade of the session": (
        call("POST", "/v1.41/session", "Connection: Upgrade", "Upgrade: h2c"),
    ),
    "an attachment without an upgrade": (
        attach(OURS).replace(b"Connection: Upgrade\r\nUpgrade: tcp\r\n", b""),
    ),
    "an attachment with a body": (
        attach(OURS, "Connection: Upgrade", "Upgrade: tcp", "Content-Length: 9"),
    ),
    "an execution": (call("POST", f"/v1.41/containers/{OURS}/exec", data=b'{"Cmd":["sh"]}'),),
    "logs": (call("GET", f"/v1.41/containers/{OURS}/logs?stdout=1"),),
    "files in": (call("POST", f"/v1.41/containers/{OURS}/archive?path=/"),),
    "files out": (call("GET", f"/v1.41/containers/{OURS}/archive?path=/"),),
    "an update": (call("POST", f"/v1.41/containers/{OURS}/update", data=b'{"Memory":0}'),),
    "a start with a body": (
        call("POST", f"/v1.41/containers/{OURS}/start", data=b'{"Binds":["/:/h"]}'),
    ),
    "an older version": (create(body()).replace(b"/v1.41/", b"/v1.24/"),),
    "no version": (create(body()).replace(b"/v1.41/", b"/"),),
    "an encoded path": (call("GET", "/v1.41/containers/%6ason"),),
    "an encoded creation": (create(body()).replace(b"/create", b"/creat%65"),),
    "dots": (call("GET", f"/v1.41/containers/{OURS}/../../info"),),
    "two slashes": (call("GET", "/v1.41//info"),),
    "an absolute target": (call("GET", "http://docker/info"),),
    "another image": (create(body(Image="other")),),
    "privileged": (create(body({"Privileged": True})),),
    "privileged in lower case": (create(body({"privileged": True})),),
    "binds": (create(body({"Binds": ["/:/host"]})),),
    "the engine's socket": (
        create(body({"Mounts": [MOUNT | {"Source": "/var/run/docker.sock"}]})),
    ),
    "beneath the workspace": (create(body({"Mounts": [MOUNT | {"Source": "/srv/workspace/a"}]})),),
    "another HostConfig in lower case": (create(body(hostconfig={"Privileged": True})),),
    "another HostConfig": (create(json.dumps(body()).encode()[:-1] + b',"HostConfig":{}}'),),
    "no HostConfig": (create(body(HostConfig=...)),),
    "root": (create(body(User="0:0")),),
    "another name": (create(body(), "database"),),
    "HTTP/1.0": (call("GET", "/version").replace(b"HTTP/1.1", b"HTTP/1.0"),),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9,),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32,),
    "line feeds": (b"GET /version HTTP/1.1\nHost: x\n\n",),
    "a head without end": (b"GET /version HTTP/1.1\r\n" + b"A: b\r\n" * 20_000,),
    "a name without end": (b"GET /version HTTP/1.1\r\nHost: x\r\n" + b"A" * 70_000,),
    "a target without end": (b"GET /" + b"a" * 70_000,),
    "a body without end": (
        call("POST", "/v1.41/containers/create", "Content-Length: 99999999", data=b"{"),
    ),
    "a length of many digits": (
        call("POST", "/v1.41/containers/create", f"Content-Length: {'9' * 5000}"),
    ),
    "a head in parts": (b"GET /v1.41/events HT", b"TP/1.1\r\nHost: x\r", b"\n\r\n"),
    "nothing but a line": (b"\r\n\r\n",),
}


@pytest.mark.parametrize("pieces", HOSTILE.values(), ids=HOSTILE.keys())
async def test_nothing_of_it_reaches_the_engine(guard: Guarded, pieces: tuple[bytes, ...]) -> None:
    reply = await guard.send(*pieces, half=True)

    assert guard.engine.seen == []
    assert reply.status in (400, 403, 413)
    if reply.whole:
        assert str(reply.json()["message"]).startswith("docker-guard: ")


OF_OTHERS = {
    "inspect": call("GET", f"/v1.41/containers/{FOREIGN}/json"),
    "start": call("POST", f"/v1.41/containers/{FOREIGN}/start"),
    "wait": call("POST", f"/v1.41/containers/{FOREIGN}/wait"),
    "kill": call("POST", f"/v1.41/containers/{FOREIGN}/kill"),
    "remove": call("DELETE", f"/v1.41/containers/{FOREIGN}?force=1"),
    "remove by name": call("DELETE", f"/v1.41/containers/sidegate-{'9' * 32}?force=1"),
    "attach": attach(FOREIGN),
}


@pytest.mark.parametrize("data", OF_OTHERS.values(), ids=OF_OTHERS.keys())
async def test_other_peoples_containers_are_out_of_reach(guard: Guarded, data: bytes) -> None:
    reply = await guard.send(data)

    assert reply.status == 404
    assert guard.engine.asked == []
    assert all(each.line.startswith(OWN_LIST) for each in guard.engine.seen)


async def test_the_first_of_two_calls_in_two_parts_is_all_that_is_asked(guard: Guarded) -> None:
    """Which of them the guard has seen when it asks is a matter of time; the second is not."""
    data = call("POST", f"/v1.41/containers/{OURS}/wait")
    guard.engine.answers["POST"] = b""
    sending = asyncio.create_task(_slowly(guard, data, call("GET", "/version")))
    await sending
    await until(lambda: guard.engine.left)

    assert guard.engine.asked == [f"POST /v1.41/containers/{OURS}/wait HTTP/1.1"]


async def _slowly(guard: Guarded, first: bytes, second: bytes) -> None:
    _, writer = await asyncio.open_unix_connection(guard.path)
    writer.write(first)
    await until(lambda: guard.engine.asked)
    writer.write(second)
    await writer.drain()
    await until(lambda: guard.engine.left)
    writer.transport.abort()


@pytest.mark.parametrize(
    "data", [b"", b"GET /ver", create(body())[:-1]], ids=["none", "head", "body"]
)
async def test_a_slow_client_is_told_so(tmp_path: Path, data: bytes) -> None:
    async with guarded(tmp_path, seconds=0.05) as guard:
        assert (await guard.send(data)).status == 408
        assert guard.engine.seen == []


async def test_connections_are_counted(tmp_path: Path) -> None:
    async with guarded(tmp_path, replace(RULES, containers=1)) as guard:
        held = [await asyncio.open_unix_connection(guard.path) for _ in range(4)]
        await until_done(lambda: _is_crowded(guard))
        for _, writer in held:
            writer.transport.abort()
        await until_done(lambda: _is_free(guard))


async def _is_crowded(guard: Guarded) -> bool:
    return (await guard.send(call("GET", "/version"))).status == 503


async def _is_free(guard: Guarded) -> bool:
    return (await guard.send(call("GET", "/version"))).status == 200


async def test_without_an_engine_it_says_so(tmp_path: Path) -> None:
    path = str(tmp_path / "guard.sock")
    guard = Guard(Engine(str(tmp_path / "none.sock")), RULES, Intake())
    async with listening(guard, path), aiodocker.Docker(url=f"{UNIX}{path}") as docker:
        with pytest.raises(aiodocker.DockerError) as refused, capture_logs() as lines:
            await docker.version()

    # Nothing but what each minute has only so many of: else a client fills the disk.
    assert [line["event"] for line in lines] == ["refused"]
    assert refused.value.status == 502
    assert "docker-guard: the engine does not answer" in refused.value.message


async def test_many_random_changes_of_a_request_are_never_more_than_it(guard: Guarded) -> None:
    """Whatever becomes of a byte, the engine sees a call that is allowed or nothing."""
    data = create(body())
    head = len(data.partition(b"\r\n\r\n")[0])
    for place in range(head + 4):
        for byte in (b"", b"\n", b"\0", b" "):
            await guard.send(data[:place] + byte + data[place + 1 :], half=True)

    wanted = {"POST /v1.41/containers/create?name=" + NAME}
    assert {each.line.rpartition(" ")[0] for each in guard.engine.seen} <= wanted
    for each in guard.engine.seen:
        assert json.loads(each.body)["Labels"]["sidegate.guard"] == "ours"
        assert "Privileged" not in each.body.decode()


async def test_it_ends_with_connections_open(tmp_path: Path) -> None:
    async with guarded(tmp_path) as guard:
        guard.engine.answers["POST"] = b""
        waiting = asyncio.create_task(guard.send(call("POST", f"/v1.41/containers/{OURS}/wait")))
        await until(lambda: guard.engine.asked)

    assert (await waiting).status is None
