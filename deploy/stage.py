"""The stage of the tour: a folder, an agent and Sidegate before it, all gone when it ends."""

import asyncio
import os
import re
import socket
import sys
import tempfile
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

ROOT = Path(__file__).resolve().parents[1]
DEMO_AGENT = ROOT / "deploy" / "demo_agent.py"
IMAGE = "sidegate-sandbox:test"
GITHUB_SECRET = "a-secret-of-github-and-sidegate"
STORED_SECRET = "demo-upstream-credential-0001"
START_SECS = 30
STOP_SECS = 10
LINE_MAX = 1 << 20
NOBODY = 65534

DEFAULT_SOCKET = Path("/var/run/docker.sock")
PAIRING_LINE = re.compile(r"pairing code: (\d{6})\b")


class StageError(Exception):
    """The stage could not be set, or fell down."""


@dataclass
class Program:
    """A running program, whose lines are kept and can be waited for."""

    name: str
    process: asyncio.subprocess.Process
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=500))
    news: asyncio.Condition = field(default_factory=asyncio.Condition)
    ended: bool = False

    async def listen(self) -> None:
        """Read what the program says until it ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self.news:
                self.lines.append(line.decode(errors="replace").rstrip())
                self.news.notify_all()
        async with self.news:
            self.ended = True
            self.news.notify_all()

    def find(self, pattern: re.Pattern[str]) -> str | None:
        """Find the newest line that matches, and return what its first group holds."""
        matches = (pattern.search(line) for line in reversed(self.lines))
        return next((match[1] for match in matches if match), None)

    async def wait_for(self, pattern: re.Pattern[str]) -> str:
        """Wait until a line matches; the program ending first is an error."""
        async with self.news:
            await self.news.wait_for(lambda: self.ended or self.find(pattern) is not None)
        found = self.find(pattern)
        if found is None:
            said = "\n".join(f"  | {line}" for line in list(self.lines)[-20:])
            raise StageError(f"{self.name} ended before it was ready; it said:\n{said}")
        return found

    async def stop(self) -> None:
        """End the program, kindly first."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def free_ports(count: int) -> list[int]:
    """Ask the kernel for ports that nobody uses; all are held until the last is known."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    return ports


def engine_is_there() -> bool:
    """Tell whether a Docker engine takes connections; `deploy/engine with` sets DOCKER_HOST."""
    host = os.environ.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if not host.startswith("unix://"):
        return True
    with socket.socket(socket.AF_UNIX) as ends:
        return ends.connect_ex(host.removeprefix("unix://")) == 0


class Stage:
    """Sidegate before the demo agent: `async with Stage() as stage`."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self.gateway_port, self.metrics_port = free_ports(2)
        self.gateway = f"http://127.0.0.1:{self.gateway_port}"
        self.metrics = f"http://127.0.0.1:{self.metrics_port}/metrics"
        self.agent = ""
        self.code = ""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sidegate-tour-"))
            self._furnish(Path(folder))
            agent = await self._start(stack, "the demo agent", str(DEMO_AGENT))
            async with asyncio.timeout(START_SECS):
                self.agent = await agent.wait_for(re.compile(r"listening on (\S+)"))
            self._write_config()
            self.storing = await self._store("agent", STORED_SECRET)
            self.sidegate = await self._start(stack, "sidegate", "-m", "proxy", *self._serve())
            async with asyncio.timeout(START_SECS):
                self.code = await self.sidegate.wait_for(PAIRING_LINE)
                await self._await_port(self.gateway_port)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _serve(self) -> list[str]:
        return ["serve", "-c", str(self.config)]

    def _furnish(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "sidegate.yaml"
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        (folder / "outside").write_text("This file lies beside the workspace.\n")
        (self.workspace / "hello.txt").write_text("Hello from the workspace.\n")
        (self.workspace / "way-out").symlink_to("/etc/passwd")
        if os.geteuid() == 0:
            for path in (self.workspace, self.workspace / "hello.txt"):
                os.chown(path, NOBODY, NOBODY)

    def _write_config(self) -> None:
        config = {
            "state_dir": str(self.folder / "state"),
            "gateway": {"host": "127.0.0.1", "port": self.gateway_port},
            "admin": {"port": 0},
            "metrics": {"port": self.metrics_port},
            "upstream": {
                "url": self.agent,
                "headers": {"Authorization": "Bearer ${secret:agent}"},
                "routes": [
                    {"path": "/v1/chat/completions", "methods": ["POST"]},
                    {"path": "/seen", "methods": ["GET"]},
                ],
            },
            "autonomy": {
                "level": "supervised",
                "workspace_dir": str(self.workspace),
                "allowed_commands": ["ls", "cat", "echo", "grep", "sleep", "find"],
                "auto_approve": ["shell", "file_*", "add", "leak", "demo.*"],
            },
            "mcp_servers": {"demo": {"url": f"{self.agent}/mcp"}},
            "tools": {
                "add": {
                    "effect": "read",
                    "backend": "upstream",
                    "description": "Adds two numbers, a and b.",
                },
                "leak": {
                    "effect": "read",
                    "backend": "upstream",
                    "description": "Answers with a secret.",
                },
                "demo.forecast": {"effect": "read"},
                "publish": {
                    "effect": "write",
                    "backend": "upstream",
                    "description": "Publishes a text; the owner is asked.",
                },
            },
            "runtime": {"docker": {"image": IMAGE}},
            "channels_config": {
                "github": {
                    "allowed_users": ["octocat"],
                    "secret": GITHUB_SECRET,
                    "path": "/webhook",
                },
            },
        }
        (self.folder / "state").mkdir(mode=0o700)
        self.config.write_text(yaml.safe_dump(config, sort_keys=False))

    async def _store(self, name: str, value: str) -> str:
        status, printed = await self.run_sidegate("secrets", "set", name, typed=value)
        if status:
            raise StageError(f"sidegate secrets set failed; it said:\n{printed}")
        return printed

    async def _start(self, stack: AsyncExitStack, name: str, *arguments: str) -> Program:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=LINE_MAX,
            cwd=ROOT,
        )
        program = Program(name, process)
        listener = asyncio.create_task(program.listen())
        stack.push_async_callback(asyncio.wait, [listener], timeout=STOP_SECS)
        stack.push_async_callback(program.stop)
        return program

    async def _await_port(self, port: int) -> None:
        while not self.sidegate.ended:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        raise StageError("sidegate ended before it served")

    async def fall(self) -> None:
        """Wait until Sidegate ends by itself."""
        await self.sidegate.process.wait()

    async def run_sidegate(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """Run the command line with `typed` as input; return its exit code and what it printed."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "proxy", "-c", str(self.config), *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=ROOT,
        )
        printed, _ = await process.communicate(typed.encode())
        return await process.wait(), printed.decode()
