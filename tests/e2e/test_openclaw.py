"""A real OpenClaw behind a whole Sidegate, on loopback: what a token may have it do."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from peers.installed import NODE, OPENCLAW
from serving import Serving, config, finished, paired, serving

pytestmark = [pytest.mark.peers, pytest.mark.slow]

SCOPES = ["operator.read", "operator.write"]
SAID = "the model answers"


async def chat(request: web.Request) -> web.StreamResponse:
    """A model that always says the same."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for delta, reason in (({"role": "assistant", "content": SAID}, None), ({}, "stop")):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}
        await response.write(f"data: {json.dumps({**chunk, 'model': 'm'})}\n\n".encode())
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@asynccontextmanager
async def openclaw(tmp_path: Path, port: int, ids: list[str]) -> AsyncIterator[None]:
    """The gateway, configured as docs/agents.md says, with a model of ours."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    server = TestServer(app)
    await server.start_server()
    model = {"id": "m", "name": "m"}
    provider = {"baseUrl": str(server.make_url("/v1")), "api": "openai-completions"}
    proxy = {"userHeader": "x-forwarded-user", "allowLoopback": True}
    known = dict.fromkeys(ids, SCOPES)
    auth = {"mode": "trusted-proxy", "identityScopes": known, "trustedProxy": proxy}
    gateway = {"mode": "local", "port": port, "bind": "loopback", "trustedProxies": ["127.0.0.1"]}
    written = {
        "gateway": {
            **gateway,
            "auth": auth,
            "http": {"endpoints": {"chatCompletions": {"enabled": True}}},
        },
        "models": {"providers": {"mock": {**provider, "apiKey": "k", "models": [model]}}},
        "agents": {"defaults": {"model": {"primary": "mock/m"}}},
    }
    file = tmp_path / "openclaw.json"
    file.write_text(json.dumps(written))
    process = await asyncio.create_subprocess_exec(
        *(str(NODE), str(OPENCLAW), "gateway", "run", "--allow-unconfigured"),
        env={
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "OPENCLAW_STATE_DIR": str(tmp_path / "openclaw"),
            "OPENCLAW_CONFIG_PATH": str(file),
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await server.close()


Post = tuple[int, str]


class Caller:
    """Who calls with one token."""

    def __init__(self, http: aiohttp.ClientSession, url: str, headers: Mapping[str, str]) -> None:
        self._http, self._url, self._headers = http, url, headers

    async def post(self, path: str, body: object) -> Post:
        sent = {**self._headers, "x-openclaw-scopes": "operator.admin"}
        async with self._http.post(self._url + path, json=body, headers=sent) as answer:
            return answer.status, await answer.text()

    async def completed(self) -> Post:
        said = [{"role": "user", "content": "hi"}]
        return await self.post("/v1/chat/completions", {"model": "openclaw", "messages": said})

    async def invoked(self, tool: str) -> Post:
        return await self.post("/tools/invoke", {"tool": tool, "args": {}})

    async def framed(self, *calls: tuple[str, object]) -> list[bool]:
        """Whether each method of the WebSocket was answered with success."""
        client = {"id": "cli", "version": "1", "platform": "linux", "mode": "cli"}
        wish = {"minProtocol": 4, "maxProtocol": 4, "client": client, "scopes": ["operator.admin"]}
        found = []
        async with self._http.ws_connect(f"{self._url}/", headers=self._headers) as ws:
            for number, (method, params) in enumerate([("connect", wish), *calls]):
                frame = {"type": "req", "id": str(number), "method": method, "params": params}
                await ws.send_json(frame)
                said = await ws.receive_json(timeout=30)
                while said.get("id") != str(number):
                    said = await ws.receive_json(timeout=30)
                found.append(bool(said["ok"]))
        return found


async def token(path: Path, *more: str) -> dict[str, str]:
    code, made, _ = await finished("tokens", "create", "-c", str(path), *more)
    assert code == 0
    return {"Authorization": f"Bearer {made.strip().splitlines()[-1]}"}


async def up(caller: Caller) -> None:
    async with asyncio.timeout(90):
        while (await caller.invoked("agents_list"))[0] != 200:  # noqa: ASYNC110 - another process
            await asyncio.sleep(1)


def sections(port: int) -> dict[str, object]:
    paths = [("/", "GET"), ("/v1/models", "GET"), ("/v1/chat/completions", "POST")]
    routes = [{"path": path, "methods": [method]} for path, method in paths]
    url = f"http://127.0.0.1:{port}"
    return {
        "upstream": {"url": url, "protocol": "openclaw", "routes": routes},
        "presets": ["openclaw"],
    }


async def ids_of(path: Path) -> list[str]:
    code, printed, _ = await finished("tokens", "list", "-c", str(path))
    assert code == 0
    return [line.split()[0] for line in printed.splitlines() if line.strip()]


async def callers(
    served: Serving, path: Path, http: aiohttp.ClientSession
) -> tuple[Caller, Caller]:
    """One that may do all, and one that only reads."""
    url = f"http://127.0.0.1:{served.ports['gateway']}"
    whole, reader = await paired(served), await token(path, "--level", "readonly")
    return Caller(http, url, whole), Caller(http, url, reader)


async def test_a_token_that_only_reads_starts_no_turn_by_any_door(tmp_path: Path) -> None:
    port = free_port()
    path = config(tmp_path, f"http://127.0.0.1:{port}", **sections(port))
    chat_send = {"sessionKey": "main", "message": "hi", "idempotencyKey": "k"}
    calls = [("sessions.list", {}), ("config.get", {}), ("chat.send", chat_send)]
    async with serving(path) as served, aiohttp.ClientSession() as http:
        whole, reader = await callers(served, path, http)
        async with openclaw(tmp_path, port, await ids_of(path)):
            await up(whole)
            done, refused = await whole.completed(), await reader.completed()
            tools = [await each.invoked("agents_list") for each in (whole, reader)]
            acting = await reader.invoked("sessions_send")
            unknown = await whole.invoked("no_such_tool")
            frames = [await each.framed(*calls) for each in (whole, reader)]

    assert done[0] == 200
    assert SAID in done[1]
    assert refused[0] == 403
    assert "scope-insufficient" in refused[1]
    assert [status for status, _ in tools] == [200, 200]
    assert acting[0] == 403
    assert unknown[0] in (403, 404)
    assert frames == [[True, True, False, True], [True, True, False, False]]
