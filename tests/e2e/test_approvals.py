"""A human is asked, over real sockets, and kill -9 at any step does nothing twice or unasked."""

import asyncio
import json
import logging
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from serving import Serving, config, paired, serving
from wire import OK, Agent, agent, until_done
from yarl import URL

log = logging.getLogger(__name__)

KILLS = int(os.environ.get("SIDEGATE_KILLS", "3"))
AT_ONCE = 20
FATES = {
    "done": {1},
    "request-lost": {0, 1},
    "request-unknown": {0, 1},  # so many are kept of one principal, and no more
    "pending": {0},  # the word came too late, and it waits still,
    "approval-refused": {0},  # or was denied in the next round
    "approval-void": {0},
}
"""What may be told of a call that was approved, and how often it then was done."""
TOOLS = {"ref.do": {"effect": "execute", "backend": "upstream"}}


def supervised(tmp_path: Path, url: str) -> Path:
    return config(
        tmp_path,
        url,
        tools=TOOLS,
        autonomy={"workspace_dir": str(tmp_path / "workspace"), "level": "supervised"},
    )


class Desk:
    """A client at the gateway, and the operator at the admin socket."""

    def __init__(
        self,
        port: int,
        bearer: Mapping[str, str],
        http: aiohttp.ClientSession,
        admin: aiohttp.ClientSession,
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.bearer = bearer
        self.http = http
        self.admin = admin

    async def is_open(self) -> bool:
        """Whether the operator's socket, the last that is opened, is there."""
        try:
            await self.waiting()
        except aiohttp.ClientConnectorError:
            return False
        return True

    async def call(self, number: int, *, apart: bool = False) -> tuple[int, Any]:
        headers = {**self.bearer, **({"Prefer": "respond-async"} if apart else {})}
        async with self.http.post(
            f"{self.url}/tools/ref.do", json={"arguments": {"n": number}}, headers=headers
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def collect(self, request_id: str) -> tuple[int, Any]:
        url = f"{self.url}/requests/{request_id}"
        async with self.http.get(url, headers=self.bearer) as answer:
            return answer.status, await answer.json(content_type=None)

    async def waiting(self) -> list[dict[str, Any]]:
        async with self.admin.get("http://admin/approvals") as answer:
            rows = (await answer.json())["approvals"]
        return [row for row in rows if row["standing"] == "pending"]

    async def decide(self, word: str, *ids: str) -> int:
        body = {"ids": ids, "decision": word}
        async with self.admin.post("http://admin/approvals", json=body) as answer:
            return answer.status


@asynccontextmanager
async def desk(tmp_path: Path, served: Serving, bearer: Mapping[str, str]) -> AsyncIterator[Desk]:
    socket = aiohttp.UnixConnector(str(tmp_path / "state" / "admin.sock"))
    async with (
        aiohttp.ClientSession() as http,
        aiohttp.ClientSession(connector=socket) as admin,
    ):
        at = Desk(served.ports["gateway"], bearer, http, admin)
        await until_done(at.is_open)
        yield at


def numbers(up: Agent) -> Counter[int]:
    """How often each call was done, by what the agent received."""
    return Counter(json.loads(request.body)["arguments"]["n"] for request in up.seen)


async def test_a_held_call_goes_on_when_the_operator_says_so(tmp_path: Path) -> None:
    async with agent() as up, serving(supervised(tmp_path, up.url)) as served:
        bearer = await paired(served)
        async with desk(tmp_path, served, bearer) as at:
            tasks = [asyncio.create_task(at.call(number)) for number in (1, 2)]
            await until_done(lambda: _waits(at, 2))
            assert not up.seen
            rows = {row["shown"]["n"]: row["id"] for row in await at.waiting()}
            assert await at.decide("deny", rows[2]) == 200
            assert await at.decide("approve", rows[1]) == 200
            (one, done), (two, refused) = await asyncio.gather(*tasks)

    assert (one, done["result"]) == (200, {"sum": 3})
    assert (two, refused["code"]) == (403, "approval-refused")
    assert numbers(up) == {1: 1}


async def test_a_call_apart_is_collected_by_its_caller_alone(tmp_path: Path) -> None:
    async with agent() as up, serving(supervised(tmp_path, up.url)) as served:
        bearer = await paired(served)
        async with desk(tmp_path, served, bearer) as at:
            status, later = await at.call(1, apart=True)
            assert status == 202
            assert (await at.collect(later["request_id"]))[0] == 202
            assert await at.decide("approve", later["request_id"]) == 200
            await until_done(lambda: _is_done(at, later["request_id"]))
            status, done = await at.collect(later["request_id"])
            stranger, _ = await Desk(served.ports["gateway"], {}, at.http, at.admin).collect(
                later["request_id"]
            )

    assert (status, done["result"], done["request_id"]) == (200, {"sum": 3}, later["request_id"])
    assert stranger == 401
    assert numbers(up) == {1: 1}


async def test_what_can_be_no_id_is_not_found(tmp_path: Path) -> None:
    own = (("GET", "approvals"), *(("DELETE", each) for each in ("grants", "stops", "tokens")))
    found = {}
    async with agent() as up, serving(supervised(tmp_path, up.url)) as served:
        bearer = await paired(served)
        async with desk(tmp_path, served, bearer) as at:
            for name in ("%ed%a0%80", "%ff", "%c3%a9", "r_" + "0" * 32):
                url = f"{at.url}/requests/{name}"
                found["requests", name] = await _status(at.http, "GET", url, bearer)
                for method, path in own:
                    url = f"http://admin/{path}/{name}"
                    found[path, name] = await _status(at.admin, method, url, {})

    assert {key: status for key, status in found.items() if status != 404} == {}
    assert len(found) == 20


async def _status(
    http: aiohttp.ClientSession, method: str, url: str, headers: Mapping[str, str]
) -> int:
    async with http.request(method, URL(url, encoded=True), headers=headers) as answer:
        return answer.status


@pytest.mark.slow
async def test_kill_9_at_any_step_does_nothing_twice_or_unasked(tmp_path: Path) -> None:
    """Half of the calls are approved, and the process is killed somewhere in the middle of that."""
    chance = random.Random(7)
    asked: dict[int, str] = {}
    approved: set[int] = set()
    async with agent(0.02, OK) as up:
        path = supervised(tmp_path, up.url)
        bearer: Mapping[str, str] = {}
        for kill in range(KILLS):
            async with serving(path, paired=bool(bearer)) as served:
                bearer = bearer or await paired(served)
                async with desk(tmp_path, served, bearer) as at:
                    numbers_now = range(kill * AT_ONCE, (kill + 1) * AT_ONCE)
                    for row in await at.waiting():  # of the last round: one may ask only so much
                        assert await at.decide("deny", row["id"]) == 200
                    held = await _ask(at, numbers_now, asked)
                    work = asyncio.create_task(_approve(at, numbers_now, approved))
                    await asyncio.sleep(chance.uniform(0.0, 0.25))
                    await served.stop(signal.SIGKILL)
                    await asyncio.gather(work, *held, return_exceptions=True)
        async with (
            serving(path, paired=True) as served,
            desk(tmp_path, served, bearer) as at,
        ):
            await until_done(lambda: _all_settled(at, asked, approved), 30)
            fates = {number: await at.collect(asked[number]) for number in approved & set(asked)}

    done, calls = numbers(up), KILLS * AT_ONCE
    log.info("%d kills, %d calls, %d approved, %d done", KILLS, calls, len(approved), len(done))
    assert max(done.values(), default=0) <= 1, "done twice"
    assert set(done) <= approved, "done unasked"
    for number, (status, answer) in fates.items():
        fate = "done" if status == 200 else answer.get("code") or answer["status"]
        assert fate in FATES, answer
        assert done[number] in FATES[fate], answer


async def _ask(
    at: Desk, wanted: range, asked: dict[int, str]
) -> list["asyncio.Task[tuple[int, Any]]"]:
    """Ask for all: every fourth call is held, the others are kept."""
    held = []
    for number in wanted:
        if number % 4 == 0:
            held.append(asyncio.create_task(at.call(number)))
        else:
            status, later = await at.call(number, apart=True)
            assert status == 202
            asked[number] = later["request_id"]
    await until_done(lambda: _waits(at, len(wanted)))
    return held


async def _approve(at: Desk, wanted: range, approved: set[int]) -> None:
    """Approve every even call, one by one. What is on its way counts as approved."""
    rows = {int(row["shown"]["n"]): row["id"] for row in await at.waiting()}
    for number in wanted:
        if number % 2 == 0 and number in rows:
            approved.add(number)
            await at.decide("approve", rows[number])


async def _waits(at: Desk, count: int) -> bool:
    return len(await at.waiting()) >= count


async def _is_done(at: Desk, request_id: str) -> bool:
    return (await at.collect(request_id))[0] != 202


async def _all_settled(at: Desk, asked: Mapping[int, str], approved: set[int]) -> bool:
    """Whether nothing runs, or is about to. What nobody decided on may wait."""
    states = [await at.collect(asked[number]) for number in sorted(approved & set(asked))]
    return not any(answer.get("status") == "running" for _, answer in states)


async def test_what_was_approved_while_it_is_stopped_is_done_when_it_may_go_on(
    tmp_path: Path,
) -> None:
    async with agent() as up, serving(supervised(tmp_path, up.url)) as served:
        bearer = await paired(served)
        async with desk(tmp_path, served, bearer) as at:
            _, later = await at.call(1, apart=True)
            async with at.admin.post("http://admin/stops", json={"tool": "ref.do"}) as answer:
                stop = (await answer.json())["stopped"]
            assert await at.decide("approve", later["request_id"]) == 200
            await asyncio.sleep(0.5)
            assert not up.seen
            assert (await at.collect(later["request_id"]))[0] == 202
            async with at.admin.delete(f"http://admin/stops/{stop}") as answer:
                assert answer.status == 200
            await until_done(lambda: _is_done(at, later["request_id"]), 15)
            status, done = await at.collect(later["request_id"])

    assert (status, done["result"]) == (200, {"sum": 3})
    assert numbers(up) == {1: 1}
