"""Other gateways before an MCP server, as their own guides start them, where they are installed."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from bench.installed import CONTEXTFORGE, FASTMCP
from bench.mcp_client import McpClient
from bench.sidegate import free_port, program

_READY_SECONDS = 90.0
_USER = "admin@example.com"


@dataclass(frozen=True)
class Gateway:
    """One that `deploy/peers bench` installs: `start` gives a client that has opened a session."""

    name: str
    program: Path
    start: Callable[[str], AbstractAsyncContextManager[McpClient]]


def started(gateway: Gateway, url: str) -> AbstractAsyncContextManager[McpClient]:
    """A client that calls the server at `url` through the gateway."""
    return gateway.start(url)


@asynccontextmanager
async def fastmcp(url: str) -> AsyncIterator[McpClient]:
    """The proxy of FastMCP, with its defaults and no authentication."""
    port = str(await free_port())
    async with (
        program(str(FASTMCP), "bench/fastmcp_proxy.py", url, port),
        aiohttp.ClientSession() as http,
    ):
        client = McpClient(http, f"http://127.0.0.1:{port}/mcp")
        await _answers(http, client.url)
        await client.open()
        yield client


@asynccontextmanager
async def contextforge(url: str) -> AsyncIterator[McpClient]:
    """ContextForge with SQLite and one worker; what would refuse such a measurement is off.

    That is its rate limiting, and its refusal of addresses on loopback.
    """
    port, key = str(await free_port()), secrets.token_hex(32)
    with TemporaryDirectory(prefix="sidegate-bench-") as folder:
        variables = _variables(folder, key)
        words = (str(CONTEXTFORGE), "mcpgateway.main:app", "--host", "127.0.0.1", "--port", port)
        token = await _token(variables, key)
        headers = {"Authorization": f"Bearer {token}"}
        async with program(*words, **variables), aiohttp.ClientSession(headers=headers) as http:
            at = f"http://127.0.0.1:{port}"
            await _answers(http, f"{at}/health")
            tool = await _registered(http, at, url)
            # Its own method for calls is the faster of its two ways.
            yield McpClient(http, f"{at}/rpc", tool=tool)


def _variables(folder: str, key: str) -> dict[str, str]:
    off = (
        *("RATE_LIMITING_ENABLED", "SSRF_PROTECTION_ENABLED", "PLUGINS_ENABLED", "CSRF_ENABLED"),
        *("MCPGATEWAY_UI_ENABLED", "MCPGATEWAY_ADMIN_API_ENABLED"),
    )
    return {
        **dict.fromkeys(off, "false"),
        "DATABASE_URL": f"sqlite:///{folder}/mcp.db",
        "JWT_SECRET_KEY": key,
        "AUTH_ENCRYPTION_SECRET": secrets.token_hex(32),
        "BASIC_AUTH_PASSWORD": secrets.token_hex(16),
        "DEFAULT_USER_PASSWORD": f"Aa1!{secrets.token_hex(16)}",
        "PLATFORM_ADMIN_EMAIL": _USER,
        "PLATFORM_ADMIN_PASSWORD": f"Aa1!{secrets.token_hex(16)}",
        "TOOL_RATE_LIMIT": "1000000",
        "CACHE_TYPE": "memory",
        "LOG_LEVEL": "ERROR",
        "HOME": folder,
    }


async def _token(variables: Mapping[str, str], key: str) -> str:
    words = ("-m", "mcpgateway.utils.create_jwt_token", "--username", _USER)
    python = str(CONTEXTFORGE.parent / "python")
    more = ("--exp", "60", "--secret", key, "--admin")
    async with program(python, *words, *more, **variables) as making:
        return await making.wait_for(re.compile(r"(ey[\w.-]+)"))


async def _registered(http: aiohttp.ClientSession, at: str, url: str) -> str:
    """Tell it of the server; what it calls the server's tool."""
    server = {"name": "small", "url": url, "transport": "STREAMABLEHTTP"}
    async with http.post(f"{at}/gateways", json=server) as answer:
        if answer.status not in (200, 201):
            raise OSError(f"{answer.url}: {answer.status} {(await answer.text())[:2000]}")
    async with http.get(f"{at}/tools") as answer:
        return str((await answer.json())[0]["name"])


async def _answers(http: aiohttp.ClientSession, url: str) -> None:
    """Wait until something listens there."""
    async with asyncio.timeout(_READY_SECONDS):
        while True:
            try:
                async with http.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)


GATEWAYS = (
    Gateway("FastMCP proxy", FASTMCP, fastmcp),
    Gateway("ContextForge", CONTEXTFORGE, contextforge),
)
