"""A server that is a program in a sandbox: what it does wrong is its own session's alone."""

import asyncio
import shutil
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from conftest import containers
from peers import image
from peers.installed import MISSING, TESTS
from peers.speaking import Speaker
from serving import Serving, config, paired, serving
from wire import until_done

pytestmark = [
    pytest.mark.peers,
    pytest.mark.slow,
    pytest.mark.docker,
    pytest.mark.skipif(bool(MISSING), reason=f"deploy/peers has not installed {MISSING}"),
]


def configured(tmp_path: Path, engine: str, **more: object) -> Path:
    """A Sidegate before `rough.js`, which lies in the workspace."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    workspace.chmod(0o777)
    shutil.copy(TESTS / "peers" / "rough.js", workspace)
    (workspace / "rough.js").chmod(0o644)
    image.make(engine)
    program = {
        "command": ["/bin/node", "/workspace/rough.js"],
        "docker": {"image": image.IMAGE},
        "env": {"TOKEN": "xyzzy-plugh-4711"},
        "allow": ["tools", "elicitation", "logging"],
        "timeout_secs": 3,
        **more,
    }
    return config(
        tmp_path,
        "http://127.0.0.1:9",
        mcp_servers={"one": program},
        tools={"one.*": {"effect": "read", "approval": "auto"}},
        runtime={"kind": "docker"},
    )


@asynccontextmanager
async def fronted(path: Path) -> AsyncIterator[tuple[Serving, Speaker]]:
    async with serving(path) as served, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{served.ports['gateway']}/mcp"
        yield served, Speaker(http, url, await paired(served))


async def again(speaker: Speaker) -> Speaker:
    """The same client in another session."""
    other = Speaker(speaker.http, speaker.url, speaker.headers)
    await other.open()
    return other


async def said(speaker: Speaker, name: str, number: int, **arguments: Any) -> str:
    async with asyncio.timeout(20):
        answer = await speaker.call(name, number, **arguments)
    return str(answer["result"]["content"][0]["text"])


async def owned(path: Path) -> int:
    """How many containers this Sidegate has."""
    with closing(sqlite3.connect(path.parent / "state" / "sidegate.db")) as state:
        (owner,) = state.execute("SELECT instance FROM identity").fetchone()
    return len(await containers(owner))


async def test_a_program_has_what_it_is_given_and_no_more(engine: str, tmp_path: Path) -> None:
    path = await asyncio.to_thread(configured, tmp_path, engine)
    async with fronted(path) as (served, speaker):
        await speaker.open()
        other = await again(speaker)
        found = {
            name: await said(speaker, name, number, text="x")
            for number, name in enumerate(("echo", "slow", "net", "write", "noise", "fork"), 10)
        }
        env = await said(speaker, "env", 20)
        pids = {await said(each, "pid", 21) for each in (speaker, other)}
        await served.stop()

    assert found == {
        "echo": "x",
        "slow": "done",
        "net": "ENETUNREACH",
        "write": "EROFS",
        "noise": "said",
        "fork": "forked",
    }
    assert "plugh" not in env
    assert "REDACTED" in env
    assert len(pids) == 2
    assert "plugh" not in "\n".join(served.lines)


async def test_a_program_that_may_write_writes(engine: str, tmp_path: Path) -> None:
    path = await asyncio.to_thread(configured, tmp_path, engine, writes=True)
    async with fronted(path) as (served, speaker):
        await speaker.open()
        assert await said(speaker, "write", 1) == "written"
        await served.stop()
    assert (tmp_path / "workspace" / "written.txt").read_text() == "x"


async def test_a_program_that_does_not_fit_ends_with_its_session(
    engine: str, tmp_path: Path
) -> None:
    path = await asyncio.to_thread(configured, tmp_path, engine)
    async with fronted(path) as (served, speaker):
        await speaker.open()
        assert await said(speaker, "echo", 1, text="x") == "x"
        before = await owned(path)
        for name in ("crash", "garbage", "long", "flood"):
            rough = await again(speaker)
            try:
                answer = await rough.call(name, 2)
                assert answer["result"]["isError"], name
            except aiohttp.ClientPayloadError:
                assert name == "flood"  # its answer had begun

            async def are_gone() -> bool:
                return await owned(path) == before

            await until_done(are_gone, 5)
            after = await rough.call("echo", 3, text="y")
            assert after["error"]["data"]["code"] == "session-unknown", name
        late = await again(speaker)
        for name in ("hang", "deaf"):
            await late.call(name, 4)
        assert (await late.call("echo", 5, text="y"))["result"]["isError"]
        assert await said(speaker, "echo", 6, text="z") == "z"
        await served.stop()
    assert await owned(path) == 0


async def test_containers_end_with_their_sessions_and_with_the_next_start(
    engine: str, tmp_path: Path
) -> None:
    path = await asyncio.to_thread(configured, tmp_path, engine)
    async with fronted(path) as (served, speaker):
        await speaker.open()
        count = await owned(path)
        other = await again(speaker)
        assert await owned(path) == count + 1
        fields = {**other.headers, **other.session}
        async with other.http.delete(other.url, headers=fields) as answer:
            assert answer.status == 204

        async def is_one_less() -> bool:
            return await owned(path) == count

        await until_done(is_one_less, 5)
        await served.stop(signal.SIGKILL)
    async with serving(path, paired=True):

        async def is_swept() -> bool:
            return await owned(path) == 0

        await until_done(is_swept, 10)
