"""What outlives a Sidegate that is killed, and an agent that is away."""

import asyncio
import json
import signal
from pathlib import Path

import aiohttp
from serving import Serving, config, finished, paired, serving
from signing import ALLOWED, channels
from wire import OK, agent, until, until_done

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


async def posted(
    served: Serving, path: str, data: bytes, headers: dict[str, str]
) -> tuple[int, dict[str, str], str]:
    url = f"http://127.0.0.1:{served.ports['gateway']}{path}"
    headers = {"Content-Type": "application/json", **headers}
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=data, headers=headers) as answer,
    ):
        return answer.status, dict(answer.headers), await answer.text()


async def test_an_answer_is_given_again_after_a_kill(tmp_path: Path) -> None:
    async with agent() as up:
        path = config(tmp_path, up.url)
        async with serving(path) as first:
            headers = {**await paired(first), "Idempotency-Key": "order-1"}
            before = await posted(first, "/webhook", b'{"message":"hi"}', headers)
            await first.stop(signal.SIGKILL)
        async with serving(path, paired=True) as second:
            again = await posted(second, "/webhook", b'{"message":"hi"}', headers)
            other = await posted(second, "/webhook", b'{"message":"ho"}', headers)

    assert (before[0], again[0], other[0]) == (200, 200, 422)
    assert again[2] == before[2]
    assert again[1]["Idempotency-Replayed"] == "true"
    assert len(up.seen) == 1
    for file in (tmp_path / "state").iterdir():
        if file.is_file():
            assert before[2].encode() not in file.read_bytes(), file


async def test_what_was_cut_off_by_a_kill_is_not_done_twice(tmp_path: Path) -> None:
    async with agent(30.0, OK) as up:
        path = config(tmp_path, up.url)
        async with serving(path) as first:
            headers = {**await paired(first), "Idempotency-Key": "order-1"}
            waiting = asyncio.create_task(posted(first, "/webhook", b'{"message":"hi"}', headers))
            await until(lambda: up.seen)
            await first.stop(signal.SIGKILL)
            await asyncio.gather(waiting, return_exceptions=True)
        async with serving(path, paired=True) as second:
            again = await posted(second, "/webhook", b'{"message":"hi"}', headers)

    # In flight for as long as the lease of the dead one runs, then unknown; never a second time.
    assert again[0] == 409
    assert json.loads(again[2])["code"] in ("idempotency-in-flight", "idempotency-unknown")
    assert len(up.seen) == 1


async def test_queued_messages_outlive_a_kill_and_an_agent_that_is_away(tmp_path: Path) -> None:
    async with agent() as up:
        port = up.port
    path = config(tmp_path, f"http://127.0.0.1:{port}", channels_config=channels(delivery="queued"))
    posts = [ALLOWED["github"](f"delivery-{number}") for number in range(20)]
    async with serving(path) as first:
        for post in posts:
            assert (await posted(first, post.path, post.body, post.headers))[0] == 200
        await first.stop(signal.SIGKILL)
    code, out, _ = await finished("inbox", "list", "--json", "-c", str(path))
    rows = json.loads(out)["letters"]
    assert (code, len(rows)) == (0, 20)
    assert {row["condition"] for row in rows} == {"waiting"}

    async with agent(port=port) as back, serving(path) as second:
        await until(lambda: len(back.seen) >= 20, 60)
        await asyncio.sleep(1)
        code, out, _ = await finished("inbox", "list", "--json", "-c", str(path))
        await second.stop()

    delivered = [request.all("x-github-delivery")[0] for request in back.seen]
    assert sorted(delivered) == sorted(f"delivery-{number}" for number in range(20))
    assert json.loads(out) == {"letters": []}


async def test_a_message_that_may_have_arrived_is_a_dead_letter_for_the_operator(
    tmp_path: Path,
) -> None:
    async with agent(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as up:
        path = config(tmp_path, up.url, channels_config=channels(delivery="queued"))
        post = ALLOWED["telegram"]("1")
        async with serving(path) as served:
            assert (await posted(served, post.path, post.body, post.headers))[0] == 200

            async def dead() -> list[dict[str, object]]:
                _, out, _ = await finished("inbox", "list", "--json", "-c", str(path))
                rows: list[dict[str, object]] = json.loads(out)["letters"]
                return [row for row in rows if row["condition"] == "dead"]

            await until_done(dead, 20)
            (row,) = await dead()
            up.answer = (OK,)
            retried, _, _ = await finished("inbox", "retry", str(row["id"]), "-c", str(path))
            await until(lambda: len(up.seen) == 2)
            unknown, _, _ = await finished("inbox", "drop", "nothing", "-c", str(path))

    assert "refused" in str(row["why"])
    assert (retried, unknown) == (0, 1)
