"""A client that calls one MCP tool over and over, on a connection that it keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

LEGACY, MODERN = "2025-11-25", "2026-07-28"
_ACCEPT = {"Accept": "application/json, text/event-stream"}
_INFO = {"name": "bench", "version": "1"}
_PREFIX = "io.modelcontextprotocol/"
_META = {
    f"{_PREFIX}protocolVersion": MODERN,
    f"{_PREFIX}clientInfo": _INFO,
    f"{_PREFIX}clientCapabilities": {},
}
_ROUTED = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call"}


@dataclass
class McpClient:
    """Calls the tool of this name at `url`."""

    http: aiohttp.ClientSession
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    tool: str = "echo"
    _session: Mapping[str, str] = field(default_factory=dict)
    _number: int = 0

    async def open(self) -> None:
        """Open a session of the legacy era, where the server wants one."""
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _INFO}
        asked = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        async with self.http.post(self.url, json=asked, headers=self._said()) as answer:
            await answer.read()
            if "Mcp-Session-Id" in answer.headers:
                self._session = {"Mcp-Session-Id": answer.headers["Mcp-Session-Id"]}
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        async with self.http.post(self.url, json=told, headers=self._said()) as answer:
            await answer.read()

    async def call_legacy(self) -> None:
        """One call in the session."""
        await self._call({}, self._session)

    async def call_modern(self) -> None:
        """One call that stands for itself."""
        await self._call({"_meta": _META}, {**_ROUTED, "Mcp-Name": self.tool})

    async def _call(self, more: Mapping[str, object], headers: Mapping[str, str]) -> None:
        self._number += 1
        text = f"the text of call {self._number}"
        params = {"name": self.tool, "arguments": {"text": text}, **more}
        asked = {"jsonrpc": "2.0", "id": self._number, "method": "tools/call", "params": params}
        fields = {**self.headers, **_ACCEPT, **headers}
        async with self.http.post(self.url, json=asked, headers=fields) as answer:
            said = await answer.text()
            if answer.status != 200 or text not in said or '"isError":true' in said:
                raise OSError(f"{self.url}: {answer.status} {said[:2000]}")

    def _said(self) -> Mapping[str, str]:
        return {**self.headers, **_ACCEPT, **self._session}
