"""A tunnel, by a program that prints what the real ones print: its listener is one of strangers."""

import asyncio
import json
from pathlib import Path

import aiohttp
import pytest
from serving import Serving, config, finished, serving
from wire import agent, send, until, until_done

PROGRAM = """#!/bin/sh
echo "$@" > {folder}/arguments
echo $$ > {folder}/pid
echo "tunnel is up at https://agent.tunnel.example"
exec sleep 600
"""


def tunnel(tmp_path: Path, program: str = PROGRAM) -> dict[str, object]:
    path = tmp_path / "program"
    path.write_text(program.format(folder=tmp_path))
    path.chmod(0o755)
    command = f"{path} {{host}}:{{port}}"
    return {
        "provider": "custom",
        "custom": {
            "start_command": command,
            "url_pattern": "up at",
            "env": {"TOKEN": "tunnel-token-4711"},
        },
    }


async def status(tmp_path: Path) -> dict[str, object]:
    _, out, _ = await finished("status", "--json", "-c", str(tmp_path / "sidegate.yaml"))
    found: dict[str, object] = json.loads(out)["tunnel"]
    return found


async def get(served: Serving, listener: str, path: str, host: str) -> int | None:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    return (await send(served.ports[listener], request.encode())).status


async def test_what_comes_by_the_tunnel_is_never_local(tmp_path: Path) -> None:
    async with serving(config(tmp_path, "http://127.0.0.1:9", tunnel=tunnel(tmp_path))) as served:

        async def up() -> bool:
            return (await status(tmp_path))["state"] == "up"

        await until_done(up)

        assert (await status(tmp_path))["url"] == "https://agent.tunnel.example"
        assert await get(served, "tunnel", "/health", "agent.tunnel.example") == 200
        for host in ("localhost", "127.0.0.1", f"127.0.0.1:{served.ports['tunnel']}", "evil.test"):
            assert await get(served, "tunnel", "/health", host) == 421, host
        for path in ("/status", "/tokens", "/metrics"):
            assert await get(served, "tunnel", path, "agent.tunnel.example") == 404
        assert await get(served, "gateway", "/health", "agent.tunnel.example") == 421


async def test_the_program_gets_our_address_and_ends_with_us(tmp_path: Path) -> None:
    path = config(tmp_path, "http://127.0.0.1:9", tunnel=tunnel(tmp_path))
    async with serving(path) as served:
        await until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        arguments = (tmp_path / "arguments").read_text().strip()
        process = Path("/proc") / (tmp_path / "pid").read_text().strip()

        assert arguments == f"127.0.0.1:{served.ports['tunnel']}"
        assert b"tunnel-token-4711" not in (process / "cmdline").read_bytes()
        assert b"tunnel-token-4711" in (process / "environ").read_bytes()
        assert await served.stop() == 0
        assert not process.exists()
        assert "tunnel-token-4711" not in "\n".join(served.lines)


async def test_a_tunnel_that_fails_leaves_nothing_public(tmp_path: Path) -> None:
    """The gateway keeps to loopback, although its host is every address."""
    path = config(
        tmp_path,
        "http://127.0.0.1:9",
        gateway={"host": "0.0.0.0", "port": 0},
        tunnel=tunnel(tmp_path, "#!/bin/sh\nexit 1\n"),
    )
    async with serving(path) as served:

        async def failed() -> bool:
            return (await status(tmp_path))["state"] == "failed"

        await until_done(failed)
        rows = [json.loads(line) for line in served.lines if line.startswith("{")]

        assert {row["address"] for row in rows if row["event"] == "listening"} == {"127.0.0.1"}
        assert any("gateway.host is not opened" in str(row.get("why")) for row in rows)
        assert (await status(tmp_path))["url"] is None
        assert await get(served, "tunnel", "/health", "agent.tunnel.example") == 421


@pytest.mark.parametrize("public", [True, False])
async def test_nobody_is_let_in_without_a_token_by_a_tunnel(
    tmp_path: Path, *, public: bool
) -> None:
    gateway = {"require_pairing": False, "port": 0, "allow_public_bind": public}
    path = config(tmp_path, "http://127.0.0.1:9", gateway=gateway, tunnel=tunnel(tmp_path))

    code, _, err = await finished("check", "-c", str(path))

    assert code == 77
    assert "require_pairing: false would open the agent to the internet" in err


async def test_clients_of_a_tunnel_are_told_apart_by_what_its_provider_says(
    tmp_path: Path,
) -> None:
    """One of them is locked out; the next, and who comes by the gateway, is not."""
    external = {
        "provider": "cloudflare",
        "mode": "external",
        "port": 0,
        "public_url": "https://agent.example",
    }
    port = await _free_port()
    external["port"] = port
    async with agent() as up:
        path = config(tmp_path, up.url, tunnel=external)
        async with serving(path) as served, aiohttp.ClientSession() as http:
            base = f"http://127.0.0.1:{served.ports['tunnel']}"

            async def pair(address: str, code: str) -> int:
                headers = {
                    "Host": "agent.example",
                    "CF-Connecting-IP": address,
                    "X-Forwarded-For": "127.0.0.1",
                    "X-Pairing-Code": code,
                }
                async with http.post(f"{base}/pair", headers=headers) as answer:
                    return answer.status

            wrong = f"{(int(served.code or '0') + 1) % 1_000_000:06d}"
            first = [await pair("203.0.113.1", wrong) for _ in range(6)]
            second = await pair("203.0.113.2", wrong)
            right = await pair("203.0.113.3", served.code or "")

    assert first == [403] * 5 + [429]
    assert (second, right) == (403, 200)


async def _free_port() -> int:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port
