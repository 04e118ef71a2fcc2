"""Commands shown as they write, over a socket: what a client sees, and what ends with it."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import Sidegate, Start, containers
from engines import Relay
from sandboxes import forget
from wire import until, until_done

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("engine")]

ANY = {"tools": {"shell": {"commands": "any"}}}
WAIT = "while [ ! -e go ]; do sleep 0.05; done"
Event = tuple[str, dict[str, Any]]


class Client:
    """A client that asks for events."""

    def __init__(self, sidegate: Sidegate, token: str) -> None:
        self.sidegate = sidegate
        self.bearer = {"Authorization": f"Bearer {token}"}

    @asynccontextmanager
    async def call(
        self, arguments: Mapping[str, object], tool: str = "shell", **headers: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        url = self.sidegate.url(f"/tools/{tool}")
        sent = {**self.bearer, "Accept": "text/event-stream", **headers}
        post = self.sidegate.http.post(url, json={"arguments": arguments}, headers=sent)
        async with post as answer:
            yield answer

    async def all_of(self, line: str, **arguments: object) -> list[Event]:
        async with self.call({"command": line, **arguments}) as answer:
            assert answer.status == 200
            return [event async for event in events(answer)]

    async def empty(self) -> bool:
        return not await containers(self.owner)

    @property
    def owner(self) -> str:
        return self.sidegate.app.operations.store.instance

    async def runs(self) -> dict[str, int]:
        """How many commands ended in which way, where any did."""
        async with self.sidegate.http.get(self.sidegate.url("/metrics", "metrics")) as answer:
            lines = (await answer.text()).splitlines()
        rows = [line for line in lines if line.startswith("sidegate_sandbox_runs_total{")]
        found = {
            row.split('result="')[1].split('"')[0]: int(float(row.split()[-1]))
            for row in rows
            if 'runtime="docker"' in row
        }
        return {result: count for result, count in found.items() if count}

    def outcomes(self) -> list[dict[str, Any]]:
        """The audit's rows of calls that are over."""
        (path,) = self.sidegate.folder.rglob("audit.jsonl")
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        return [row for row in rows if row["event"] == "outcome" and row.get("tool") == "shell"]


@pytest.fixture
async def client(start: Start) -> Client:
    sidegate = await start(ANY)
    return Client(sidegate, await sidegate.pair())


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[Event]:
    name = ""
    async for line in answer.content:
        key, _, value = line.decode().rstrip("\n").partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def text_of(shown: list[Event], channel: str) -> str:
    return "".join(value["text"] for name, value in shown if name == channel)


def ended(shown: list[Event]) -> dict[str, Any]:
    """How the command ended, which is the last word."""
    name, value = shown[-1]
    assert (name, value["ok"]) == ("result", True)
    result: dict[str, Any] = value["result"]
    return result


async def test_a_command_is_shown_while_it_runs(client: Client) -> None:
    async with client.call({"command": f"echo one; echo two >&2; {WAIT}; exit 3"}) as answer:
        shown = aiter(events(answer))
        first = {name: value["text"] for name, value in [await anext(shown), await anext(shown)]}
        assert first == {"stdout": "one\n", "stderr": "two\n"}

        (client.sidegate.workspace / "go").touch()
        name, value = await anext(shown)

        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Accel-Buffering"] == "no"
        assert value.pop("request_id") == answer.headers["X-Request-ID"]
        assert value["result"].pop("duration_ms") < 10_000
        result = {"exit_code": 3, "truncated": False, "timed_out": False}
        assert (name, value) == ("result", {"ok": True, "result": result})
        assert [event async for event in shown] == []
    await until_done(client.empty)
    assert await client.runs() == {"failed": 1}
    (row,) = client.outcomes()
    assert (row["status"], "cancelled" in row) == (200, False)


async def test_a_secret_is_not_shown_however_it_is_written(client: Client) -> None:
    for line in (
        "echo token=aK7qZ3vX9mW2",
        "printf token=aK7; sleep 0.1; echo qZ3vX9mW2",
        "printf token=aK7qZ3vX9mW2",
        "for c in t o k e n = a K 7 q Z 3 v X 9 m W 2; do printf $c; done",
    ):
        assert text_of(await client.all_of(line), "stdout").strip() == "token=*[REDACTED]"


async def test_text_comes_whole_although_its_characters_come_in_halves(client: Client) -> None:
    shown = await client.all_of(r"printf 'gr\303'; sleep 0.1; printf '\274\303\237e\377'")

    assert text_of(shown, "stdout") == "grüße\ufffd"


async def test_every_end_is_told(client: Client) -> None:
    late = await client.all_of("echo begun; sleep 60", timeout_secs=0.7)
    flood = await client.all_of("yes")

    assert text_of(late, "stdout") == "begun\n"
    assert (ended(late)["timed_out"], ended(late)["exit_code"]) == (True, 137)
    assert len(text_of(flood, "stdout")) == 1 << 20
    assert (ended(flood)["truncated"], ended(flood)["exit_code"]) == (True, 137)
    assert await client.runs() == {"timeout": 1, "failed": 1}
    assert len(client.outcomes()) == 2


