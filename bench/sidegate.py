"""A Sidegate in a process of its own, as an operator starts one, and a client that has paired."""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import yaml

ROOT = Path(__file__).parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 20.0
_CODE = re.compile(r"pairing code: (\d{6})\b")


@dataclass
class Program:
    """A program of this repository, and what it has written so far."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def find(self, pattern: re.Pattern[str]) -> str | None:
        """What the first group of a line that matches holds."""
        return next((found[1] for line in self.lines if (found := pattern.search(line))), None)

    async def wait_for(self, pattern: re.Pattern[str]) -> str:
        """Wait for a line; raises OSError where it does not come."""
        async with asyncio.timeout(START_SECONDS):
            while (found := self.find(pattern)) is None:
                if self.process.returncode is not None:
                    raise OSError("\n".join(["it ended before it was ready:", *self.lines]))
                self.news.clear()
                await self.news.wait()
        return found

    async def listen(self) -> None:
        """Read what it writes, up to its end."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())
            self.news.set()
        await self.process.wait()
        self.news.set()

    @property
    def cpu_seconds(self) -> float:
        """Processor time of the process itself, without its children (proc(5), utime and stime)."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def running(*arguments: str) -> AbstractAsyncContextManager[Program]:
    """`python …` in this repository, ended with the block; nothing but its file configures it."""
    return program(sys.executable, *arguments)


@asynccontextmanager
async def program(*words: str, **more: str) -> AsyncIterator[Program]:
    """A program that is started in this repository, with more variables, ended with the block."""
    kept = {name: os.environ[name] for name in os.environ if not name.startswith("SIDEGATE_")}
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=ROOT,
        env={**kept, **more},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    made = Program(process)
    listening = asyncio.create_task(made.listen())
    try:
        yield made
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await asyncio.shield(listening)
        except TimeoutError:
            process.kill()
            await listening


@dataclass(frozen=True)
class Sidegate:
    """One that serves. `http` sends its requests as a paired client."""

    program: Program
    config: Path
    workspace: Path
    http: aiohttp.ClientSession
    ports: Mapping[str, int]

    def url(self, path: str) -> str:
        """Of something on the gateway."""
        return f"http://127.0.0.1:{self.ports['gateway']}{path}"


def config_in(folder: Path, sections: Mapping[str, object]) -> Path:
    """A configuration with free ports, without rates, and with a state and workspace of its own.

    It keeps connections longer than the client does, so that none ends as it is used again.
    """
    workspace = folder / "workspace"
    workspace.mkdir()
    rates = ("tool_rate_limit_per_minute", "webhook_rate_limit_per_minute")
    gateway = {"port": 0, "keepalive_timeout_secs": 60, **dict.fromkeys(rates)}
    whole = {
        "state_dir": str(folder / "state"),
        "gateway": gateway,
        "admin": {"port": 0},
        "metrics": {"port": 0},
        "autonomy": {
            "level": "full",
            "workspace_dir": str(workspace),
            "allowed_commands": ["echo"],
        },
        **sections,
    }
    path = folder / "sidegate.yaml"
    path.write_text(yaml.safe_dump(whole, sort_keys=False))
    return path


@asynccontextmanager
async def serving(sections: Mapping[str, object]) -> AsyncIterator[Sidegate]:
    """`sidegate serve` with these sections, in a folder that is gone afterwards."""
    with TemporaryDirectory(prefix="sidegate-bench-") as folder:
        path = config_in(Path(folder), sections)
        async with running("-m", "proxy", "serve", "-c", str(path)) as program:
            code = await program.wait_for(_CODE)
            ports = await _ports(program)
            token = await _paired(ports["gateway"], code)
            async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
                yield Sidegate(program, path, Path(folder) / "workspace", http, ports)


async def _ports(program: Program) -> dict[str, int]:
    await program.wait_for(re.compile(r'"listener": ?"(metrics)"'))
    rows = [json.loads(line) for line in program.lines if line.startswith("{")]
    return {row["listener"]: row["port"] for row in rows if row["event"] == "listening"}


async def _paired(port: int, code: str) -> str:
    url, headers = f"http://127.0.0.1:{port}/pair", {"X-Pairing-Code": code}
    async with aiohttp.ClientSession() as http, http.post(url, headers=headers) as answer:
        answer.raise_for_status()
        return str((await answer.json())["token"])


async def free_port() -> int:
    """A port on loopback that nobody had a moment ago, for programs that cannot choose one."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        return int(server.sockets[0].getsockname()[1])
