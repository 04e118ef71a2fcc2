"""A client of either era, as bare as HTTP is: it says what it is told to, and no more."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

ACCEPT = {"Accept": "application/json, text/event-stream"}
CLIENT = {"name": "bare", "version": "1"}
MODERN = "2026-07-28"
_PREFIX = "io.modelcontextprotocol/"


@dataclass
class Speaker:
    """Who asks, and where."""

    http: aiohttp.ClientSession
    url: str
    headers: Mapping[str, str]
    session: dict[str, str] = field(default_factory=dict)

    async def post(self, message: object, **more: str) -> tuple[int, Any]:
        """Status and answer: the last message that came, None where none did."""
        fields = {**self.headers, **ACCEPT, **self.session}
        fields |= {name.replace("_", "-"): value for name, value in more.items()}
        async with self.http.post(self.url, json=message, headers=fields) as answer:
            if "Mcp-Session-Id" in answer.headers:
                self.session = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"]}
            if answer.content_type != "text/event-stream":
                text = await answer.text()
                return answer.status, json.loads(text) if text else None
            return answer.status, [message async for message in events(answer)][-1]

    async def open(self, revision: str = "2025-11-25", **capabilities: object) -> Any:
        """Open a session of the legacy era."""
        params = {"protocolVersion": revision, "capabilities": capabilities, "clientInfo": CLIENT}
        _, answer = await self.post(request("initialize", 0, **params))
        await self.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer["result"]

    async def call(self, name: str, number: int = 1, **arguments: object) -> Any:
        """What a call of the legacy era came to."""
        _, answer = await self.post(request("tools/call", number, name=name, arguments=arguments))
        return answer

    async def names(self, number: int = 2) -> list[str]:
        """The tools that this session is shown."""
        _, answer = await self.post(request("tools/list", number))
        return [tool["name"] for tool in answer["result"]["tools"]]


def request(method: str, number: int = 1, **params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def modern(method: str, number: int = 1, **params: object) -> dict[str, object]:
    """A request that stands for itself."""
    said = {"protocolVersion": MODERN, "clientInfo": CLIENT, "clientCapabilities": {}}
    meta = {f"{_PREFIX}{name}": value for name, value in said.items()}
    return request(method, number, _meta=meta, **params)


async def events(answer: aiohttp.ClientResponse) -> AsyncIterator[Any]:
    """The messages of a stream of events."""
    async for line in answer.content:
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and data:
            yield json.loads(data)
