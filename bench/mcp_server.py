"""A small MCP server of the official SDK, in an environment of its own: `python mcp_server.py`.

It is stateless and answers in JSON, in both eras: the least that a server of the SDK takes. It
prints where it serves. Nothing of this repository is there to be imported.
"""

import socket
import sys
from typing import Any

import mcp_types as types
import uvicorn
from mcp.server.lowlevel.server import Server

_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


async def list_tools(_: Any, _params: Any) -> Any:
    """One tool."""
    tool = {"name": "echo", "description": "Says it again.", "inputSchema": _SCHEMA}
    return types.ListToolsResult.model_validate({"tools": [tool]})


async def call_tool(_: Any, params: Any) -> Any:
    """What it was given."""
    content = [{"type": "text", "text": params.arguments["text"]}]
    return types.CallToolResult.model_validate({"content": content})


def main() -> None:
    """Serve on loopback, on any port."""
    # asyncio must see that it is TCP: else what is sent in two pieces waits between them.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    sys.stdout.write(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    server = Server("bench", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    app = server.streamable_http_app(stateless_http=True, json_response=True)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run([listening])


if __name__ == "__main__":
    main()
