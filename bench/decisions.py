"""Decisions: how long layer 3 takes with a command line, as `sidegate explain` asks it.

In this process, without HTTP. A compound line is read by a shell parser in a process of its own,
once: what was read is remembered, and decided on anew.
"""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.measure import for_a_while
from bench.report import Measure, Row
from bench.sidegate import config_in
from proxy.actions import Action
from proxy.authorization.shell.parser import CommandParser, find_parser
from proxy.config import loader
from proxy.decision import Deny
from proxy.exchange import Principal
from proxy.explain.explainer import Explainer
from proxy.explain.ruleset import in_force
from proxy.pipeline import build_policy
from proxy.places import open_workspace
from proxy.values import Json

SECONDS = 1.5
_PROGRAMS = ["cat", "grep", "head", "ls", "sort", "wc"]
_PLAIN = "grep -rn TODO notes.txt"
_COMPOUND = 'for f in a.txt b.txt; do wc -l "$f"; done && grep -n TODO notes.txt | sort | head -n 5'


async def rows() -> list[Row]:
    """A plain line, a compound one that was read before, and ones that are new."""
    new = (f"{_COMPOUND}{number}" for number in itertools.count())
    return [
        await _row("a plain line", itertools.repeat(_PLAIN)),
        await _row("a compound line, read before", itertools.repeat(_COMPOUND)),
        await _row("a compound line, new", new),
    ]


async def _row(figure: str, lines: Iterator[str]) -> Row:
    async with _explainer() as explainer:

        async def ask() -> None:
            question: Json = {"tool": "shell", "arguments": {"command": next(lines)}}
            answer = await explainer.explain(question)
            if answer["decision"] != "allow":
                raise OSError(f"{figure}: {answer}")

        await ask()
        times = await for_a_while(ask, SECONDS)
    return Row(f"decision, {figure}", Measure.of(times, "µs"))


@asynccontextmanager
async def _explainer() -> AsyncIterator[Explainer]:
    with TemporaryDirectory(prefix="sidegate-bench-") as folder:
        autonomy = {
            "level": "full",
            "workspace_dir": f"{folder}/workspace",
            "allowed_commands": _PROGRAMS,
        }
        path = config_in(Path(folder), {"autonomy": autonomy})
        loaded = loader.parse(path.read_text(), str(path), {})
        workspace = open_workspace(loaded, os.environ)
        assert workspace is not None
        try:
            policy = build_policy(loaded.config, CommandParser(find_parser()), workspace)
            yield Explainer(in_force(loaded, policy), _nothing_is_stopped)
        finally:
            workspace.close()


async def _nothing_is_stopped(_: Action, __: Principal) -> Deny | None:
    return None
