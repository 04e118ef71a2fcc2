"""Stored secrets from end to end: into what goes to the agent, out of what comes back."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from serving import config, finished, paired, serving

SECRET = "s3cret-of-the-agent-" + "k3" * 12


@pytest.fixture
async def agent() -> AsyncIterator[str]:
    """An agent that tells what it was sent; its URL."""

    async def tell(request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "")
        return web.json_response({"sent": sent, "length": len(sent)})

    app = web.Application()
    app.router.add_get("/tell", tell)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


async def stored(path: Path, name: str, text: str) -> None:
    file = path.with_name("new.json")
    file.write_text(json.dumps({name: text}))
    code, _, said = await finished("secrets", "import", str(file), "-c", str(path))
    assert code == 0, said


async def test_a_stored_secret_reaches_the_agent_and_nobody_else(
    tmp_path: Path, agent: str
) -> None:
    path = config(
        tmp_path,
        agent,
        upstream={
            "url": agent,
            "headers": {"Authorization": "Bearer ${secret:agent}"},
            "routes": [{"path": "/tell"}],
        },
    )
    code, _, said = await finished("serve", "-c", str(path))
    assert code == 78
    assert f"{path}:" in said
    assert "upstream.headers.Authorization: there is no secret agent: sidegate secrets set" in said

    await stored(path, "agent", SECRET)
    headers: dict[str, str] = {}
    for start in range(2):
        async with serving(path, paired=start > 0) as served, aiohttp.ClientSession() as http:
            headers = headers or await paired(served)
            url = f"http://127.0.0.1:{served.ports['gateway']}/tell"
            async with http.get(url, headers=headers) as answer:
                assert answer.status == 200
                body = await answer.text()
            assert f'"length": {len("Bearer " + SECRET)}' in body
            assert SECRET not in body
            assert SECRET not in "\n".join(served.lines)
            assert await served.stop() == 0
        code, out, said = await finished("secrets", "rotate-key", "-c", str(path))
        assert (code, said) == (0, ""), out
    kept = [file.read_bytes() for file in (tmp_path / "state").iterdir() if file.is_file()]
    assert not [data for data in kept if SECRET.encode() in data]
