"""Placeholders, and secrets in requests, over sockets: files, tools, routes and approvals."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from conftest import Sidegate, Start
from placing import PATTERN
from wire import until_done

from proxy.protection.placeholders import SHAPE

ENV = f"NAME=x\nTOKEN={PATTERN}\npassword: 'tr0ub4dor-and-3'\n"
PLACEHOLDERS = {"protection": {"style": "placeholder"}}


@dataclass
class Agent:
    """An agent that remembers what it got."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if "upgrade" in request.headers:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            async for message in socket:
                self.bodies.append(str(message.data).encode())
                await socket.send_str("heard")
            return socket
        self.queries.append(request.query_string)
        self.bodies.append(await request.read())
        return web.json_response({"ok": True})


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    found = Agent()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    async with TestServer(app) as server:
        found.url = str(server.make_url("")).rstrip("/")
        yield found


async def read(sidegate: Sidegate, token: str, path: str = "a.env") -> str:
    status, body = await sidegate.call("file_read", {"path": path}, token)
    assert status == 200, body
    result = body["result"]
    assert isinstance(result, dict)
    return str(result["content"])


async def write(
    sidegate: Sidegate, token: str, content: str, path: str = "a.env"
) -> tuple[int, dict[str, Any]]:
    return await sidegate.call("file_write", {"path": path, "content": content}, token)


async def test_a_file_with_secrets_is_edited_by_one_who_never_sees_them(start: Start) -> None:
    sidegate = await start(PLACEHOLDERS)
    token, other = await sidegate.pair(), await sidegate.pair()
    file = sidegate.workspace / "a.env"
    file.write_text(ENV)

    shown = await read(sidegate, token)
    assert PATTERN not in shown
    assert "tr0ub4dor" not in shown
    assert len(SHAPE.findall(shown)) == 2
    assert (await write(sidegate, token, shown.replace("NAME=x", "NAME=y")))[0] == 200
    assert file.read_text() == ENV.replace("NAME=x", "NAME=y")
    for holder, path in ((token, "b.env"), (other, "a.env")):
        status, body = await write(sidegate, holder, shown, path)
        assert (status, body["code"]) == (409, "placeholder-unknown")
    assert file.read_text() == ENV.replace("NAME=x", "NAME=y")
    assert PATTERN not in (sidegate.folder / "audit.jsonl").read_text()


async def test_a_command_gets_a_placeholder_as_it_is(start: Start, agent: Agent) -> None:
    sidegate = await start(
        {
            **PLACEHOLDERS,
            "upstream": {"url": agent.url},
            "tools": {"run": {"effect": "execute", "backend": "upstream", "command": "line"}},
        }
    )
    token = await sidegate.pair()
    (sidegate.workspace / "a.env").write_text(ENV)
    shown = SHAPE.search(await read(sidegate, token))
    assert shown is not None

    status, _ = await sidegate.call("run", {"line": f"echo {shown[0]}"}, token)
    assert status == 200
    assert json.loads(agent.bodies[0]) == {"arguments": {"line": f"echo {shown[0]}"}}


async def test_who_approves_sees_no_secret(start: Start) -> None:
    sidegate = await start({**PLACEHOLDERS, "autonomy": {"level": "supervised"}})
    token = await sidegate.pair()
    file = sidegate.workspace / "a.env"
    file.write_text("password: 'k9!pq-zz-77'\n")
    shown = await read(sidegate, token)
    assert SHAPE.search(shown)
    asking = asyncio.create_task(write(sidegate, token, f"{shown}# edited\n"))
    connector = aiohttp.UnixConnector(str(sidegate.folder / "admin.sock"))
    async with aiohttp.ClientSession(connector=connector) as admin:
        found: list[dict[str, Any]] = []

        async def waits() -> bool:
            async with admin.get("http://admin/approvals") as answer:
                found[:] = (await answer.json())["approvals"]
            return bool(found)

        await until_done(waits)
        assert "k9!pq-zz-77" not in json.dumps(found)
        decided = {"ids": [found[0]["id"]], "decision": "approve"}
        async with admin.post("http://admin/approvals", json=decided) as answer:
            assert answer.status == 200
    assert (await asking)[0] == 200
    assert file.read_text() == "password: 'k9!pq-zz-77'\n# edited\n"


async def scanning(start: Start, agent: Agent, scan: str) -> tuple[Sidegate, dict[str, str]]:
    sidegate = await start(
        {
            "protection": {"scan_requests": scan},
            "upstream": {
                "url": agent.url,
                "routes": [{"path": "/api/*", "methods": ["GET", "POST"]}],
            },
            "tools": {"say": {"effect": "write", "backend": "upstream"}},
        }
    )
    return sidegate, {"Authorization": f"Bearer {await sidegate.pair()}"}


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("a tool's arguments", "/tools/say", {"json": {"arguments": {"text": f"is {PATTERN}"}}}),
    ("a message", "/webhook", {"json": {"message": f"is {PATTERN}"}}),
    ("a body of JSON", "/api/x", {"json": {"a": [PATTERN]}}),
    ("a text", "/api/x", {"data": f"is {PATTERN}".encode() * 3}),
    ("a form", "/api/x", {"data": {"a": PATTERN}}),
    ("a query", f"/api/x?a={PATTERN}", {}),
]


@pytest.mark.parametrize("scan", ["redact", "deny"])
@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: str(row[0]))
async def test_no_secret_in_a_request_reaches_the_agent(
    start: Start, agent: Agent, scan: str, row: tuple[str, str, dict[str, Any]]
) -> None:
    sidegate, headers = await scanning(start, agent, scan)
    _, path, given = row
    async with sidegate.http.post(sidegate.url(path), headers=headers, **given) as answer:
        body = await answer.json(content_type=None)

    if scan == "deny":
        assert (answer.status, body["code"]) == (403, "secret-in-request")
        assert not agent.bodies
        return
    assert answer.status == 200
    heard = b"".join(agent.bodies) + "".join(agent.queries).encode()
    assert b"REDACTED" in heard
    assert PATTERN.encode() not in heard
    if "json" in given:
        json.loads(agent.bodies[0])


async def test_what_cannot_be_searched_does_not_pass(start: Start, agent: Agent) -> None:
    sidegate, headers = await scanning(start, agent, "redact")
    encoded = {**headers, "Content-Encoding": "gzip"}
    url = sidegate.url("/api/x")
    async with sidegate.http.post(url, data=b"\x1f\x8b", headers=encoded) as answer:
        body = await answer.json()

    assert (answer.status, body["code"]) == (415, "request-unreadable")


@pytest.mark.parametrize("scan", ["redact", "deny"])
async def test_a_socket_carries_no_secret_to_the_agent(
    start: Start, agent: Agent, scan: str
) -> None:
    sidegate, headers = await scanning(start, agent, scan)
    url = sidegate.url("/api/x").replace("http:", "ws:")
    async with sidegate.http.ws_connect(url, headers=headers) as socket:
        await socket.send_str(json.dumps({"a": PATTERN}))
        heard = await socket.receive(10)

    assert (heard.data == "heard") == (scan == "redact")
    assert len(agent.bodies) == (scan == "redact")
    assert PATTERN.encode() not in b"".join(agent.bodies)
