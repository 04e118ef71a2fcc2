"""The least MCP server that aiohttp makes, to measure what is added without what a server takes.

`python -m bench.mcp_floor`: it is stateless, knows one tool, and looks at nothing.
"""

import click
from aiohttp import web

_SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
_TOOLS = [{"name": "echo", "description": "Says it again.", "inputSchema": _SCHEMA}]
_CAPABILITIES = {"capabilities": {"tools": {}}, "serverInfo": {"name": "floor", "version": "1"}}
_WHOLE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}


async def answer(request: web.Request) -> web.Response:
    """The result of what is asked."""
    asked = await request.json()
    params = asked.get("params", {})
    match asked["method"]:
        case "tools/call":
            content = [{"type": "text", "text": params["arguments"]["text"]}]
            result: dict[str, object] = {"content": content, "resultType": "complete"}
        case "tools/list":
            result = {"tools": _TOOLS, **_WHOLE}
        case "initialize":
            result = {"protocolVersion": params["protocolVersion"], **_CAPABILITIES}
        case "server/discover":
            result = {"supportedVersions": ["2026-07-28"], **_CAPABILITIES, **_WHOLE}
        case _:
            return web.Response(status=202)
    return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": result})


def build() -> web.Application:
    """The server."""
    app = web.Application()
    app.router.add_post("/mcp", answer)
    return app


if __name__ == "__main__":
    web.run_app(build(), host="127.0.0.1", port=0, print=click.echo)
