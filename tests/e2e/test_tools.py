"""The table of tools, over sockets: what of it reaches the agent, and what is on record."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from conftest import Sidegate, Start

READ = {"effect": "read", "backend": "upstream"}
TOOLS = {
    "notes.*": {**READ, "rules": {"n": {"max": 1, "optional": True}}},
    "notes.save": {"effect": "write", "paths": ["path"], "rate_per_minute": 2},
    "notes.off": {"approval": "deny"},
    "gate.call_tool": {**READ, "dispatch": {"tool": "name", "arguments": "arguments"}},
}


@pytest.fixture
async def agent() -> AsyncIterator[TestServer]:
    """An agent that answers every tool call with what it got."""

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path, **await request.json()})

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


async def started(start: Start, agent: TestServer, **autonomy: object) -> tuple[Sidegate, str]:
    sidegate = await start(
        {
            "upstream": {"url": str(agent.make_url("")).rstrip("/")},
            "autonomy": {"level": "full", **autonomy},
            "presets": ["mcp-filesystem"],
            "tools": TOOLS,
        }
    )
    return sidegate, await sidegate.pair()


async def test_what_the_table_admits_reaches_the_agent_as_it_came(
    start: Start, agent: TestServer
) -> None:
    sidegate, token = await started(start, agent)
    within = {"name": "notes.list", "arguments": {"n": 1}}
    rows: list[tuple[str, dict[str, Any]]] = [
        ("notes.list", {"n": 1}),
        ("notes.save", {"path": "a.md", "text": "x"}),
        ("gate.call_tool", within),
        ("filesystem.read_multiple_files", {"paths": ["a.md", "b.md"]}),
    ]

    for name, arguments in rows:
        status, body = await sidegate.call(name, arguments, token)
        assert status == 200
        assert body["result"] == {"path": f"/tools/{name}", "arguments": arguments}


async def test_what_the_table_refuses_reaches_nobody(start: Start, agent: TestServer) -> None:
    sidegate, token = await started(start, agent)
    rows: list[tuple[str, dict[str, Any], str]] = [
        ("notes.list", {"n": 2}, "argument-not-allowed"),
        ("notes.off", {}, "tool-denied"),
        ("notes.run_code", {}, "wrapper-unknown"),
        ("notes.save", {"path": "../a.md"}, "path-outside-workspace"),
        ("filesystem.write_file", {"path": "../x", "content": ""}, "path-outside-workspace"),
        ("filesystem.none", {}, "tool-unknown"),
        ("gate.call_tool", {"name": "notes.off", "arguments": {}}, "tool-denied"),
        ("gate.call_tool", {"name": "notes.list", "arguments": '{"n": 2}'}, "argument-not-allowed"),
        ("gate.call_tool", {"name": "notes.list"}, "arguments-invalid"),
    ]

    for name, arguments, code in rows:
        status, body = await sidegate.call(name, arguments, token)
        assert (status, body["code"]) == (400 if code == "arguments-invalid" else 403, code)


async def test_a_tool_has_a_rate_of_its_own_whatever_way_it_is_called(
    start: Start, agent: TestServer
) -> None:
    sidegate, token = await started(start, agent)
    save = {"path": "a.md"}

    assert (await sidegate.call("notes.save", save, token))[0] == 200
    within = {"name": "notes.save", "arguments": save}
    assert (await sidegate.call("gate.call_tool", within, token))[0] == 200
    for name, arguments in (("notes.save", save), ("gate.call_tool", within)):
        status, body = await sidegate.call(name, arguments, token)
        assert (status, body["code"]) == (429, "tool-rate-limited")
    assert (await sidegate.call("notes.list", {}, token))[0] == 200


async def test_the_actions_of_an_hour_are_counted_and_reading_is_none(
    start: Start, agent: TestServer
) -> None:
    sidegate, token = await started(start, agent, max_actions_per_hour=1)
    write = {"path": "a.md", "content": ""}

    assert (await sidegate.call("filesystem.write_file", {"path": "..", "content": ""}, token))[
        0
    ] == 403
    assert (await sidegate.call("filesystem.write_file", write, token))[0] == 200
    status, body = await sidegate.call("filesystem.write_file", write, token)
    assert (status, body["code"]) == (429, "actions-exhausted")
    assert (await sidegate.call("filesystem.read_file", {"path": "a.md"}, token))[0] == 200


async def test_what_is_only_observed_is_done_counted_and_on_record(
    start: Start, agent: TestServer, tmp_path: Path
) -> None:
    sidegate, token = await started(start, agent, mode="observe", until="2999-01-01")

    status, body = await sidegate.call("notes.save", {"path": "../a.md"}, token)
    denied, _ = await sidegate.call("file_read", {"path": "../a.md"}, token)

    assert (status, denied) == (200, 403)
    assert body["result"] == {"path": "/tools/notes.save", "arguments": {"path": "../a.md"}}
    async with sidegate.http.get(sidegate.url("/metrics", "metrics")) as answer:
        counted = 'decision="observe",layer="authorization",reason="path-outside-workspace"} 1.0'
        assert counted in await answer.text()
    (audit,) = tmp_path.rglob("audit.jsonl")
    rows = [json.loads(line) for line in audit.read_text().splitlines()]
    (grant,) = [row for row in rows if row.get("tool") == "notes.save" and row["event"] == "grant"]
    assert grant["observed"] == "path-outside-workspace"


async def test_only_tools_with_an_entry_of_their_own_are_listed(
    start: Start, agent: TestServer
) -> None:
    sidegate, token = await started(start, agent)
    headers = {"Authorization": f"Bearer {token}"}
    async with sidegate.http.get(sidegate.url("/tools"), headers=headers) as answer:
        assert isinstance(answer, aiohttp.ClientResponse)
        listed = {tool["name"] for tool in (await answer.json())["tools"]}

    assert {"shell", "notes.save", "gate.call_tool", "filesystem.move_file"} <= listed
    assert {name for name in listed if "*" in name or name == "notes.off"} == set()
