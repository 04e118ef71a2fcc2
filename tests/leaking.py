"""Labelled texts as an agent answers them, and what a client of Sidegate sees of them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from leaks import Row
from serving import Serving, config, paired, serving

KINDS = {"text": "text/plain", "json": "application/json", "events": "text/event-stream"}
RATES = ("pair", "webhook", "tool")


@asynccontextmanager
async def agent(rows: Sequence[Row]) -> AsyncIterator[str]:
    """The address of an agent that answers with the rows: by a route, in pieces, and by a tool."""
    by_id = {row["id"]: row for row in rows}

    async def stream(request: web.Request) -> web.StreamResponse:
        row = by_id[request.match_info["id"]]
        answer = web.StreamResponse(headers={"Content-Type": KINDS[request.match_info["kind"]]})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for piece in row.get("chunks") or [row["text"]]:
            await answer.write(piece.encode())
        return answer

    async def tool(request: web.Request) -> web.Response:
        arguments = (await request.json())["arguments"]
        return web.json_response({"text": by_id[arguments["id"]]["text"], "n": 1})

    app = web.Application()
    app.router.add_get("/rows/{kind}/{id}", stream)
    app.router.add_post("/tools/rows.get", tool)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@dataclass
class Client:
    """One that is paired with a Sidegate which runs in a process of its own."""

    served: Serving
    workspace: Path
    http: aiohttp.ClientSession

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.served.ports['gateway']}{path}"

    async def routed(self, row: Row, kind: str) -> str:
        """The body of an answer that the agent streams."""
        async with self.http.get(self.url(f"/rows/{kind}/{row['id']}")) as answer:
            assert answer.status == 200
            return (await answer.read()).decode()

    async def call(self, tool: str, arguments: Mapping[str, str], **headers: str) -> object:
        """The result of a tool."""
        url, body = self.url(f"/tools/{tool}"), {"arguments": arguments}
        async with self.http.post(url, json=body, headers=headers) as answer:
            value = await answer.json()
            assert answer.status == 200, value
            return value["result"]

    async def tool(self, row: Row) -> str:
        """The text in the JSON that a tool of the agent answers."""
        result = await self.call("rows.get", {"id": row["id"]})
        assert isinstance(result, dict)
        return str(result["text"])

    async def file(self, row: Row) -> str:
        """The text of a file in the workspace."""
        (self.workspace / row["id"]).write_bytes(row["text"].encode())
        result = await self.call("file_read", {"path": row["id"]})
        assert isinstance(result, dict)
        return str(result["content"])


@asynccontextmanager
async def standing(tmp_path: Path, rows: Sequence[Row]) -> AsyncIterator[Client]:
    """A Sidegate before the agent, which knows all that the rows have registered."""
    async with agent(rows) as url:
        values = sorted({value for row in rows for value in row.get("register") or ()})
        path = config(
            tmp_path,
            url,
            upstream={
                "url": url,
                "headers": {f"X-Held-{number}": value for number, value in enumerate(values)},
                "routes": [{"path": "/rows/*", "methods": ["GET"]}],
            },
            gateway={"port": 0, **{f"{each}_rate_limit_per_minute": None for each in RATES}},
            autonomy={"level": "full", "workspace_dir": str(tmp_path / "workspace")},
            tools={"rows.get": {"effect": "read", "backend": "upstream"}},
        )
        async with serving(path) as served:
            headers = await paired(served)
            async with aiohttp.ClientSession(headers=headers) as http:
                yield Client(served, tmp_path / "workspace", http)
