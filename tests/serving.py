"""A Sidegate in a process of its own, as an operator starts one."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import yaml
from wire import until

ROOT = Path(__file__).parent.parent
CODE = re.compile(r"pairing code: (\d{6}) \(valid 10 min; another: sidegate pair\)")


def write(path: Path, sections: Mapping[str, object]) -> Path:
    """A configuration file."""
    path.write_text(yaml.safe_dump(dict(sections), sort_keys=False))
    return path


@dataclass
class Serving:
    """The process, and what it wrote on stderr so far."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    @property
    def ports(self) -> dict[str, int]:
        rows = [json.loads(line) for line in self.lines if line.startswith("{")]
        return {row["listener"]: row["port"] for row in rows if row["event"] == "listening"}

    @property
    def code(self) -> str | None:
        """The pairing code that it showed."""
        found = [match[1] for line in self.lines if (match := CODE.fullmatch(line))]
        return found[0] if found else None

    async def read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.lines.append(line.decode().rstrip("\n"))

    async def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 15.0) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        async with asyncio.timeout(seconds):
            return await self.process.wait()


def environment(**more: str) -> dict[str, str]:
    """What a process of ours needs, and nothing that this one was given."""
    kept = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
    return {**kept, **more}


async def start_process(*arguments: str, **more: str) -> asyncio.subprocess.Process:
    """`python -m proxy` with these arguments."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "proxy", *arguments),
        cwd=ROOT,
        env=environment(**more),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finished(*arguments: str, **more: str) -> tuple[int, str, str]:
    """How a command ended: exit code, stdout, stderr."""
    process = await start_process(*arguments, **more)
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def serving(config: Path, *, paired: bool = False) -> AsyncIterator[Serving]:
    """`sidegate serve`, once it takes connections; killed at the end, if it still runs."""
    made = Serving(await start_process("serve", "-c", str(config)))
    reading = asyncio.create_task(made.read())
    try:
        await until(lambda: reading.done() or (len(made.ports) >= 3 and (paired or made.code)), 30)
        assert made.process.returncode is None, made.lines
        yield made
    finally:
        if made.process.returncode is None:
            made.process.kill()
        await made.process.wait()
        await reading


def config(tmp_path: Path, url: str, **sections: object) -> Path:
    """A configuration for an agent at `url`, with free ports and a state of its own."""
    (tmp_path / "workspace").mkdir(exist_ok=True)
    return write(
        tmp_path / "sidegate.yaml",
        {
            "state_dir": str(tmp_path / "state"),
            **{name: {"port": 0} for name in ("gateway", "admin", "metrics")},
            "upstream": {"url": url},
            "autonomy": {"workspace_dir": str(tmp_path / "workspace")},
            **sections,
        },
    )


async def paired(served: Serving) -> dict[str, str]:
    """The header of a client that has just paired."""
    url, code = f"http://127.0.0.1:{served.ports['gateway']}/pair", served.code or ""
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, headers={"X-Pairing-Code": code}) as answer,
    ):
        return {"Authorization": f"Bearer {(await answer.json())['token']}"}
