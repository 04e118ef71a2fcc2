"""Two tables of command lines, each with the list that a naive owner would write.

No hostile line is let through, and no harmless one is in the way. The workspace has the files that
the lines name, so that a path that is denied is denied for where it leads.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from policies import PARSER

from proxy.config import loader
from proxy.explain.explainer import Explainer, StopFile
from proxy.explain.overlays import Overlays

pytestmark = pytest.mark.slow

Row = tuple[str, tuple[str, ...]]

HERE = Path(__file__).parent
FOLDERS = ("src/cmd", "docs", "tests", "include", "out", "build", "web", "packages/a", "vendor")
FILES = ("README.md", "notes.txt", "data.csv", "my file.txt", "it's.txt", "src/app.py", "src/a.ts")


def table(name: str) -> dict[str, list[Row]]:
    """The rows of a file by their category: a line and its list."""
    sections: dict[str, list[Any]] = yaml.safe_load((HERE / f"{name}_commands.yaml").read_text())
    return {each: [(line, tuple(allowed)) for line, allowed in sections[each]] for each in sections}


HOSTILE = table("hostile")
HARMLESS = table("harmless")


@pytest.fixture
def explainer(tmp_path: Path) -> Iterator[Explainer]:
    """What `sidegate explain -` asks, at full autonomy, over a workspace with files."""
    workspace = tmp_path / "workspace"
    for folder in FOLDERS:
        (workspace / folder).mkdir(parents=True)
    for file in FILES:
        (workspace / file).write_text("text\n")
    (workspace / "data.json").write_text("{}")
    (tmp_path / "secret.txt").write_text("outside")
    text = f"autonomy:\n  level: full\n  workspace_dir: {workspace}\n"
    overlays = Overlays(loader.parse(text, "sidegate.yaml", {}), PARSER, {})
    yield Explainer(overlays, StopFile(str(tmp_path / "STOP")))
    overlays.close()


async def decided(explainer: Explainer, rows: list[Row], decision: str) -> list[str]:
    """The rows that were decided otherwise, with the reason; a list that is invalid is one."""
    others = []
    for line, allowed in sorted(rows, key=lambda row: row[1]):
        config = {"autonomy": {"allowed_commands": allowed}}
        question = {"tool": "shell", "arguments": {"command": line}, "config": config}
        verdict = await explainer.line(json.dumps(question).encode())
        if verdict["decision"] != decision or "problems" in verdict:
            others.append(f"{verdict['code']}: {list(allowed)} {line!r}")
    return others


@pytest.mark.parametrize("category", HOSTILE)
async def test_no_hostile_line_is_allowed(explainer: Explainer, category: str) -> None:
    missed = await decided(explainer, HOSTILE[category], "deny")

    assert not missed, "\n".join([f"{len(missed)} are allowed:", *missed])


@pytest.mark.parametrize("category", HARMLESS)
async def test_no_harmless_line_is_in_the_way(explainer: Explainer, category: str) -> None:
    refused = await decided(explainer, HARMLESS[category], "allow")

    assert not refused, "\n".join([f"{len(refused)} are denied:", *refused])


def test_the_tables_are_large_and_hold_no_line_twice() -> None:
    hostile, harmless = (
        [row for rows in each.values() for row in rows] for each in (HOSTILE, HARMLESS)
    )

    assert len(hostile) == len(set(hostile)) >= 700
    assert len(harmless) == len(set(harmless)) >= 450
    assert not set(hostile) & set(harmless)
