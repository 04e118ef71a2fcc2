"""Two Sidegates on one Redis: what one of them knows, the other does."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from redis_server import DURABLE, Server
from serving import Serving, finished, serving, write
from wire import OK, Agent, agent, until

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@dataclass
class Pair:
    """Two replicas, a client for both, and the agent behind them."""

    left: Serving
    right: Serving
    configs: tuple[Path, Path]
    http: aiohttp.ClientSession
    up: Agent

    def url(self, replica: Serving, path: str) -> str:
        return f"http://127.0.0.1:{replica.ports['gateway']}{path}"

    async def post(
        self, replica: Serving, path: str, headers: dict[str, str], data: object = None
    ) -> tuple[int, dict[str, str], str]:
        url = self.url(replica, path)
        async with self.http.post(url, json=data, headers=headers) as answer:
            return answer.status, dict(answer.headers), await answer.text()


@pytest.fixture
async def replicas(tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        server = Server(tmp_path / "redis", *DURABLE)
        server.start()
        stack.callback(server.kill)
        up = await stack.enter_async_context(agent(0.2, OK))
        paths = [_config(tmp_path, name, server, up) for name in ("left", "right")]
        left = await stack.enter_async_context(serving(paths[0]))
        shutil.copy(tmp_path / "left" / ".secret_key", tmp_path / "right" / ".secret_key")
        right = await stack.enter_async_context(serving(paths[1]))
        connector = aiohttp.TCPConnector(limit=0)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        yield Pair(left, right, (paths[0], paths[1]), http, up)


def _config(tmp_path: Path, name: str, server: Server, up: Agent) -> Path:
    folder = tmp_path / name
    folder.mkdir(mode=0o700)
    (tmp_path / "workspace").mkdir(exist_ok=True)
    return write(
        tmp_path / f"{name}.yaml",
        {
            "state_dir": str(folder),
            "gateway": {"port": 0, "pair_rate_limit_per_minute": 10},
            **{listener: {"port": 0} for listener in ("admin", "metrics")},
            "state": {"url": server.section.url},
            "upstream": {"url": up.url},
            "autonomy": {"workspace_dir": str(tmp_path / "workspace")},
        },
    )


async def code(replicas: Pair, number: int = 0) -> str:
    _, out, _ = await finished("pair", "--json", "-c", str(replicas.configs[number]))
    return str(json.loads(out)["code"])


async def token(replicas: Pair) -> dict[str, str]:
    headers = {"X-Pairing-Code": await code(replicas)}
    _, _, body = await replicas.post(replicas.left, "/pair", headers)
    return {"Authorization": f"Bearer {json.loads(body)['token']}"}


async def test_a_code_of_one_is_redeemed_once_at_either(replicas: Pair) -> None:
    headers = {"X-Pairing-Code": await code(replicas)}

    answers = await asyncio.gather(
        *(replicas.post(side, "/pair", headers) for side in (replicas.left, replicas.right) * 4)
    )

    assert [status for status, _, _ in answers].count(200) == 1


async def test_a_token_and_its_end_are_known_to_both(replicas: Pair) -> None:
    bearer = await token(replicas)
    async with replicas.http.get(replicas.url(replicas.right, "/tools"), headers=bearer) as answer:
        assert answer.status == 200
    _, out, _ = await finished("tokens", "list", "--json", "-c", str(replicas.configs[0]))
    (row,) = json.loads(out)["tokens"]

    await finished("tokens", "revoke", row["id"], "-c", str(replicas.configs[0]))

    async with replicas.http.get(replicas.url(replicas.right, "/tools"), headers=bearer) as answer:
        assert answer.status == 401


async def test_guesses_and_rates_are_counted_together(replicas: Pair) -> None:
    right_code = await code(replicas)
    wrong = {"X-Pairing-Code": f"{(int(right_code) + 1) % 1_000_000:06d}"}

    statuses = [
        (await replicas.post(side, "/pair", wrong))[0]
        for side in (replicas.left, replicas.right) * 3
    ]
    last = await replicas.post(replicas.right, "/pair", {"X-Pairing-Code": right_code})

    assert statuses == [403] * 5 + [429]
    assert (last[0], json.loads(last[2])["code"]) == (429, "pairing-locked")
    assert last[1]["RateLimit"].startswith('"pair";r=3;')


async def test_forty_requests_of_one_key_at_both_are_one(replicas: Pair) -> None:
    headers = {**await token(replicas), "Idempotency-Key": "order-1"}

    answers = await asyncio.gather(
        *(
            replicas.post(side, "/webhook", headers, {"message": "hi"})
            for side in (replicas.left, replicas.right) * 20
        )
    )
    after = await replicas.post(replicas.right, "/webhook", headers, {"message": "hi"})

    assert {status for status, _, _ in answers} <= {200, 409}
    assert len(replicas.up.seen) == 1
    assert (after[0], after[1]["Idempotency-Replayed"]) == (200, "true")


async def test_a_stream_at_one_ends_when_its_token_is_revoked_at_the_other(
    replicas: Pair,
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
    replicas.up.answer = (head, 60.0)
    bearer = await token(replicas)
    running = asyncio.create_task(
        replicas.post(replicas.right, "/webhook", bearer, {"message": "hi"})
    )
    await until(lambda: replicas.up.seen)
    _, out, _ = await finished("tokens", "list", "--json", "-c", str(replicas.configs[0]))

    await finished(
        "tokens", "revoke", json.loads(out)["tokens"][0]["id"], "-c", str(replicas.configs[0])
    )

    await until(lambda: running.done() and replicas.up.left == 1, 15)
    await asyncio.gather(running, return_exceptions=True)
