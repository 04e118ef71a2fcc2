"""Tool calls that wait for the operator, and clients that see meanwhile that they do."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
from conftest import Sidegate, Start
from wire import Agent, agent, until_done

TOOLS = {"ref.do": {"effect": "execute", "backend": "upstream"}}
BEAT = b": keep-alive\n\n"


@pytest.fixture
async def double() -> AsyncIterator[Agent]:
    async with agent() as made:
        yield made


async def waiting(admin: aiohttp.ClientSession) -> list[str]:
    async with admin.get("http://admin/approvals") as answer:
        rows = (await answer.json())["approvals"]
    return [row["id"] for row in rows if row["standing"] == "pending"]


async def ruled(sidegate: Sidegate, word: str) -> None:
    """The operator decides on what waits."""
    connector = aiohttp.UnixConnector(str(sidegate.folder / "admin.sock"))
    async with aiohttp.ClientSession(connector=connector) as admin:
        await until_done(lambda: waiting(admin))
        body = {"ids": await waiting(admin), "decision": word}
        async with admin.post("http://admin/approvals", json=body) as answer:
            assert answer.status == 200


@pytest.mark.parametrize(("word", "event"), [("approve", "result"), ("deny", "error")])
async def test_who_asked_for_events_sees_life_until_the_operator_has_decided(
    start: Start, double: Agent, word: str, event: str
) -> None:
    supervised = {"level": "supervised"}
    sections = {"upstream": {"url": double.url}, "tools": TOOLS, "autonomy": supervised}
    sidegate = await start(sections)
    async with sidegate.http.post(
        sidegate.url("/tools/ref.do"),
        json={"arguments": {"n": 1}},
        headers={"Accept": "text/event-stream", "Authorization": f"Bearer {await sidegate.pair()}"},
    ) as answer:  # the head is there before the operator has decided
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream"
        async with asyncio.timeout(10):
            assert await answer.content.readuntil(b"\n\n") == BEAT
        assert double.seen == []
        await ruled(sidegate, word)
        rest = (await answer.read()).replace(BEAT, b"").decode()

    assert rest.startswith(f"event: {event}\ndata: ")
    value = json.loads(rest.removeprefix(f"event: {event}\ndata: "))
    assert value.get("code") == (None if word == "approve" else "approval-refused")
    assert len(double.seen) == (word == "approve")
