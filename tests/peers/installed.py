"""What `deploy/peers` installed, and how to start it."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

TESTS = Path(__file__).parent.parent
PEERS = TESTS.parent / ".tool" / "peers"
MODULES = PEERS / "mcp" / "node_modules"
NODE = MODULES / "node" / "bin" / "node"
SDK1 = PEERS / "mcp1" / "bin" / "python"
SDK2 = PEERS / "mcp2" / "bin" / "python"
OPENCLAW = PEERS / "openclaw" / "node_modules" / "openclaw" / "openclaw.mjs"
"""A real agent, where somebody asked for it."""
MISSING = [str(each) for each in (NODE, SDK1, SDK2) if not each.exists()]
"""What is not there: `deploy/peers` installs it."""

_PORT = re.compile(r"(?:.*\bport )?(\d{4,5})")
_START_SECONDS = 30.0


def package(name: str) -> Path:
    """The main program of a package of the Model Context Protocol's own."""
    return MODULES / "@modelcontextprotocol" / name / "dist" / "index.js"


def environment(**more: str) -> dict[str, str]:
    """What such a program needs, and nothing that this one was given."""
    return {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **more}


def script(python: Path, module: str, *arguments: str) -> tuple[Sequence[str], Mapping[str, str]]:
    """A module of this folder, run by the Python of an SDK."""
    words = [str(python), "-m", f"peers.{module}", *arguments]
    return words, environment(PYTHONPATH=str(TESTS), PYTHONDONTWRITEBYTECODE="1")


@dataclass
class Peer:
    """A server that runs, and what it wrote."""

    process: asyncio.subprocess.Process
    port: int
    lines: list[str] = field(default_factory=list)

    def url(self, path: str = "/mcp") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@asynccontextmanager
async def peer(words: Sequence[str], env: Mapping[str, str]) -> AsyncIterator[Peer]:
    """Start a server that prints its port as it begins to listen; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=env,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    made = Peer(process, 0)
    assert process.stdout is not None
    reading: asyncio.Task[None] | None = None
    try:
        async with asyncio.timeout(_START_SECONDS):
            made.port = await _port(process.stdout, made.lines)
        reading = asyncio.create_task(_drain(process.stdout, made.lines))
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if reading is not None:
            await reading


async def _port(output: asyncio.StreamReader, lines: list[str]) -> int:
    while line := await output.readline():
        lines.append(line.decode(errors="replace").rstrip())
        if found := _PORT.fullmatch(lines[-1]):
            return int(found[1])
    raise OSError("\n".join(["it ended before it listened:", *lines]))


async def _drain(output: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await output.readline():
        lines.append(line.decode(errors="replace").rstrip())


async def ran(
    words: Sequence[str], env: Mapping[str, str], *, cwd: Path | None = None, seconds: float = 60
) -> tuple[int, str]:
    """How a program ended, and what it wrote; killed where it takes longer."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=env,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds):
            out, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        out, _ = await process.communicate()
        raise TimeoutError(f"{words[:4]} took too long: {out.decode()[-4000:]}") from None
    assert process.returncode is not None
    return process.returncode, out.decode(errors="replace")
