"""The demo agent, started as the tour starts it, and asked over HTTP."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

AGENT = Path(__file__).parents[2] / "deploy" / "demo_agent.py"
SECRET = "sk-demo-1234567890abcdef"


@pytest.fixture
async def agent() -> AsyncIterator[aiohttp.ClientSession]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, AGENT, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    assert line.startswith("listening on http://127.0.0.1:")
    async with aiohttp.ClientSession(line.removeprefix("listening on ")) as session:
        yield session
    process.terminate()
    assert await process.wait() == 0


async def test_answers_messages_and_tool_calls(agent: aiohttp.ClientSession) -> None:
    answer = await agent.post("/webhook", json={"message": "hello"})
    assert await answer.json() == {"response": "You wrote: hello", "model": "demo"}

    answer = await agent.post("/tools/add", json={"arguments": {"a": 1, "b": 2}})
    assert await answer.json() == {"sum": 3}

    answer = await agent.post("/tools/weather", json={"arguments": {"city": "Bern"}})
    assert (await answer.json())["city"] == "Bern"

    answer = await agent.post("/tools/leak", json={"arguments": {}})
    assert SECRET in await answer.text()

    for path, body, status in [
        ("/tools/broken", {"arguments": {}}, 500),
        ("/tools/absent", {"arguments": {}}, 404),
        ("/tools/add", {"arguments": {"a": "one"}}, 400),
        ("/webhook", [], 400),
    ]:
        answer = await agent.post(path, json=body)
        assert answer.status == status, path


async def test_streams_in_pieces_none_of_which_holds_the_secret(
    agent: aiohttp.ClientSession,
) -> None:
    chat = {"messages": [{"role": "user", "content": "a key"}], "stream": True}
    answer = await agent.post("/v1/chat/completions", json=chat)
    assert answer.content_type == "text/event-stream"
    *events, done, end = (await answer.text()).split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    assert not any(SECRET in event for event in events)
    deltas = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events]
    told = "".join(delta["content"] for delta in deltas)
    assert f"api_key={SECRET} " in told

    answer = await agent.post("/v1/chat/completions", json=chat | {"stream": False})
    assert (await answer.json())["choices"][0]["message"]["content"] == told


async def test_tells_which_headers_it_received(agent: aiohttp.ClientSession) -> None:
    await agent.post("/tools/absent", json={}, headers={"X-Marked": "yes"})
    answer = await agent.get("/seen")
    first, _own = (await answer.json())["requests"]
    assert (first["method"], first["path"]) == ("POST", "/tools/absent")
    assert ["X-Marked", "yes"] in first["headers"]


async def test_is_an_mcp_server_that_may_change_its_tool(agent: aiohttp.ClientSession) -> None:
    async def asked(method: str, **params: object) -> dict[str, object]:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        result: dict[str, object] = (await (await agent.post("/mcp", json=body)).json())["result"]
        return result

    before = await asked("tools/list")
    called = await asked("tools/call", name="forecast", arguments={"city": "turn"})
    after = await asked("tools/list")

    assert called["isError"] is False
    assert before != after
    unknown = await agent.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert unknown.status == 404
