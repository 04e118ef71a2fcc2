"""The client of SDK 2: `python -m peers.client2 URL MODE`, with its token in TOKEN.

MODE is `legacy`, `auto` or a modern revision. It takes every step and prints, as JSON, what each
came to; or calls the one tool that is named after MODE, and prints its answer.
"""

import asyncio
import json
import os
import sys
from typing import Any

import mcp_types as types
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from peers.steps import taken


async def elicited(_: Any, _params: Any) -> Any:
    return types.ElicitResult(action="accept", content={"color": "blue"})


async def sampled(_: Any, _params: Any) -> Any:
    said = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=said, model="none")


async def main() -> None:
    url, mode = sys.argv[1:3]
    http = create_mcp_http_client(headers={"Authorization": f"Bearer {os.environ['TOKEN']}"})
    transport = streamable_http_client(url, http_client=http)
    client = Client(transport, mode=mode, elicitation_callback=elicited, sampling_callback=sampled)
    async with http, client:
        if len(sys.argv) > 3:
            answer = await client.call_tool(sys.argv[3], {})
            sys.stdout.write(answer.content[0].text)
            return
        found = await taken(client, os.environ.get("PREFIX", ""))
        sys.stdout.write(json.dumps({"revision": client.protocol_version, **found}))


if __name__ == "__main__":
    asyncio.run(main())
