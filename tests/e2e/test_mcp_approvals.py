"""A human is asked while a client of MCP waits, however it waits."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from peers.installed import MISSING, SDK2, Peer, peer, script
from peers.speaking import ACCEPT, MODERN, modern, request
from serving import Serving, config, finished, paired, serving
from wire import until, until_done

pytestmark = [
    pytest.mark.peers,
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"deploy/peers has not installed {MISSING}"),
]

LINKS: dict[str, object] = {"elicitation": {"url": {}}}
_TOKEN = {"progressToken": "t"}
_ABLE = "io.modelcontextprotocol/clientCapabilities"


@dataclass(frozen=True)
class Desk:
    """A client at `/mcp`, and the operator at the admin socket."""

    url: str
    headers: Mapping[str, str]
    http: aiohttp.ClientSession
    admin: aiohttp.ClientSession

    async def post(self, message: object, **more: str) -> tuple[str, list[str]]:
        """The kind of the answer, and its lines."""
        fields = {**self.headers, **ACCEPT, **{k.replace("_", "-"): v for k, v in more.items()}}
        async with self.http.post(f"{self.url}/mcp", json=message, headers=fields) as answer:
            return answer.content_type, (await answer.text()).splitlines()

    async def call(self, name: str, able: object = None, **params: Any) -> Any:
        """The result of a call of the modern era."""
        message: Any = modern("tools/call", 1, name=name, **{"arguments": {}, **params})
        message["params"]["_meta"][_ABLE] = able or {}
        fields = {"Mcp_Method": "tools/call", "Mcp_Name": name}
        _, lines = await self.post(message, MCP_Protocol_Version=MODERN, **fields)
        return _last(lines)["result"]

    async def waiting(self) -> list[dict[str, Any]]:
        async with self.admin.get("http://admin/approvals") as answer:
            rows = (await answer.json())["approvals"]
        return [row for row in rows if row["standing"] == "pending"]

    async def asked(self, count: int = 1) -> list[dict[str, Any]]:
        """What waits, once there is so much of it."""

        async def are_there() -> bool:
            return len(await self.waiting()) >= count

        await until_done(are_there)
        return await self.waiting()

    async def decide(self, word: str, *ids: str) -> None:
        body = {"ids": ids, "decision": word}
        async with self.admin.post("http://admin/approvals", json=body) as answer:
            assert answer.status == 200

    async def decide_all(self, word: str) -> None:
        await self.decide(word, *(row["id"] for row in await self.asked()))


def _last(lines: list[str]) -> Any:
    found = [line.removeprefix("data: ") for line in lines if line.startswith(("data: ", "{"))]
    return json.loads(found[-1])


def text(result: Any) -> str:
    return str(result["content"][0]["text"])


def code(result: Any) -> str:
    assert result["isError"]
    return str(result["_meta"]["sidegate/refusal"]["code"])


def supervised(tmp_path: Path, server: Peer) -> Path:
    ask = {"effect": "execute", "approval": "ask"}
    return config(
        tmp_path,
        server.url("/"),
        mcp_servers={"one": {"url": server.url()}},
        tools={
            "one.*": {"effect": "read", "approval": "auto"},
            "one.echo": ask,
            "one.slow": {**ask},
        },
        autonomy={"workspace_dir": str(tmp_path / "workspace"), "level": "supervised"},
    )


@asynccontextmanager
async def at_desk(
    path: Path, headers: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[Serving, Desk]]:
    async with serving(path, paired=headers is not None) as served:
        given = headers or await paired(served)
        socket = aiohttp.UnixConnector(str(path.parent / "state" / "admin.sock"))
        await until((path.parent / "state" / "admin.sock").exists)
        url = f"http://127.0.0.1:{served.ports['gateway']}"
        async with (
            aiohttp.ClientSession() as http,
            aiohttp.ClientSession(connector=socket) as admin,
        ):
            yield served, Desk(url, given, http, admin)


@asynccontextmanager
async def desk(tmp_path: Path) -> AsyncIterator[tuple[Serving, Desk]]:
    async with (
        peer(*script(SDK2, "server2")) as server,
        at_desk(supervised(tmp_path, server)) as found,
    ):
        yield found


async def opened(at: Desk) -> Desk:
    """The client in a session of the legacy era."""
    info = {"name": "bare", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    fields = {**at.headers, **ACCEPT}
    message = request("initialize", 0, **params)
    async with at.http.post(f"{at.url}/mcp", json=message, headers=fields) as answer:
        session = answer.headers["Mcp-Session-Id"]
    return replace(at, headers={**at.headers, "Mcp-Session-Id": session})


async def test_a_client_that_waits_is_shown_that_it_is_worth_it(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, made):
        at = await opened(made)
        told = request("tools/call", 1, name="echo", arguments={"text": "a"}, _meta=_TOKEN)
        one = asyncio.create_task(at.post(told))
        two = asyncio.create_task(at.post(request("tools/call", 2, name="slow", arguments={})))
        rows = await at.asked(2)
        await asyncio.sleep(5)
        cli = ("approvals", "approve", *(row["id"] for row in rows), "-c")
        ended, _, err = await finished(*cli, str(tmp_path / "sidegate.yaml"))
        assert (ended, err) == (0, "")
        (kind, progress), (_, comments) = await one, await two

    assert kind == "text/event-stream"
    assert '"progressToken":"t"' in progress[1]
    assert text(_last(progress)["result"]) == "a"
    assert comments[0].startswith(":")
    assert text(_last(comments)["result"]) == "done"


async def test_a_client_without_events_collects_with_the_same_call(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, made):
        at = await opened(made)
        message = request("tools/call", 1, name="slow", arguments={})
        kind, lines = await at.post(message, Accept="application/json")
        assert kind == "application/json"
        assert code(_last(lines)["result"]) == "approval-pending"
        await at.decide_all("approve")
        _, lines = await at.post(message, Accept="application/json")
        assert text(_last(lines)["result"]) == "done"
        assert not await at.waiting()


async def test_a_client_that_shows_links_is_told_where_and_no_more(tmp_path: Path) -> None:
    async with desk(tmp_path) as (served, at):
        asked = await at.call("slow", LINKS)
        assert asked["resultType"] == "input_required"
        assert asked["inputRequests"]["operator"]["params"]["url"].endswith("/approvals")
        state = {"requestState": asked["requestState"]}
        said = {"inputResponses": {"operator": {"action": "accept"}}}
        other = await at.call("echo", LINKS, arguments={"text": "other"}, **state, **said)
        assert other["resultType"] == "input_required"  # another call is another question
        assert len(await at.waiting()) == 2
        await served.stop(signal.SIGKILL)
        async with at_desk(tmp_path / "sidegate.yaml", at.headers) as (_, later):
            row = next(row for row in await later.waiting() if row["tool"] == "one.slow")
            await later.decide("approve", row["id"])
            assert text(await later.call("slow", LINKS, **state, **said)) == "done"
            once_more = await later.call("slow", LINKS)
            assert once_more["resultType"] == "input_required"


async def test_what_was_refused_is_told_in_words(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, at):
        calling = asyncio.create_task(at.call("slow"))
        await at.decide_all("deny")
        refused = await calling
    assert code(refused) == "approval-refused"
    assert "operator refused" in text(refused)


async def test_two_principals_never_share_an_ask(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, at):
        _, out, _ = await finished("pair", "-c", str(tmp_path / "sidegate.yaml"))
        word = next(word for word in out.split() if word.isdecimal() and len(word) == 6)
        async with at.http.post(f"{at.url}/pair", headers={"X-Pairing-Code": word}) as answer:
            token = (await answer.json())["token"]
        other = replace(at, headers={"Authorization": f"Bearer {token}"})
        mine = asyncio.create_task(at.call("slow"))
        [row] = await at.asked()
        theirs = asyncio.create_task(other.call("slow"))
        await at.asked(2)
        await at.decide("approve", row["id"])
        assert text(await mine) == "done"
        assert not theirs.done()
        await at.decide_all("deny")
        assert code(await theirs) == "approval-refused"


async def test_what_is_stopped_or_changed_meanwhile_is_not_done(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, at):
        stopped = asyncio.create_task(at.call("echo", arguments={"text": "a"}))
        await at.asked()
        async with at.admin.post("http://admin/stops", json={"tool": "one.echo"}) as answer:
            stop = (await answer.json())["stopped"]
        await at.decide_all("approve")
        assert code(await stopped) == "stopped-by-operator"
        async with at.admin.delete(f"http://admin/stops/{stop}") as answer:
            assert answer.status == 200

        changed = asyncio.create_task(at.call("echo", arguments={"text": "b"}))
        await at.asked()
        assert text(await at.call("change")) == "changed"
        await asyncio.sleep(5.5)  # what a server says of its tools is believed for five
        await at.decide_all("approve")
        assert code(await changed) == "tool-quarantined"


async def test_who_left_finds_the_same_ask_again(tmp_path: Path) -> None:
    async with desk(tmp_path) as (_, at):
        leaving = asyncio.create_task(at.call("slow"))
        [row] = await at.asked()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        back = asyncio.create_task(at.call("slow"))
        await asyncio.sleep(0.5)
        assert [each["id"] for each in await at.waiting()] == [row["id"]]
        await at.decide_all("approve")
        assert text(await back) == "done"
