"""The steps of the tour that speak MCP, as a client of 2026-07-28 does."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from narrator import Answer, Narrator
from stage import Stage

REVISION = "2026-07-28"
_META = "io.modelcontextprotocol/"
_SAID = {f"{_META}protocolVersion": REVISION, f"{_META}clientCapabilities": {}}


class McpSteps:
    """Steps of a tour that has what is declared here."""

    stage: Stage
    narrator: Narrator
    call: Callable[..., Awaitable[Answer]]
    sidegate: Callable[..., Awaitable[tuple[int, str]]]
    served: Callable[[Answer], None]

    async def mcp(self, method: str, mirrored: str = "", **params: Any) -> Answer:
        """Send one request; `mirrored` is the name in its headers."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": _SAID, **params}}
        headers = {"MCP-Protocol-Version": REVISION, "Mcp-Method": method}
        accepted = {"Accept": "application/json, text/event-stream"}
        named = {"Mcp-Name": mirrored} if mirrored else {}
        return await self.call("POST", "/mcp", body, headers={**headers, **named, **accepted})

    def said(self, answer: Answer, *path: str | int) -> object:
        """What an answer holds at a place; None where it holds nothing there."""
        found: Any = answer.value(str(path[0]))
        for step in path[1:]:
            try:
                found = found[step]
            except (KeyError, IndexError, TypeError):
                return None
        return found

    async def mcp_tool(self) -> None:
        """A call of a server's tool; and one that the headers tell otherwise than the body."""
        answer = await self.mcp(
            "tools/call", "forecast", name="forecast", arguments={"city": "Oslo"}
        )
        self.served(answer)
        text = self.said(answer, "result", "content", 0, "text")
        self.narrator.expect("the server answered", found=text, wanted="Oslo: clear, 21 °C")
        other = await self.mcp("tools/call", "add", name="forecast", arguments={"city": "Oslo"})
        code = self.said(other, "error", "code")
        self.narrator.expect("refused as a mismatch", found=code, wanted=-32020)

    async def mcp_change(self) -> None:
        """A tool whose description the server changes is gone until the owner has looked at it."""
        await self.mcp("tools/call", "forecast", name="forecast", arguments={"city": "turn"})
        listed = await self.mcp("tools/list")
        shown = "forecast" in self.names(listed)
        self.narrator.expect("the changed tool is not listed", found=shown, wanted=False)
        status, printed = await self.sidegate("mcp", "tools")
        waits = [word for word in printed.split() if len(word) == 64]
        self.narrator.expect("sidegate mcp tools works", found=status, wanted=0)
        status, _ = await self.sidegate("mcp", "show", "demo.forecast")
        self.narrator.expect("the owner sees what is different", found=status, wanted=0)
        digest = waits[0] if waits else ""
        status, _ = await self.sidegate("mcp", "accept", "demo.forecast", "--digest", digest)
        self.narrator.expect("sidegate mcp accept works", found=status, wanted=0)
        again = await self.mcp("tools/list")
        back = "forecast" in self.names(again)
        self.narrator.expect("then it is back", found=back, wanted=True)

    def names(self, answer: Answer) -> list[str]:
        """The names that a list shows."""
        result = answer.value("result")
        tools: object = result.get("tools") if isinstance(result, Mapping) else None
        return [tool["name"] for tool in tools] if isinstance(tools, list) else []