async def test_what_is_no_stream_is_one_event(client: Client) -> None:
    (client.sidegate.workspace / "a").write_text("text")
    async with client.call({"path": "a"}, "file_read") as answer:
        ((name, value),) = [event async for event in events(answer)]
    assert (name, value["result"]) == ("result", {"content": "text"})

    for replayed in (None, "true"):
        key = {"Idempotency-Key": "k"}
        async with client.call({"command": "echo one"}, **key) as answer:
            ((name, value),) = [event async for event in events(answer)]
            assert answer.headers.get("Idempotency-Replayed") == replayed
        assert (name, value["result"]["stdout"]) == ("result", "one\n")
    assert await client.runs() == {"ok": 1}


async def test_what_is_refused_before_it_starts_is_no_stream(client: Client) -> None:
    for tool, arguments, status, code in (
        ("unknown", {}, 403, "tool-unknown"),
        ("shell", {"command": 1}, 400, "arguments-invalid"),
    ):
        async with client.call(arguments, tool) as answer:
            assert answer.status == status
            assert answer.content_type == "application/problem+json"
            assert (await answer.json())["code"] == code


async def test_who_does_not_ask_for_events_gets_none(client: Client) -> None:
    for accept in ("*/*", "application/json", "application/json, text/event-stream"):
        async with client.call({"command": "echo one"}, Accept=accept) as answer:
            assert answer.content_type == "application/json"
            assert (await answer.json())["result"]["stdout"] == "one\n"
    async with client.call({"command": "echo one"}, Prefer="respond-async") as answer:
        assert (answer.status, answer.content_type) == (202, "application/json")


async def begun(client: Client) -> asyncio.Task[list[Event]]:
    """A command that runs, and has been heard of."""
    heard = asyncio.Event()

    async def listen() -> list[Event]:
        shown = []
        async with client.call({"command": "echo begun; sleep 60"}) as answer:
            async for event in events(answer):
                shown.append(event)
                heard.set()
        return shown

    task = asyncio.create_task(listen())
    await asyncio.wait_for(heard.wait(), 10)
    return task


async def test_a_client_that_leaves_ends_its_command(client: Client) -> None:
    call = await begun(client)

    call.cancel()

    await until_done(client.empty, 2)
    await until(lambda: client.sidegate.app.sandbox.active == 0)
    await until(client.outcomes)
    (row,) = client.outcomes()
    assert row["cancelled"] == "client-left"
    assert await client.runs() == {"cancelled": 1}


@pytest.mark.parametrize("why", ["stopped", "token-revoked"])
async def test_an_operator_ends_it(client: Client, why: str) -> None:
    call = await begun(client)
    connector = aiohttp.UnixConnector(str(client.sidegate.folder / "admin.sock"))
    async with aiohttp.ClientSession(connector=connector) as admin:
        if why == "stopped":
            await admin.post("http://admin/stops", json={})
        else:
            async with admin.get("http://admin/tokens") as answer:
                (token,) = (await answer.json())["tokens"]
            await admin.delete(f"http://admin/tokens/{token['id']}")

        await until_done(client.empty, 2)

    with pytest.raises(aiohttp.ClientPayloadError):
        await call
    await until(client.outcomes)
    (row,) = client.outcomes()
    assert row["cancelled"] == why


async def test_what_runs_ends_with_sidegate(client: Client) -> None:
    call = await begun(client)

    client.sidegate.app.stopped.set()

    await until_done(client.empty, 10)
    with pytest.raises(aiohttp.ClientPayloadError):
        await call


async def test_who_reads_nothing_holds_nothing_up(client: Client) -> None:
    """The command has its time, its container goes, and what it wrote is bounded."""
    port, token = client.sidegate.app.ports["gateway"], client.bearer["Authorization"]
    line = "yes | head -c 4000000; yes | head -c 4000000 >&2; sleep 60"
    body = json.dumps({"arguments": {"command": line, "timeout_secs": 2}}).encode()
    head = (
        f"POST /tools/shell HTTP/1.1\r\nHost: localhost\r\nAuthorization: {token}\r\n"
        f"Accept: text/event-stream\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.connect(("127.0.0.1", port))
    slow.sendall(head.encode() + body)
    await until_done(lambda: containers(client.owner))

    await until_done(client.empty, 10)

    assert client.sidegate.app.sandbox.active == 0
    assert (await client.sidegate.call("shell", {"command": "echo"}, token.split()[1]))[0] == 200
    await until(client.outcomes)
    assert len(client.outcomes()) == 1
    slow.close()
    await until(lambda: len(client.outcomes()) == 2)
    assert await client.runs() == {"ok": 1, "timeout": 1}


@pytest.mark.slow
async def test_what_is_lost_half_way_says_so(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Relay(str(tmp_path / "engine.sock")) as relay:
        monkeypatch.setenv("DOCKER_HOST", relay.host)
        sidegate = await start(ANY)
        monkeypatch.undo()
        client = Client(sidegate, await sidegate.pair())
        call = await begun(client)

        relay.cut()

        *_, (name, problem) = await asyncio.wait_for(call, 10)
        await forget(client.owner)
    assert (name, problem["code"], problem["status"]) == ("error", "sandbox-lost", 502)
    assert await client.runs() == {"lost": 1}
    (row,) = client.outcomes()
    assert row["status"] == 200
