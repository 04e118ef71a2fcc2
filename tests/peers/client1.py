"""The client of SDK 1 (legacy): `python -m peers.client1 URL`, with its token in TOKEN.

It takes every step and prints, as JSON, what each came to.
"""

import asyncio
import json
import os
import sys
from typing import Any

from mcp import types
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamablehttp_client
from peers.steps import taken


async def elicited(_: Any, _params: Any) -> Any:
    return types.ElicitResult(action="accept", content={"color": "blue"})


async def sampled(_: Any, _params: Any) -> Any:
    said = types.TextContent(type="text", text="Paris")
    return types.CreateMessageResult(role="assistant", content=said, model="none")


async def main() -> None:
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with (
        streamablehttp_client(sys.argv[1], headers=headers) as (read, write, _),
        ClientSession(
            read, write, elicitation_callback=elicited, sampling_callback=sampled
        ) as session,
    ):
        opened = await session.initialize()
        found = await taken(session, os.environ.get("PREFIX", ""))
        sys.stdout.write(json.dumps({"revision": opened.protocolVersion, **found}))


if __name__ == "__main__":
    asyncio.run(main())
