"""The commands about pinned tools: what they show, ask, and end with."""

import asyncio
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from commands import asked, ended, sections, sidegate
from serving import environment, write

from proxy import seal
from proxy.protocols.mcp import lint
from proxy.state.pins import Seen
from proxy.state.sqlite.store import SqliteStore

NAME = "github.search"


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """A configuration on whose state nobody runs, and whose state there is."""
    (tmp_path / "workspace").mkdir()
    made = write(tmp_path / "sidegate.yaml", sections(tmp_path))
    await asked("tokens", "list", "-c", made)
    return made


async def sees(config: Path, description: str, name: str = "search") -> str:
    """A server shows a tool like this; its digest."""
    key = seal.load(str(config.parent / "state" / ".secret_key"))
    assert key is not None
    store = SqliteStore(str(config.parent / "state" / "sidegate.db"), key)
    tool = {"name": name, "description": description}
    digest, note = lint.digest(tool), lint.hidden(tool)
    await store.pins.see("github", [Seen(name, digest, lint.canonical(tool), note)], 1.0)
    await store.aclose()
    return digest


def on_a_terminal(config: Path, answer: bytes) -> tuple[int, bytes]:
    """How accepting ends where this is answered, and what was shown before."""
    terminal, slave = pty.openpty()
    arguments = [sys.executable, "-m", "proxy", "mcp", "accept", NAME, "-c", str(config)]
    with subprocess.Popen(
        arguments,
        env=environment(),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,  # lest it asks on the terminal of whoever runs the tests
    ) as process:
        shown = b""
        while b"[y/N]: " not in shown:
            shown += os.read(terminal, 4096)
        os.write(terminal, answer + b"\n")
        code = process.wait(30)
    os.close(slave)
    os.close(terminal)
    return code, shown


async def test_tools_are_listed_with_what_waits_first(config: Path) -> None:
    first, other = await sees(config, "Search."), await sees(config, "Sea\u200brch.")

    done = await asked("mcp", "tools", "-c", config)

    when = "first seen 1970-01-01T00:00:01+00:00"
    pending = f"{NAME}  pending  {other}  {when}  zero-width characters\n"
    assert ended(done) == (0, f"{pending}{NAME}  accepted  {first}  {when}\n", "")


async def test_a_tool_is_shown_with_its_difference(config: Path) -> None:
    await sees(config, "Search.")
    other = await sees(config, "Sea\u200brch.")

    done = await asked("mcp", "show", NAME, "-c", config)

    assert done.exit_code == 0
    assert '-  "description": "Search.",\n+  "description": "Sea\\u{200b}rch.",\n' in done.stdout
    assert done.stderr == f"pending {other}\n"
    shown = json.loads((await asked("mcp", "show", NAME, "--json", "-c", config)).stdout)
    assert [each["digest"] for each in shown["differences"]] == [other]


async def test_exactly_what_is_named_is_accepted(config: Path) -> None:
    await sees(config, "Search.")
    other, third = await sees(config, "Search!"), await sees(config, "Search?")

    done = await asked("mcp", "accept", NAME, "--digest", other, "-c", config)

    assert ended(done) == (0, f"accepted {NAME}  {other}\n", "")
    listed = json.loads((await asked("mcp", "tools", "--json", "-c", config)).stdout)["tools"]
    assert [row["digest"] for row in listed if row["standing"] == "pending"] == [third]


async def test_without_a_terminal_nothing_is_accepted_that_is_not_named(config: Path) -> None:
    await sees(config, "Search.")
    await sees(config, "Search!")

    done = sidegate("mcp", "accept", NAME, "-c", config, stdin="y\n")

    assert done.exit_code == 2
    assert "there is no terminal to ask at" in done.stderr
    listed = json.loads((await asked("mcp", "tools", "--json", "-c", config)).stdout)["tools"]
    assert [row["standing"] for row in listed] == ["pending", "accepted"]


@pytest.mark.parametrize("digest", ["", "abc", "A" * 64, "0" * 65])
def test_what_is_no_digest_is_not_asked_for(config: Path, digest: str) -> None:
    done = sidegate("mcp", "accept", NAME, "--digest", digest, "-c", config)

    assert done.exit_code == 2
    assert "64 hexadecimal digits" in done.stderr


@pytest.mark.parametrize(
    ("answer", "code", "standing"),
    [(b"y", 0, "accepted"), (b"n", 1, "pending"), (b"", 1, "pending")],
)
async def test_on_a_terminal_the_difference_is_shown_and_asked_about(
    config: Path, answer: bytes, code: int, standing: str
) -> None:
    await sees(config, "Search.")
    other = await sees(config, "Search!")
    ended_with, shown = await asyncio.to_thread(on_a_terminal, config, answer)

    assert ended_with == code
    assert b'+  "description": "Search!",' in shown
    listed = json.loads((await asked("mcp", "tools", "--json", "-c", config)).stdout)["tools"]
    assert {row["digest"]: row["standing"] for row in listed}[other] == standing


async def test_a_tool_with_a_slash_is_forgotten(config: Path) -> None:
    await sees(config, "Get.", "repos/get")

    done = await asked("mcp", "forget", "github.repos/get", "-c", config)

    assert ended(done) == (0, "forgot github.repos/get\n", "")
    assert ended(await asked("mcp", "tools", "-c", config)) == (0, "", "")


@pytest.mark.parametrize("command", [("show",), ("forget",), ("accept", "--digest", "0" * 64)])
def test_what_there_is_not_is_said(config: Path, command: tuple[str, ...]) -> None:
    done = sidegate("mcp", *command, "github.nothing", "-c", config)

    assert ended(done) == (1, "", "sidegate: there is no 'github.nothing'\n")
