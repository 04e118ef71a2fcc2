"""What an attacker writes into a command line, and why it does not run."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from doubles import CLIENT
from policies import PARSER, RUN, policy, shell

from proxy import process
from proxy.actions import Invoke, ToolCall
from proxy.authorization.paths.workspace import Workspace
from proxy.decision import Allow, Deny
from proxy.reasons import Reason

ROOT = Path(__file__).parent.parent.parent
ALLOWED = ("ls", "cat", "echo", "id", "grep", "find", "git", "touch", "printf", "true")
REFUSED = {
    *(Reason.COMMAND_UNPARSABLE, Reason.COMMAND_UNKNOWABLE, Reason.COMMAND_NOT_ALLOWED),
    *(Reason.COMMAND_TOO_COMPLEX, Reason.COMMAND_MALFORMED),
}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    folder = tmp_path / "workspace"
    (folder / "src").mkdir(parents=True)
    (folder / "README.md").write_text("read me")
    opened = Workspace.open(str(folder), (), only=True)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "line",
    [
        # another spelling of an allowed name
        *("/bin/ls", "./ls", "../ls", "bin/ls", "/workspace/ls", "LS", "ls.exe", "ls:", "l\u017f"),
        *("'ls '", "' ls'", "'ls -la'", "\uff4c\uff53", "l\u0455", "ls\u0301", "%1", "''ls''x"),
        # a program or built-in that starts another one
        *("sh -c ls", "bash -c ls", "env ls", "sudo ls", "busybox ls", "xargs ls", "nice ls"),
        *("eval ls", "exec ls", "command ls", "builtin ls", "source x", ". x", "alias ls=id"),
        *("test -e x", "set -x", "trap ls EXIT", "enable -f x ls", "unset PATH", "{ls", "]"),
    ],
)
async def test_program_that_is_not_in_the_list_does_not_run(
    workspace: Workspace, line: str
) -> None:
    decision = await policy(workspace, ALLOWED).decide(shell(line), CLIENT)

    assert isinstance(decision, Deny)
    assert decision.reason in REFUSED


async def test_empty_allowlist_admits_no_program(workspace: Workspace) -> None:
    denied = Deny(Reason.COMMAND_NOT_ALLOWED)

    for line in ("ls", "''x", "a", "/bin/ls"):
        assert await policy(workspace, ()).decide(shell(line), CLIENT) == denied


async def test_a_wildcard_in_the_list_is_a_name_like_any_other(workspace: Workspace) -> None:
    denied = Deny(Reason.COMMAND_NOT_ALLOWED)

    assert await policy(workspace, ("*", "l*")).decide(shell("ls"), CLIENT) == denied


# What the agent's own shell makes of a line that was judged here


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("f #\\\necho extra", id="a comment that ends in a backslash"),
        pytest.param('f "$\\\n(echo extra)"', id="a substitution cut by a continued line"),
        pytest.param("f $\\\n{PWD}", id="a parameter cut by a continued line"),
        pytest.param("f {{a},README.md}", id="braces in braces"),
        pytest.param("f a\\\\\\\nb", id="a line continued after an escaped backslash"),
    ],
)
async def test_a_line_handed_to_the_agent_means_to_its_shell_what_was_judged(
    workspace: Workspace, line: str
) -> None:
    """A tool of the agent's gets the line itself, and may well give it to a shell."""
    judged = await PARSER.parse(line)
    decision = await policy(workspace, ("f",)).decide(ToolCall(RUN.name, {"line": line}), CLIENT)
    if isinstance(decision, Deny):
        return

    assert isinstance(judged, Allow)
    assert isinstance(decision, Allow)
    assert isinstance(decision.value.plan, Invoke)
    (call,) = judged.value.calls
    shown = 'f() { for each; do printf "%s\\0" "$each"; done; }'
    script = f"{shown}\n{decision.value.plan.arguments['line']}"
    done = await process.run(("/bin/bash", "-c", script), b"", limit=1 << 16, seconds=5)
    assert done.output == b"".join(word.encode() + b"\0" for word in call.argv[1:])


# Lines that are made to cost


BOMBS = {
    "two thousand pipes": "a|" * 2000,
    "a thousand nested substitutions": "$(" * 1000,
    "as many nested substitutions as are read": "$(" * 333 + ")" * 333,
    "nested defaults": "${a:-" * 999 + "}" * 999,
    "arithmetic without an end": "let " + "1+" * 32000 + "1",
    "negations without an end": "[[ " + "! " * 30000 + "a ]]",
    "nested groups": "{ " * 32000,
    "conditions in conditions": "if " * 20000,
    "a list of many words": "a=(" + "b " * 32000 + ")",
    "a document of 64 kB": "rm <<E\n" + "x" * 65000 + "\nE",
    "more than 64 kB": "ls " + "a" * 65536,
    "a megabyte": "ls " + "a " * 500_000,
    "more operators than are read": "ls;" * 20000,
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS)
async def test_a_line_that_is_made_to_cost_is_denied_in_time(
    workspace: Workspace, bomb: str
) -> None:
    started = time.monotonic()
    decision = await policy(workspace, ALLOWED).decide(shell(BOMBS[bomb]), CLIENT)

    assert isinstance(decision, Deny)
    assert decision.reason in REFUSED
    assert time.monotonic() - started < 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "bomb",
    [
        "as many nested substitutions as are read",
        "nested defaults",
        "nested groups",
    ],
)
def test_a_line_that_is_made_to_cost_takes_bounded_memory(bomb: str) -> None:
    script = (
        "import asyncio, resource, sys;"
        "from proxy.authorization.shell.parser import CommandParser, find_parser;"
        "asyncio.run(CommandParser(find_parser()).parse(sys.stdin.read()));"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss,"
        # not RUSAGE_SELF, which remembers what the parent had
        " open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=BOMBS[bomb],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=30,
    )
    parser, own = (int(kilobytes) >> 10 for kilobytes in done.stdout.split())

    assert parser < 256
    assert own < 128


async def test_nothing_is_left_open_by_what_is_denied(workspace: Workspace) -> None:
    rules = policy(workspace, ALLOWED)
    before = len(os.listdir("/proc/self/fd"))
    for line in ("ls", "ls |", "''", "rm", "ls \0", "a|" * 900, "a " * 30000):
        await rules.decide(shell(line), CLIENT)

    assert len(os.listdir("/proc/self/fd")) == before
